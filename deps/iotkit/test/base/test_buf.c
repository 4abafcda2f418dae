/* Buffers. */
#include <string.h>

#include "base/buf.h"
#include "iotkit_errors.h"
#include "support/cm.h"
#include "support/rng.h"

static void assert_content(const struct ik_buf *buf, const void *want, size_t len) {
  assert_int_equal(ik_buf_size(buf), len);
  assert_memory_equal(ik_buf_ptr(buf), want, len);
}

static void starts_empty_and_never_null(void **state) {
  struct ik_buf buf;
  (void)state;
  ik_buf_init(&buf, 10);
  assert_int_equal(ik_buf_size(&buf), 0);
  assert_non_null(ik_buf_ptr(&buf));
  assert_int_equal(ik_buf_append(&buf, NULL, 0), 0);
  ik_buf_free(&buf);
  ik_buf_free(&buf);
  assert_int_equal(buf.max, 10);
}

static void holds_exactly_its_maximum(void **state) {
  struct ik_buf buf;
  uint8_t *room;
  (void)state;
  ik_buf_init(&buf, 5);
  assert_int_equal(ik_buf_append(&buf, "abcd", 4), 0);
  assert_int_equal(ik_buf_append(&buf, "ef", 2), IK_ETOO_LONG);
  assert_int_equal(ik_buf_reserve(&buf, SIZE_MAX, &room), IK_ETOO_LONG);
  assert_int_equal(ik_buf_append_u16be(&buf, 1), IK_ETOO_LONG);
  assert_content(&buf, "abcd", 4);
  assert_int_equal(ik_buf_append_u8(&buf, 'e'), 0);
  assert_int_equal(ik_buf_append_u8(&buf, 'f'), IK_ETOO_LONG);
  assert_content(&buf, "abcde", 5);
  ik_buf_consume(&buf, 3);
  assert_int_equal(ik_buf_append_str(&buf, "xyz"), 0);
  assert_content(&buf, "dexyz", 5);
  ik_buf_free(&buf);
}

static void printf_counts_without_its_nul(void **state) {
  struct ik_buf buf;
  (void)state;
  ik_buf_init(&buf, 8);
  assert_int_equal(ik_buf_printf(&buf, "%d-%s", 1234, "abc"), 0);
  assert_content(&buf, "1234-abc", 8);
  assert_int_equal(ik_buf_printf(&buf, "%s", ""), 0);
  assert_int_equal(ik_buf_printf(&buf, "x"), IK_ETOO_LONG);
  assert_content(&buf, "1234-abc", 8);
  ik_buf_free(&buf);
}

static void gives_memory_back_when_empty(void **state) {
  struct ik_buf buf;
  uint8_t *room;
  (void)state;
  ik_buf_init(&buf, 1 << 20);
  assert_int_equal(ik_buf_reserve(&buf, 100000, &room), 0);
  memset(room, 7, 100000);
  ik_buf_commit(&buf, 100000);
  ik_buf_consume(&buf, 99999);
  assert_true(buf.cap >= 100000);
  ik_buf_consume(&buf, 1);
  assert_true(buf.cap <= 4096);
  assert_int_equal(ik_buf_append_str(&buf, "again"), 0);
  assert_content(&buf, "again", 5);
  ik_buf_clear(&buf);
  assert_int_equal(ik_buf_size(&buf), 0);
  ik_buf_free(&buf);
}

static void big_endian(void **state) {
  struct ik_buf buf;
  (void)state;
  ik_buf_init(&buf, 16);
  assert_int_equal(ik_buf_append_u16be(&buf, 0x1234), 0);
  assert_int_equal(ik_buf_append_u16be(&buf, 0xff00), 0);
  assert_content(&buf, "\x12\x34\xff\x00", 4);
  ik_buf_free(&buf);
}

/*
 * Any mix of calls against a plain array; also that a queue of small size never grows its block
 * without end.
 */
static void random_calls_equal_a_model(void **state) {
  struct rng rng = rng_start("buf");
  enum { MAX = 3000 };
  uint8_t model[MAX], piece[MAX];
  size_t len = 0;
  struct ik_buf buf;
  (void)state;
  ik_buf_init(&buf, MAX);
  for (int i = 0; i < 20000; i++) {
    size_t n = rng_below(&rng, rng_below(&rng, 10) == 0 ? MAX : 64);
    if (rng_below(&rng, 2) == 0) {
      int rc;
      rng_fill(&rng, piece, n);
      rc = ik_buf_append(&buf, piece, n);
      assert_int_equal(rc, len + n > MAX ? IK_ETOO_LONG : 0);
      if (rc == 0) {
        memcpy(model + len, piece, n);
        len += n;
      }
    } else {
      if (n > len) n = len;
      ik_buf_consume(&buf, n);
      memmove(model, model + n, len - n);
      len -= n;
    }
    assert_content(&buf, model, len);
    assert_true(buf.cap <= 2 * MAX);
  }
  ik_buf_free(&buf);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(starts_empty_and_never_null),
      cmocka_unit_test(holds_exactly_its_maximum),
      cmocka_unit_test(printf_counts_without_its_nul),
      cmocka_unit_test(gives_memory_back_when_empty),
      cmocka_unit_test(big_endian),
      cmocka_unit_test(random_calls_equal_a_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
