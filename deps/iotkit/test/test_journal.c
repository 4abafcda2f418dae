/*
 * The journal's and the commit note's format: what is written comes back, what is torn, damaged,
 * foreign or absurd is the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/limits.h"
#include "ota/commit_note.h"
#include "ota/journal.h"
#include "support/cm.h"
#include "support/rng.h"

static struct ik_journal_record records[IK_JOURNAL_RECORDS_MAX];

static struct ik_journal_key key_of(struct rng *rng, uint64_t size) {
  struct ik_journal_key key = {.method = IOTKIT_DIGEST_SHA256, .size = size, .base = 7};
  rng_fill(rng, key.digest, sizeof key.digest);
  return key;
}

/* A journal of `count` records, `step` bytes apart; returns its length. */
static size_t make(const struct ik_journal_key *key, size_t count, uint64_t step, struct rng *rng,
                   uint8_t *out, struct ik_journal_record *made) {
  uint32_t crc = ik_journal_put_header(key, out);
  size_t len = IK_JOURNAL_HEADER;
  for (size_t i = 0; i < count; i++, len += IK_JOURNAL_RECORD) {
    made[i].offset = (i + 1) * step;
    rng_fill(rng, made[i].digest, sizeof made[i].digest);
    ik_journal_put_record(crc, &made[i], out + len);
    crc = made[i].crc;
  }
  return len;
}

static void comes_back(void **state) {
  struct rng rng = rng_start("comes_back");
  static struct ik_journal_record made[IK_JOURNAL_RECORDS_MAX];
  static uint8_t bytes[IK_JOURNAL_MAX + IK_JOURNAL_RECORD];
  const size_t counts[] = {0, 1, 2, 256, IK_JOURNAL_RECORDS_MAX};
  uint32_t crc;
  (void)state;
  for (size_t i = 0; i < COUNT(counts); i++) {
    struct ik_journal_key key = key_of(&rng, UINT64_C(1) << 40);
    size_t len = make(&key, counts[i], 1000, &rng, bytes, made);
    assert_int_equal(ik_journal_read(&key, bytes, len, &crc, records), counts[i]);
    assert_memory_equal(records, made, counts[i] * sizeof made[0]);
    /* What stands behind the last record that there may be is not read. */
    memset(bytes + len, 0xff, IK_JOURNAL_RECORD);
    assert_int_equal(ik_journal_read(&key, bytes, len + IK_JOURNAL_RECORD, &crc, records),
                     counts[i]);
  }
}

/* The first bytes of a journal are part of what users keep on disk: they do not change by chance. */
static void looks_as_ever(void **state) {
  struct ik_journal_key key = {
      .method = IOTKIT_DIGEST_MD5, .size = 0x010203, .base = 0x0405, .digest = {0xaa, 0xbb}};
  uint8_t bytes[IK_JOURNAL_HEADER + IK_JOURNAL_RECORD];
  struct ik_journal_record record = {.offset = 0x0102, .digest = {0xcc}};
  char hex[2 * sizeof bytes + 1];
  (void)state;
  ik_journal_put_record(ik_journal_put_header(&key, bytes), &record, bytes + IK_JOURNAL_HEADER);
  ik_hex_encode(bytes, sizeof bytes, hex);
  assert_string_equal(hex, "494b4a524e4c0d0a" /* IKJRNL */
                           "01010000"
                           "0000000000010203"
                           "0000000000000405"
                           "aabb000000000000000000000000000000000000000000000000000000000000"
                           "11e8088f"
                           "0000000000000102"
                           "cc00000000000000000000000000000000000000000000000000000000000000"
                           "0df39253");
}

/* Any bit of it flipped, any length of it: what is read is what was written, as far as it goes. */
static void the_first_bad_record_ends_it(void **state) {
  struct rng rng = rng_start("the_first_bad_record_ends_it");
  static struct ik_journal_record made[5];
  uint8_t bytes[IK_JOURNAL_HEADER + 5 * IK_JOURNAL_RECORD];
  uint32_t crc;
  struct ik_journal_key key = key_of(&rng, 5000);
  size_t len = make(&key, 5, 1000, &rng, bytes, made);
  (void)state;
  for (size_t bit = 0; bit < 8 * len; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    ptrdiff_t want = bit / 8 < IK_JOURNAL_HEADER
                         ? -1
                         : (ptrdiff_t)((bit / 8 - IK_JOURNAL_HEADER) / IK_JOURNAL_RECORD);
    assert_int_equal(ik_journal_read(&key, bytes, len, &crc, records), want);
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  for (size_t cut = 0; cut <= len; cut++) {
    uint8_t *exact = malloc(cut + 1); /* so that a read behind it is seen */
    assert_non_null(exact);
    memcpy(exact, bytes, cut);
    ptrdiff_t want =
        cut < IK_JOURNAL_HEADER ? -1 : (ptrdiff_t)((cut - IK_JOURNAL_HEADER) / IK_JOURNAL_RECORD);
    assert_int_equal(ik_journal_read(&key, exact, cut, &crc, records), want);
    if (want > 0) assert_memory_equal(records, made, (size_t)want * sizeof made[0]);
    free(exact);
  }
}

static void is_of_one_image_alone(void **state) {
  struct rng rng = rng_start("is_of_one_image_alone");
  struct ik_journal_record made[3];
  uint8_t bytes[IK_JOURNAL_HEADER + 3 * IK_JOURNAL_RECORD];
  uint32_t crc;
  struct ik_journal_key key = key_of(&rng, 5000), other = key;
  size_t len = make(&key, 3, 1000, &rng, bytes, made);
  (void)state;
  other.size++;
  assert_int_equal(ik_journal_read(&other, bytes, len, &crc, records), -1);
  other = key;
  other.base = 0;
  assert_int_equal(ik_journal_read(&other, bytes, len, &crc, records), -1);
  other = key;
  other.method = IOTKIT_DIGEST_MD5;
  assert_int_equal(ik_journal_read(&other, bytes, len, &crc, records), -1);
  other = key;
  other.digest[31] ^= 1;
  assert_int_equal(ik_journal_read(&other, bytes, len, &crc, records), -1);
}

/* Records with a right CRC that nobody would write. */
static void absurd_records_end_it(void **state) {
  static const struct {
    uint64_t offsets[3];
    ptrdiff_t want;
  } rows[] = {
      {{0, 10, 20}, 0},    {{10, 10, 20}, 1},         {{20, 10, 30}, 1},
      {{10, 101, 100}, 1}, {{10, UINT64_MAX, 20}, 1}, {{1, 2, 100}, 3},
  };
  struct ik_journal_key key = {.method = IOTKIT_DIGEST_SHA256, .size = 100};
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    uint8_t bytes[IK_JOURNAL_HEADER + 3 * IK_JOURNAL_RECORD];
    uint32_t crc = ik_journal_put_header(&key, bytes);
    for (size_t k = 0; k < 3; k++) {
      struct ik_journal_record record = {.offset = rows[i].offsets[k]};
      ik_journal_put_record(crc, &record, bytes + IK_JOURNAL_HEADER + k * IK_JOURNAL_RECORD);
      crc = record.crc;
    }
    assert_int_equal(ik_journal_read(&key, bytes, sizeof bytes, &crc, records), rows[i].want);
  }
}

/* What an earlier download left behind the new records does not go on from them. */
static void a_record_stands_behind_its_own_alone(void **state) {
  struct rng rng = rng_start("a_record_stands_behind_its_own_alone");
  struct ik_journal_record made[5], newer;
  uint8_t bytes[IK_JOURNAL_HEADER + 5 * IK_JOURNAL_RECORD];
  uint32_t crc;
  struct ik_journal_key key = key_of(&rng, 5000);
  size_t len = make(&key, 5, 1000, &rng, bytes, made);
  (void)state;
  newer = made[1];
  newer.digest[0] ^= 1;
  ik_journal_put_record(made[0].crc, &newer, bytes + IK_JOURNAL_HEADER + IK_JOURNAL_RECORD);
  assert_int_equal(ik_journal_read(&key, bytes, len, &crc, records), 2);
}

static void which_keys_have_one(void **state) {
  struct ik_journal_key key = {.method = IOTKIT_DIGEST_MD5, .size = 1};
  (void)state;
  assert_true(ik_journal_key_valid(&key));
  key.size = 0;
  assert_false(ik_journal_key_valid(&key));
  key.size = IK_IMAGE_MAX;
  assert_true(ik_journal_key_valid(&key));
  key.size++;
  assert_false(ik_journal_key_valid(&key));
  key.size = 1;
  key.method = IOTKIT_DIGEST_NONE;
  assert_false(ik_journal_key_valid(&key));
  assert_int_equal(ik_journal_distance(1), 64 * IK_KIB);
  assert_int_equal(ik_journal_distance(16 * IK_MIB), 64 * IK_KIB);
  assert_int_equal(ik_journal_distance(1024 * IK_MIB), 4 * IK_MIB);
}

/* ---- the commit note ---- */

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
      cmocka_unit_test(comes_back),
      cmocka_unit_test(looks_as_ever),
      cmocka_unit_test(the_first_bad_record_ends_it),
      cmocka_unit_test(is_of_one_image_alone),
      cmocka_unit_test(absurd_records_end_it),
      cmocka_unit_test(a_record_stands_behind_its_own_alone),
      cmocka_unit_test(which_keys_have_one),
      cmocka_unit_test(a_note_comes_back),
      cmocka_unit_test(a_damaged_note_is_none),
      cmocka_unit_test(names_stay_in_the_directory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
