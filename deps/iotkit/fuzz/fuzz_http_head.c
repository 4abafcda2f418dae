/*
 * Response heads: pushed whole or in pieces the outcome is the same, every field is a piece of the
 * text, and no result depends on what follows the head.
 */
#include <stdlib.h>
#include <string.h>

#include "http/head.h"
#include "http/range.h"
#include "iotkit_errors.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
  int rc;
  size_t used;
};

static struct outcome push(struct ik_http_head *head, const uint8_t *data, size_t size,
                           size_t step) {
  struct outcome out = {0, 0};
  ik_http_head_init(head);
  while (out.rc == 0 && out.used < size) {
    size_t n = size - out.used < step ? size - out.used : step;
    size_t used;
    uint8_t *piece = malloc(n); /* so that a read after its end is seen */
    CHECK(piece != NULL);
    memcpy(piece, data + out.used, n);
    out.rc = ik_http_head_push(head, piece, n, &used, NULL);
    free(piece);
    CHECK(used <= n);
    out.used += used;
  }
  return out;
}

/* Every value parser, on every value. */
static void read_values(const struct ik_http_head *head) {
  static const char *const names[] = {"Content-Range", "ETag", "Retry-After", "Location"};
  struct ik_http_content_range range;
  struct ik_str value;
  uint64_t number;
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    for (size_t at = 0; ik_http_head_at(head, names[i], at, &value); at++) {
      if (ik_http_content_range(value, &range)) {
        CHECK(range.first <= range.last && range.last < range.total);
      }
      ik_http_etag_is_strong(value);
      ik_http_retry_after(value, 1000, &number);
    }
  }
}

static void check_fields(const struct ik_http_head *head) {
  size_t len = ik_buf_size(&head->text);
  CHECK(len <= IK_HTTP_HEAD_MAX && head->count <= IK_HTTP_HEADERS_MAX);
  CHECK(head->status >= 100 && head->status <= 999);
  for (size_t i = 0; i < head->count; i++) {
    const struct ik_http_field *field = &head->fields[i];
    CHECK(field->name_len > 0 && (size_t)field->name + field->name_len < len);
    CHECK((size_t)field->value + field->value_len < len);
    CHECK(field->name + field->name_len < field->value || field->value_len == 0);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const size_t steps[] = {1, 7};
  struct ik_http_head whole;
  struct outcome out = push(&whole, data, size, SIZE_MAX);
  for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
    struct ik_http_head pieces;
    struct outcome again = push(&pieces, data, size, steps[i]);
    CHECK(again.rc == out.rc);
    if (out.rc >= 0) {
      CHECK(again.used == out.used && pieces.count == whole.count);
      CHECK(memcmp(pieces.fields, whole.fields, whole.count * sizeof(whole.fields[0])) == 0);
    }
    ik_http_head_free(&pieces);
  }
  if (out.rc == 1) {
    enum ik_http_framing framing;
    uint64_t length;
    check_fields(&whole);
    read_values(&whole);
    int rc = ik_http_head_framing(&whole, &framing, &length, NULL);
    CHECK(rc == 0 || rc == IK_EHTTP_PROTOCOL || rc == IK_EHTTP_ENCODING);
    ik_http_head_keep_alive(&whole);
  }
  ik_http_head_free(&whole);
  return 0;
}
