/*
 * log.c - the one sink of the process. Set before other threads run; the level is read first and
 * orders the rest.
 */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "port/port.h"

#define LINE_MAX_LEN 512

typedef void (*log_sink)(void *ctx, int level, const char *text);

static log_sink current_sink;
static void *current_ctx;
static atomic_int current_level = IOTKIT_LOG_NONE;

void iotkit_log_set(enum iotkit_log_level level, log_sink sink, void *ctx) {
  current_sink = sink;
  current_ctx = ctx;
  atomic_store_explicit(&current_level, (int)level, memory_order_release);
}

static const char *level_name(int level) {
  static const char *const names[] = {"none", "critical", "error", "warning", "info", "debug"};
  return level >= 0 && level <= IOTKIT_LOG_DEBUG ? names[level] : "?";
}

void ik_log(enum iotkit_log_level level, const char *format, ...) {
  char text[LINE_MAX_LEN];
  va_list args;
  if (level == IOTKIT_LOG_NONE ||
      (int)level > atomic_load_explicit(&current_level, memory_order_acquire))
    return;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (n < 0) return;
  /* A peer's text must not forge lines or drive a terminal. */
  for (char *c = text; *c != '\0'; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7F) *c = ' ';
  if (current_sink != NULL)
    current_sink(current_ctx, (int)level, text);
  else
    fprintf(stderr, "iotkit %s: %s\n", level_name((int)level), text);
}
