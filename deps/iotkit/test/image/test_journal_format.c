/*
 * The journal's format: what is written comes back, what is torn, damaged, of another image or
 * absurd is the end.
 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/limits.h"
#include "image/journal_format.h"
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
    /* What follows the last record that there may be is not read. */
    memset(bytes + len, 0xff, IK_JOURNAL_RECORD);
    assert_int_equal(ik_journal_read(&key, bytes, len + IK_JOURNAL_RECORD, &crc, records),
                     counts[i]);
  }
}

/*
 * The first bytes of a journal are part of what users keep on disk: they do not change by chance.
 */
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

/* Any bit of it flipped, any length of it: what is read is what was written, up to there. */
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
    uint8_t *exact = malloc(cut + 1); /* so that a read after its end is seen */
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

/* What an earlier download left after the new records does not continue them. */
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(comes_back),
      cmocka_unit_test(looks_as_ever),
      cmocka_unit_test(the_first_bad_record_ends_it),
      cmocka_unit_test(is_of_one_image_alone),
      cmocka_unit_test(absurd_records_end_it),
      cmocka_unit_test(a_record_stands_behind_its_own_alone),
      cmocka_unit_test(which_keys_have_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
