/*
 * The digest that grows with an image: in order, without gaps, begun again at byte 0.
 */
#include "download/running_digest.h"

#include <pthread.h>

#include "base/codec.h"
#include "support/cm.h"

#define MD5_EMPTY "d41d8cd98f00b204e9800998ecf8427e"
#define MD5_ABC "900150983cd24fb0d6963f7d28e17f72"

static struct ik_running_digest digest;

static int setup(void **state) {
  (void)state;
  digest = (struct ik_running_digest){0};
  return ik_running_digest_init(&digest, IOTKIT_DIGEST_MD5);
}

static int teardown(void **state) {
  (void)state;
  ik_running_digest_deinit(&digest);
  return 0;
}

static void assert_value(uint64_t offset, const char *hex) {
  uint8_t value[IOTKIT_DIGEST_MAX];
  char text[2 * IOTKIT_DIGEST_MAX + 1];
  uint64_t at = 99;
  assert_int_equal(ik_running_digest_value(&digest, &at, value), 16);
  ik_hex_encode(value, 16, text);
  assert_string_equal(text, hex);
  assert_int_equal(at, offset);
}

static void starts_empty(void **state) {
  (void)state;
  assert_value(0, MD5_EMPTY);
}

static void grows_in_order(void **state) {
  (void)state;
  assert_int_equal(ik_running_digest_update(&digest, 0, "ab", 2), 0);
  assert_int_equal(ik_running_digest_update(&digest, 2, "c", 1), 0);
  assert_value(3, MD5_ABC);
  assert_value(3, MD5_ABC); /* to ask changes nothing */
}

static void refuses_gaps_and_overlaps(void **state) {
  (void)state;
  assert_int_equal(ik_running_digest_update(&digest, 1, "x", 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_running_digest_update(&digest, 0, "ab", 2), 0);
  assert_int_equal(ik_running_digest_update(&digest, 3, "x", 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_running_digest_update(&digest, 1, "x", 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_running_digest_update(&digest, 2, "c", 1), 0); /* nothing was lost */
  assert_value(3, MD5_ABC);
}

static void begins_again_at_0(void **state) {
  (void)state;
  assert_int_equal(ik_running_digest_update(&digest, 0, "wrong", 5), 0);
  assert_int_equal(ik_running_digest_update(&digest, 0, "abc", 3), 0);
  assert_value(3, MD5_ABC);
}

static void resumes_where_it_stands(void **state) {
  (void)state;
  assert_int_equal(ik_running_digest_resume(&digest, 0), 0);
  assert_int_equal(ik_running_digest_resume(&digest, 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_running_digest_update(&digest, 0, "ab", 2), 0);
  assert_int_equal(ik_running_digest_resume(&digest, 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_running_digest_resume(&digest, 3), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_running_digest_resume(&digest, 2), 0);
  assert_int_equal(ik_running_digest_update(&digest, 2, "c", 1), 0);
  assert_value(3, MD5_ABC);
  assert_int_equal(ik_running_digest_resume(&digest, 0), 0); /* forgets all */
  assert_value(0, MD5_EMPTY);
}

static void compares_with_a_digest_of_the_same_bytes(void **state) {
  (void)state;
  struct ik_digest *other;
  assert_int_equal(ik_digest_new(IOTKIT_DIGEST_MD5, &other), 0);
  assert_int_equal(ik_running_digest_compare(&digest, 3, other), IK_EAGAIN); /* none has begun */
  assert_int_equal(ik_running_digest_update(&digest, 0, "abc", 3), 0);
  assert_int_equal(ik_running_digest_compare(&digest, 4, other), IK_EAGAIN); /* one is missing */
  assert_int_equal(ik_running_digest_compare(&digest, 3, other), 0);
  assert_int_equal(ik_digest_update(other, "a", 1), 0);
  assert_int_equal(ik_digest_update(other, "bc", 2), 0);
  assert_int_equal(ik_running_digest_compare(&digest, 3, other), 1);
  assert_int_equal(ik_digest_update(other, "d", 1), 0);
  assert_int_equal(ik_running_digest_compare(&digest, 3, other), 0);
  ik_digest_free(other);
}

static void a_digest_by_another_method_is_not_equal(void **state) {
  (void)state;
  struct ik_digest *other;
  assert_int_equal(ik_digest_new(IOTKIT_DIGEST_SHA256, &other), 0);
  assert_int_equal(ik_running_digest_update(&digest, 0, "abc", 3), 0);
  assert_int_equal(ik_digest_update(other, "abc", 3), 0);
  assert_int_equal(ik_running_digest_compare(&digest, 3, other), 0);
  ik_digest_free(other);
}

static void checks_size_then_value(void **state) {
  (void)state;
  uint8_t expected[IOTKIT_DIGEST_MAX] = {0};
  assert_true(ik_hex_decode(ik_str(MD5_ABC), expected, 16));
  assert_int_equal(ik_running_digest_check(&digest, 0, expected), IK_ESIZE_MISMATCH);
  assert_int_equal(ik_running_digest_update(&digest, 0, "abc", 3), 0);
  assert_int_equal(ik_running_digest_check(&digest, 2, expected), IK_ESIZE_MISMATCH);
  assert_int_equal(ik_running_digest_check(&digest, 4, expected), IK_ESIZE_MISMATCH);
  assert_int_equal(ik_running_digest_check(&digest, 3, expected), 0);
  expected[15] ^= 1;
  assert_int_equal(ik_running_digest_check(&digest, 3, expected), IK_EDIGEST_MISMATCH);
}

static void *add_bytes(void *arg) {
  (void)arg;
  for (uint64_t i = 0; i < 1000; i++)
    ik_running_digest_update(&digest, i, "a", 1);
  return NULL;
}

/* With external_digest one thread adds while another asks how far it is. */
static void is_asked_while_it_grows(void **state) {
  (void)state;
  uint8_t value[IOTKIT_DIGEST_MAX];
  uint64_t offset = 0;
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, add_bytes, NULL), 0);
  while (offset < 1000) {
    uint64_t before = offset;
    assert_int_equal(ik_running_digest_value(&digest, &offset, value), 16);
    assert_true(offset >= before);
  }
  pthread_join(thread, NULL);
  assert_value(1000, "cabe45dcc9ae5b66ba86600cca6b8ba8");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(starts_empty),
      TEST(grows_in_order),
      TEST(refuses_gaps_and_overlaps),
      TEST(begins_again_at_0),
      TEST(resumes_where_it_stands),
      TEST(compares_with_a_digest_of_the_same_bytes),
      TEST(a_digest_by_another_method_is_not_equal),
      TEST(checks_size_then_value),
      TEST(is_asked_while_it_grows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
