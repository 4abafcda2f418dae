/*
 * errors.c - the error table of iotkit_errors.h, and the questions it answers. No state; all texts
 * are static.
 */
#include <stddef.h>

#include "iotkit_core.h"

/* A row has distances into the texts and no pointers: each of those would be a relocation as well,
 * which takes room in the library, and time when it is loaded. */
struct texts {
#define TEXT(name, value, retryable, sentence)                                                     \
  char name_##name[sizeof "ERR_" #name];                                                           \
  char sentence_##name[sizeof sentence];
  IOTKIT_ERROR_MAP(TEXT)
#undef TEXT
};

static const struct texts texts = {
#define TEXT(name, value, retryable, sentence) "ERR_" #name, sentence,
    IOTKIT_ERROR_MAP(TEXT)
#undef TEXT
};

struct row {
  int16_t value;
  uint16_t name;
  uint16_t sentence;
  bool retryable;
};
_Static_assert(sizeof(struct texts) <= UINT16_MAX, "a distance is in two bytes");

static const struct row rows[] = {
#define ROW(name, value, retryable, sentence)                                                      \
  {value, offsetof(struct texts, name_##name), offsetof(struct texts, sentence_##name), retryable},
    IOTKIT_ERROR_MAP(ROW)
#undef ROW
};

static const char *text_at(uint16_t distance) {
  return (const char *)&texts + distance;
}

/* Errors are rare: a walk through some seventy rows is quick enough. */
static const struct row *find(int error) {
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (rows[i].value == error) return &rows[i];
  }
  return NULL;
}

const char *iotkit_error_name(int error) {
  const struct row *row = find(error);
  return row ? text_at(row->name) : "ERR_UNKNOWN";
}

const char *iotkit_strerror(int error) {
  const struct row *row = find(error);
  return row ? text_at(row->sentence) : "unknown error";
}

bool iotkit_error_retryable(int error) {
  const struct row *row = find(error);
  return row && row->retryable;
}

bool iotkit_error_condemns_image(int error) {
  return error == IK_EDIGEST_MISMATCH || error == IK_ESIZE_MISMATCH || error == IK_ESIGNATURE ||
         error == IK_ESIGNATURE_MISSING;
}
