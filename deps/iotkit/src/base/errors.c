/*
 * errors.c - the error table of iotkit_errors.h, and the questions it answers. No state; all texts
 * are static.
 */
#include "iotkit_core.h"

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

bool iotkit_error_condemns_image(int error) {
  return error == IK_EDIGEST_MISMATCH || error == IK_ESIZE_MISMATCH || error == IK_ESIGNATURE ||
         error == IK_ESIGNATURE_MISSING;
}
