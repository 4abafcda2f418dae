/*
 * Structs that say their size: an older program's members count and the others keep their defaults;
 * what a newer one says beyond ours must be nothing.
 */
#include <stdio.h>
#include <string.h>

#include "base/sized.h"
#include "iotkit_errors.h"
#include "support/cm.h"

struct ours {
  size_t struct_size;
  int a;
  int b;
  const char *c;
};

struct theirs { /* of a later release */
  struct ours known;
  int d;
  int e;
};

static const struct ours full = {sizeof(struct ours), 1, 2, "three"};

static void takes_every_size_up_to_ours(void **state) {
  (void)state;
  for (size_t size = sizeof(size_t) + 1; size <= sizeof(struct ours); size++) {
    struct ours given = full;
    struct ours out;
    memset(&out, 0xff, sizeof(out));
    given.struct_size = size;
    assert_int_equal(IK_SIZED_READ(&out, &given, NULL), 0);
    assert_true(out.struct_size == sizeof(out));
    assert_memory_equal((char *)&out + sizeof(size_t), (char *)&full + sizeof(size_t),
                        size - sizeof(size_t));
    for (size_t i = size; i < sizeof(out); i++)
      assert_int_equal(((char *)&out)[i], 0);
  }
}

static void no_size_is_that_of_the_first_release(void **state) {
  (void)state;
  struct ours given = full;
  struct ours out;
  given.struct_size = 0;
  assert_int_equal(IK_SIZED_READ(&out, &given, NULL), 0);
  assert_int_equal(out.b, 2);
  assert_string_equal(out.c, "three");
  /* Later, when members were appended to what was first: they do not count without a size. */
  assert_int_equal(ik_sized_read(&out, sizeof(out), offsetof(struct ours, b), &given, NULL), 0);
  assert_int_equal(out.a, 1);
  assert_int_equal(out.b, 0);
  assert_null(out.c);
}

static void takes_more_than_it_knows_where_that_is_nothing(void **state) {
  (void)state;
  struct theirs given = {.known = full};
  struct ours out;
  char detail[IOTKIT_DETAIL_MAX] = "";
  given.known.struct_size = sizeof(given);
  assert_int_equal(IK_SIZED_READ(&out, &given, detail), 0);
  assert_int_equal(out.a, 1);
  given.e = 1;
  assert_int_equal(IK_SIZED_READ(&out, &given, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "struct_size"));
  assert_non_null(strstr(detail, "not 0"));
}

static void refuses_what_is_no_size(void **state) {
  (void)state;
  static const size_t wrong[] = {1, sizeof(size_t), 4097, SIZE_MAX};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    struct ours given = full;
    struct ours out;
    char detail[IOTKIT_DETAIL_MAX] = "";
    given.struct_size = wrong[i];
    assert_int_equal(IK_SIZED_READ(&out, &given, detail), IK_EINVALID_ARGUMENT);
    assert_non_null(strstr(detail, "struct_size"));
  }
}

static void what_is_held_by_value_has_one_size(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_int_equal(ik_sized_check_embedded(0, 24, "fetch", detail), 0);
  assert_int_equal(ik_sized_check_embedded(24, 24, "fetch", detail), 0);
  assert_int_equal(ik_sized_check_embedded(16, 24, "fetch", detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_sized_check_embedded(32, 24, "fetch", detail), IK_EINVALID_ARGUMENT);
  assert_string_equal(detail, "fetch.struct_size: is 32, not 24");
}

static void room_to_come_is_empty(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint64_t reserved[2] = {0, 0};
  assert_int_equal(ik_sized_check_reserved(reserved, sizeof(reserved), detail), 0);
  reserved[1] = (uint64_t)1 << 63;
  assert_int_equal(ik_sized_check_reserved(reserved, sizeof(reserved), detail),
                   IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "reserved"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_every_size_up_to_ours),
      cmocka_unit_test(no_size_is_that_of_the_first_release),
      cmocka_unit_test(takes_more_than_it_knows_where_that_is_nothing),
      cmocka_unit_test(refuses_what_is_no_size),
      cmocka_unit_test(what_is_held_by_value_has_one_size),
      cmocka_unit_test(room_to_come_is_empty),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
