/*
 * driver.c - reads lines, runs functions, writes answers. Everything lives until the process ends,
 * but for arguments.
 */
#include "driver.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iot_export.h"

#define HANDLES_MAX 512
#define NAME_MAX_LEN 64
#define SHOWN_MAX 128 /* bytes of a buffer in an answer */

static struct {
  char name[NAME_MAX_LEN];
  void *handle;
} handles[HANDLES_MAX];
static size_t handle_count;

static char *events; /* objects parted by commas */
static size_t events_len;
static char *hook;

static void die(const char *what) {
  fprintf(stderr, "driver: %s\n", what);
  exit(3);
}

static void *must(void *memory) {
  if (memory == NULL) die("out of memory");
  return memory;
}

void to_hex(const uint8_t *bytes, size_t len, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < len; i++) {
    out[2 * i] = digits[bytes[i] >> 4];
    out[2 * i + 1] = digits[bytes[i] & 15];
  }
  out[2 * len] = '\0';
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  die("not a hexadecimal digit");
  return 0;
}

static char *from_hex(const char *hex) {
  size_t len = strlen(hex) / 2;
  char *text = must(malloc(len + 1));
  for (size_t i = 0; i < len; i++)
    text[i] = (char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
  text[len] = '\0';
  return text;
}

/* ---- handles ---- */

static size_t find(const char *name) {
  for (size_t i = 0; i < handle_count; i++) {
    if (strcmp(handles[i].name, name) == 0) return i;
  }
  return handle_count;
}

void *handle_of(const struct arg *arg) {
  if (arg->is_null) return NULL;
  size_t i = find(arg->text);
  return i < handle_count ? handles[i].handle : NULL;
}

void set_handle(const char *name, void *handle) {
  size_t i = find(name);
  if (i == HANDLES_MAX || strlen(name) >= NAME_MAX_LEN) die("too many handles, or a long name");
  if (i == handle_count) {
    snprintf(handles[i].name, sizeof(handles[i].name), "%s", name);
    handle_count++;
  }
  handles[i].handle = handle;
}

const char *name_of(const void *handle) {
  for (size_t i = 0; i < handle_count; i++) {
    if (handles[i].handle == handle) return handles[i].name;
  }
  return "";
}

/* ---- arguments ---- */

static struct arg parse_buffer(const char *text) {
  struct arg arg = {0};
  char *end;
  arg.len = strtoul(text, &end, 10);
  size_t at = *end == ',' ? strtoul(end + 1, NULL, 10) : 0;
  arg.memory = must(malloc(arg.len + at + GUARD));
  memset(arg.memory, FILL, arg.len + at + GUARD);
  arg.buf = arg.memory + at;
  return arg;
}

static struct arg parse_pointer(const char *text) {
  static char taken[] = "taken";
  struct arg arg = {.is_pointer = true};
  arg.pointer = text[0] == '1' ? taken : NULL;
  arg.len = text[1] == ',' ? strtoul(text + 2, NULL, 10) : sizeof(char *);
  return arg;
}

static struct arg parse(char *text) {
  switch (text[0]) {
  case '~':
    return (struct arg){.is_null = true};
  case 'n':
    return (struct arg){.number = strtoll(text + 1, NULL, 10)};
  case 's':
    return (struct arg){.text = from_hex(text + 1)};
  case '@':
    return (struct arg){.text = must(strdup(text + 1))};
  case 'b':
    return parse_buffer(text + 1);
  case 'p':
    return parse_pointer(text + 1);
  default:
    die("an argument that is not known");
    return (struct arg){0};
  }
}

/* ---- answers ---- */

static void put_event(const char *text) {
  size_t len = strlen(text);
  events = must(realloc(events, events_len + len + 2));
  if (events_len > 0) events[events_len++] = ',';
  memcpy(events + events_len, text, len + 1);
  events_len += len;
}

static void run(char *line, FILE *out);

void set_hook(const char *line) {
  free(hook);
  hook = must(strdup(line));
}

static void run_hook(void) {
  char *line = hook;
  char *answer = NULL;
  size_t len = 0;
  if (line == NULL) return;
  hook = NULL;
  FILE *out = must(open_memstream(&answer, &len));
  run(line, out);
  fclose(out);
  put_event(answer);
  free(answer);
  free(line);
}

void add_event(const char *format, ...) {
  char text[4096];
  va_list ap;
  va_start(ap, format);
  int len = vsnprintf(text + 1, sizeof(text) - 2, format, ap);
  va_end(ap);
  if (len < 0 || (size_t)len >= sizeof(text) - 2) die("an event that is too long");
  text[0] = '{';
  text[1 + len] = '}';
  text[2 + len] = '\0';
  put_event(text);
  run_hook();
}

static uint32_t fnv1a(const uint8_t *bytes, size_t len) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < len; i++)
    hash = (hash ^ bytes[i]) * 16777619u;
  return hash;
}

/* The last byte that is not FILL any more; guard bytes count. -1: none. */
static int64_t last_touched(const struct arg *arg) {
  int64_t last = -1;
  for (size_t i = 0; i < arg->len + GUARD - 8; i++) {
    if (arg->buf[i] != FILL) last = (int64_t)i;
  }
  return last;
}

static void put_buffer(const struct arg *arg, const struct answer *answer, FILE *out) {
  char hex[2 * SHOWN_MAX + 1];
  int64_t touched = last_touched(arg);
  size_t len = (size_t)(touched + 1);
  if (answer->content > 0) {
    fprintf(out, ",\"hash\":%" PRIu32 ",\"within\":%s", fnv1a(arg->buf, (size_t)answer->content),
            touched < answer->content ? "true" : "false");
    return;
  }
  to_hex(arg->buf, len < SHOWN_MAX ? len : SHOWN_MAX, hex);
  fprintf(out, ",\"touched\":%" PRId64 ",\"bytes\":\"%s\"", touched, hex);
}

static void put_pointer(const struct arg *arg, FILE *out) {
  char hex[2 * SHOWN_MAX + 1];
  if (arg->pointer == NULL) {
    fputs(",\"pointer\":null", out);
    return;
  }
  size_t len = strlen(arg->pointer);
  to_hex((const uint8_t *)arg->pointer, len < SHOWN_MAX ? len : SHOWN_MAX, hex);
  fprintf(out, ",\"pointer\":\"%s\"", hex);
}

static void put_answer(struct arg *args, int count, const struct answer *answer, FILE *out) {
  if (answer->is_handle) {
    fprintf(out, "{\"ret\":\"%s\"", answer->made ? "handle" : "NULL");
  } else {
    fprintf(out, "{\"ret\":%" PRId64, answer->ret);
  }
  for (int i = 0; i < count; i++) {
    if (args[i].buf != NULL) put_buffer(&args[i], answer, out);
    if (args[i].is_pointer) put_pointer(&args[i], out);
    free(args[i].memory);
    free(args[i].text);
  }
  fputc('}', out);
}

static const struct function *function_of(const char *name) {
  const struct function *const tables[] = {mqtt_functions, ota_functions};
  for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
    for (const struct function *function = tables[i]; function->name != NULL; function++) {
      if (strcmp(function->name, name) == 0) return function;
    }
  }
  die("a function that is not known");
  return NULL;
}

static void run(char *line, FILE *out) {
  struct arg args[ARGS_MAX];
  struct answer answer = {.content = -1};
  int count = 0;
  char *rest = line;
  const struct function *function = function_of(strsep(&rest, "\t"));
  while (rest != NULL && count < ARGS_MAX)
    args[count++] = parse(strsep(&rest, "\t"));
  if (count != function->count) die("a wrong number of arguments");
  function->run(args, &answer);
  put_answer(args, count, &answer, out);
}

int main(void) {
  char *line = NULL;
  size_t size = 0;
  ssize_t len;
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  IOT_SetLogLevel(getenv("PARITY_LOG") != NULL ? IOT_LOG_DEBUG : IOT_LOG_NONE);
  while ((len = getline(&line, &size, stdin)) > 0) {
    if (line[len - 1] == '\n') line[len - 1] = '\0';
    fputs("{\"answer\":", stdout);
    run(line, stdout);
    fprintf(stdout, ",\"events\":[%s]}\n", events_len > 0 ? events : "");
    fflush(stdout);
    events_len = 0;
  }
  free(line);
  return 0;
}
