/*
 * input.h - what the fuzzer gives, read as a script: byte after byte, and zeros behind its end.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdint.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

struct input {
  const uint8_t *data;
  size_t left;
};

static inline unsigned next(struct input *in) {
  if (in->left == 0) return 0;
  in->left--;
  return *in->data++;
}

/* In [0, 65536). */
static inline unsigned next_u16(struct input *in) {
  unsigned high = next(in);
  return high << 8 | next(in);
}

/* `len` bytes, or as many as there are; *len says how many. */
static inline const uint8_t *next_bytes(struct input *in, size_t *len) {
  const uint8_t *at = in->data;
  if (*len > in->left) *len = in->left;
  in->data += *len;
  in->left -= *len;
  return at;
}

#endif
