/* What a commit notes: a note comes back, a torn or damaged one is none. */
#include <stdio.h>
#include <string.h>

#include "base/beside.h"
#include "base/limits.h"
#include "image/commit_note.h"
#include "support/cm.h"
#include "support/rng.h"

static struct ik_commit_file noted[IOTKIT_FILES_MAX];

static void make_note(struct ik_buf *out, size_t count, struct rng *rng,
                      struct ik_commit_file *files) {
  memset(files, 0, count * sizeof *files);
  for (size_t i = 0; i < count; i++) {
    snprintf(files[i].name, sizeof files[i].name, "file-%zu", i);
    files[i].size = rng_u64(rng);
    files[i].method = (enum iotkit_digest_method)rng_below(rng, 3);
    rng_fill(rng, files[i].digest, sizeof files[i].digest);
  }
  ik_buf_clear(out);
  assert_int_equal(ik_commit_note_put(files, count, out), 0);
}

static void a_note_comes_back(void **state) {
  struct rng rng = rng_start("a_note_comes_back");
  static struct ik_commit_file files[IOTKIT_FILES_MAX];
  struct ik_buf note;
  (void)state;
  ik_buf_init(&note, IK_COMMIT_NOTE_MAX);
  for (size_t count = 1; count <= IOTKIT_FILES_MAX; count++) {
    make_note(&note, count, &rng, files);
    assert_int_equal(ik_commit_note_read(ik_buf_ptr(&note), ik_buf_size(&note), noted), count);
    assert_memory_equal(noted, files, count * sizeof files[0]);
  }
  /* The longest there is. */
  for (size_t i = 0; i < IOTKIT_FILES_MAX; i++)
    memset(files[i].name, (int)('a' + i), IK_COMMIT_NAME_MAX);
  ik_buf_clear(&note);
  assert_int_equal(ik_commit_note_put(files, IOTKIT_FILES_MAX, &note), 0);
  assert_int_equal(ik_buf_size(&note), IK_COMMIT_NOTE_MAX);
  assert_int_equal(ik_commit_note_read(ik_buf_ptr(&note), ik_buf_size(&note), noted),
                   IOTKIT_FILES_MAX);
  ik_buf_free(&note);
}

static void a_damaged_note_is_none(void **state) {
  struct rng rng = rng_start("a_damaged_note_is_none");
  static struct ik_commit_file files[3];
  struct ik_buf note;
  uint8_t bytes[1024];
  (void)state;
  ik_buf_init(&note, IK_COMMIT_NOTE_MAX);
  make_note(&note, 3, &rng, files);
  size_t len = ik_buf_size(&note);
  memcpy(bytes, ik_buf_ptr(&note), len);
  for (size_t bit = 0; bit < 8 * len; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    assert_int_equal(ik_commit_note_read(bytes, len, noted), -1);
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  for (size_t cut = 0; cut < len; cut++)
    assert_int_equal(ik_commit_note_read(bytes, cut, noted), -1);
  assert_int_equal(ik_commit_note_read(bytes, len + 1, noted), -1);
  assert_int_equal(ik_commit_note_read(bytes, len, noted), 3);
  ik_buf_free(&note);
}

static void names_stay_in_the_directory(void **state) {
  static const char *const bad[] = {"",   ".",    "..",   "a/b",         "/a",
                                    "a/", "../a", "a\0b", IK_COMMIT_NAME};
  static const size_t lens[] = {0, 1, 2, 3, 2, 2, 4, 3, sizeof IK_COMMIT_NAME - 1};
  struct ik_commit_file file = {.size = 1};
  struct ik_buf note;
  char longest[IK_COMMIT_NAME_MAX + 2];
  (void)state;
  ik_buf_init(&note, IK_COMMIT_NOTE_MAX);
  for (size_t i = 0; i < COUNT(bad); i++) {
    assert_false(ik_commit_name_valid((struct ik_str){bad[i], lens[i]}));
    /* Nor is a note with such a name believed, whose CRC is right. */
    if (memchr(bad[i], '\0', lens[i]) != NULL) continue;
    memcpy(file.name, bad[i], lens[i] + 1);
    ik_buf_clear(&note);
    assert_int_equal(ik_commit_note_put(&file, 1, &note), 0);
    assert_int_equal(ik_commit_note_read(ik_buf_ptr(&note), ik_buf_size(&note), noted), -1);
  }
  memset(longest, 'x', sizeof longest);
  assert_true(ik_commit_name_valid((struct ik_str){longest, IK_COMMIT_NAME_MAX}));
  assert_false(ik_commit_name_valid((struct ik_str){longest, IK_COMMIT_NAME_MAX + 1}));
  assert_true(ik_commit_name_valid(IK_STR("...")));
  assert_true(ik_commit_name_valid(IK_STR("fw 1.0\xc3\xa9.bin")));
  ik_buf_free(&note);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_note_comes_back),
      cmocka_unit_test(a_damaged_note_is_none),
      cmocka_unit_test(names_stay_in_the_directory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
