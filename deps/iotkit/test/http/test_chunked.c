/*
 * Chunked bodies: what is decoded, what is refused, in place, and the same however the bytes are
 * split.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/chunked.h"
#include "iotkit_errors.h"
#include "support/cm.h"

struct row {
  const char *name;
  const char *raw;
  int rc; /* 1: complete, 0: more is needed, or the error */
  const char *body;
  size_t rest; /* raw bytes that do not belong to it */
};

static const struct row rows[] = {
    {"one chunk", "5\r\nhello\r\n0\r\n\r\n", 1, "hello", 0},
    {"two chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 1, "hello world", 0},
    {"no chunk", "0\r\n\r\n", 1, "", 0},
    {"hex in both cases", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", 1,
     "01234567890123456789", 0},
    {"leading zeros", "0005\r\nhello\r\n000\r\n\r\n", 1, "hello", 0},
    {"extension", "5;a=b\r\nhello\r\n0;c\r\n\r\n", 1, "hello", 0},
    {"quoted extension", "5 ; a=\"b;c\"\r\nhello\r\n0\r\n\r\n", 1, "hello", 0},
    {"trailers", "5\r\nhello\r\n0\r\nA: b\r\nContent-Length: 9\r\n\r\n", 1, "hello", 0},
    {"blanks around the sizes", " 5\r\nhello\r\n\t6 \t\r\n world\r\n 0 \r\n\r\n", 1, "hello world",
     0},
    {"trailer folded", "5\r\nhello\r\n0\r\nA: b\r\n c\r\n\td\r\n\r\n", 1, "hello", 0},
    {"line ends as data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", 1, "\r\n\r\n", 0},
    {"bytes after it", "1\r\nx\r\n0\r\n\r\nHTTP/1.1", 1, "x", 8},
    {"nothing", "", 0, "", 0},
    {"half a size", "5", 0, "", 0},
    {"half a chunk", "5\r\nhel", 0, "hel", 0},
    {"no last chunk", "5\r\nhello\r\n", 0, "hello", 0},
    {"no last line end", "5\r\nhello\r\n0\r\n\r", 0, "hello", 0},
    {"size missing", "\r\nhello", IK_EHTTP_PROTOCOL, "", 0},
    {"extension without size", ";a\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"not hexadecimal", "g\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"prefix 0x", "0x5\r\nhello\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"negative", "-5\r\nhello\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"signed", "+5\r\nhello\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"two sizes", "5 5\r\nhello\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"blanks alone", " \t\r\nhello\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"blanks and an extension", " ;a\r\nhello\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"LF alone after a blank", "5 \nhello\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"trailer that begins folded", "0\r\n c\r\n\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"size of 2^64", "10000000000000000\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"size of 17 digits", "ffffffffffffffff0\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"LF alone after the size", "5\nhello\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"CR and another byte", "5\rxhello\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"LF alone after an extension", "5;a\nhello\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"control character in an extension", "5;a\x01\r\nhello\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"CR in an extension", "5;a\rb\r\nhello\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"longer than its size", "4\r\nhello\r\n", IK_EHTTP_PROTOCOL, "hell", 0},
    {"LF alone after the data", "5\r\nhello\n0\r\n\r\n", IK_EHTTP_PROTOCOL, "hello", 0},
    {"trailer without a name", "0\r\n: b\r\n\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"trailer with LF alone", "0\r\nA: b\n\r\n", IK_EHTTP_PROTOCOL, "", 0},
    {"LF alone as the end", "0\r\n\n", IK_EHTTP_PROTOCOL, "", 0},
};

struct outcome {
  int rc;
  size_t used;
  size_t len;
  uint8_t body[256];
};

/*
 * Decodes in pieces: [0, cut), then pieces of `step`. The memory is as long as the piece, so that a
 * byte too far is seen.
 */
static struct outcome decode(const char *raw, size_t len, size_t cut, size_t step) {
  struct ik_chunked chunked;
  struct outcome out = {0};
  ik_chunked_init(&chunked);
  for (size_t at = 0; out.rc == 0 && at < len;) {
    size_t n = at < cut ? cut - at : step;
    if (n > len - at) n = len - at;
    uint8_t *piece = malloc(n);
    size_t body;
    size_t used;
    assert_non_null(piece);
    memcpy(piece, raw + at, n);
    out.rc = ik_chunked_decode(&chunked, piece, n, &body, &used, NULL);
    assert_true(body <= used && used <= n);
    memcpy(out.body + out.len, piece, body);
    free(piece);
    out.len += body;
    out.used += used;
    if (out.rc == 0) assert_int_equal(used, n);
    at += n;
  }
  return out;
}

static void decodes_and_refuses(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    const struct row *row = &rows[i];
    size_t len = strlen(row->raw);
    for (size_t cut = 0; cut <= len; cut++) {
      struct outcome out = decode(row->raw, len, cut, cut == 0 ? 1 : SIZE_MAX);
      if (out.rc != row->rc || out.len != strlen(row->body) ||
          memcmp(out.body, row->body, out.len) != 0) {
        fail_msg("%s, cut at %zu: %d, %zu bytes", row->name, cut, out.rc, out.len);
      }
      if (out.rc >= 0) assert_int_equal(out.used, len - row->rest);
    }
  }
}

static void caps_lines_and_trailers(void **state) {
  (void)state;
  static char raw[IK_HTTP_TRAILER_MAX + 64];
  struct ik_chunked chunked;
  size_t body;
  size_t used;
  memset(raw, 'a', sizeof(raw));
  memcpy(raw, "1;", 2);
  ik_chunked_init(&chunked);
  assert_int_equal(ik_chunked_decode(&chunked, (uint8_t *)raw, sizeof(raw), &body, &used, NULL),
                   IK_EHTTP_PROTOCOL);
  assert_int_equal(used, IK_HTTP_CHUNK_LINE_MAX);
  memset(raw, ' ', sizeof(raw));
  ik_chunked_init(&chunked);
  assert_int_equal(ik_chunked_decode(&chunked, (uint8_t *)raw, sizeof(raw), &body, &used, NULL),
                   IK_EHTTP_PROTOCOL);
  assert_int_equal(used, IK_HTTP_CHUNK_LINE_MAX);
  memset(raw, 'a', sizeof(raw));
  memcpy(raw, "0\r\n", 3);
  ik_chunked_init(&chunked);
  assert_int_equal(ik_chunked_decode(&chunked, (uint8_t *)raw, sizeof(raw), &body, &used, NULL),
                   IK_EHTTP_PROTOCOL);
  assert_int_equal(used, 3 + IK_HTTP_TRAILER_MAX);
  /* Many short lines are as bad as a long one. */
  for (size_t i = 3; i + 6 <= sizeof(raw); i += 6)
    memcpy(raw + i, "A: b\r\n", 6);
  ik_chunked_init(&chunked);
  assert_int_equal(ik_chunked_decode(&chunked, (uint8_t *)raw, sizeof(raw), &body, &used, NULL),
                   IK_EHTTP_PROTOCOL);
}

static void takes_a_chunk_of_any_size(void **state) {
  (void)state;
  char raw[] = "ffffffffffffffff\r\nabc";
  struct ik_chunked chunked;
  size_t body;
  size_t used;
  ik_chunked_init(&chunked);
  assert_int_equal(ik_chunked_decode(&chunked, (uint8_t *)raw, sizeof(raw) - 1, &body, &used, NULL),
                   0);
  assert_int_equal(body, 3);
  assert_true(chunked.left == UINT64_MAX - 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(decodes_and_refuses),
      cmocka_unit_test(caps_lines_and_trailers),
      cmocka_unit_test(takes_a_chunk_of_any_size),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
