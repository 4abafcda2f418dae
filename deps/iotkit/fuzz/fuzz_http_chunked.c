/*
 * Chunked bodies: in any pieces the same body, the same end or the same error; and what is encoded
 * decodes to itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/chunked.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
  int rc;
  size_t used;
  size_t len;
  uint8_t *body; /* owned */
};

static struct outcome decode(const uint8_t *data, size_t size, size_t step) {
  struct ik_chunked chunked;
  struct outcome out = {0, 0, 0, malloc(size + 1)};
  CHECK(out.body != NULL);
  ik_chunked_init(&chunked);
  while (out.rc == 0 && out.used < size) {
    size_t n = size - out.used < step ? size - out.used : step;
    size_t body;
    size_t used;
    uint8_t *piece = malloc(n);
    CHECK(piece != NULL);
    memcpy(piece, data + out.used, n);
    out.rc = ik_chunked_decode(&chunked, piece, n, &body, &used, NULL);
    CHECK(body <= used && used <= n);
    CHECK(out.rc != 0 || used == n);
    memcpy(out.body + out.len, piece, body);
    free(piece);
    out.len += body;
    out.used += used;
  }
  return out;
}

static void check_equal(const struct outcome *a, const struct outcome *b) {
  CHECK(a->rc == b->rc && a->used == b->used && a->len == b->len);
  CHECK(memcmp(a->body, b->body, a->len) == 0);
}

/* Encodes the input as chunks of `step` bytes: the decoder must give it back. */
static void round_trip(const uint8_t *data, size_t size, size_t step) {
  size_t cap = size + (size / step + 1) * 24 + 8;
  uint8_t *raw = malloc(cap);
  size_t len = 0;
  CHECK(raw != NULL);
  for (size_t at = 0; at < size; at += step) {
    size_t n = size - at < step ? size - at : step;
    len += (size_t)snprintf((char *)raw + len, cap - len, "%zx\r\n", n);
    memcpy(raw + len, data + at, n);
    len += n;
    memcpy(raw + len, "\r\n", 2);
    len += 2;
  }
  memcpy(raw + len, "0\r\n\r\n", 5);
  len += 5;
  struct outcome out = decode(raw, len, 13);
  CHECK(out.rc == 1 && out.used == len && out.len == size);
  CHECK(size == 0 || memcmp(out.body, data, size) == 0);
  free(out.body);
  free(raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct outcome whole = decode(data, size, SIZE_MAX);
  struct outcome bytes = decode(data, size, 1);
  struct outcome pieces = decode(data, size, 11);
  check_equal(&whole, &bytes);
  check_equal(&whole, &pieces);
  free(whole.body);
  free(bytes.body);
  free(pieces.body);
  round_trip(data, size, 1 + size / 3);
  return 0;
}
