/*
 * core.c - version, error table, clock. Nothing is owned; all texts are static.
 */
#include "iotkit_core.h"

#include "../port/port.h"

struct row {
  int value;
  bool retryable;
  const char *name;
  const char *sentence;
};

static const struct row rows[] = {
#define ROW(name, value, retryable, sentence) {value, retryable, "ERR_" #name, sentence},
    IOTKIT_ERROR_MAP(ROW)
#undef ROW
};

/* Errors are rare: a walk through some seventy rows is quick enough. */
static const struct row *find(int error) {
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (rows[i].value == error) return &rows[i];
  }
  return NULL;
}

const char *iotkit_version(void) {
  return "0.1.0"; /* package.json's; test_core compares them */
}

const char *iotkit_error_name(int error) {
  const struct row *row = find(error);
  return row ? row->name : "ERR_UNKNOWN";
}

const char *iotkit_strerror(int error) {
  const struct row *row = find(error);
  return row ? row->sentence : "unknown error";
}

bool iotkit_error_retryable(int error) {
  const struct row *row = find(error);
  return row && row->retryable;
}

uint64_t iotkit_now_ms(void) {
  return ik_port_now_ms();
}
