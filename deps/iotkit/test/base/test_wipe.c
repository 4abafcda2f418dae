/*
 * What is given back has been overwritten: wipe.c, buf.c and str.c are built in here with a free()
 * that looks at what it gets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "s3cret-signature"

static size_t freed;
static size_t leaked; /* blocks that still had the secret, or a piece of it */

static void looking_free(void *block);
static void *looking_realloc(void *block, size_t size);

#define free looking_free
#define realloc looking_realloc
#include "base/buf.c"
#include "base/str.c"
#include "base/wipe.c"
#undef free
#undef realloc

#include "support/cm.h"

/* Blocks of these tests are of one size, so that all of one can be looked at. */
#define BLOCK 8192

static void look_at(const uint8_t *block, size_t len) {
  freed++;
  for (size_t i = 0; i + 4 <= len; i++) {
    if (memcmp(block + i, "s3cr", 4) != 0) continue;
    leaked++;
    return;
  }
}

static size_t block_len; /* of the next one that is freed */

static void looking_free(void *block) {
  if (block != NULL) look_at(block, block_len);
  free(block);
}

static void *looking_realloc(void *block, size_t size) {
  look_at(block, block_len);
  return realloc(block, size);
}

static int start(void **state) {
  (void)state;
  freed = leaked = 0;
  return 0;
}

static void texts(void **state) {
  (void)state;
  char *text = ik_str_dup(IK_STR("https://fw.example/a?Signature=" SECRET));
  block_len = strlen(text) + 1;
  ik_str_free(text);
  ik_str_free(NULL);
  assert_int_equal(freed, 1);
  assert_int_equal(leaked, 0);
}

static void buffers_that_are_freed(void **state) {
  struct ik_buf buf;
  (void)state;
  ik_buf_init(&buf, BLOCK);
  assert_int_equal(ik_buf_append_str(&buf, SECRET), 0);
  ik_buf_clear(&buf); /* which keeps the memory */
  block_len = buf.cap;
  ik_buf_free(&buf);
  assert_int_equal(freed, 1);
  assert_int_equal(leaked, 0);
}

static void buffers_that_grow(void **state) {
  struct ik_buf buf;
  (void)state;
  ik_buf_init(&buf, BLOCK);
  assert_int_equal(ik_buf_append_str(&buf, SECRET), 0);
  block_len = buf.cap;
  for (size_t i = 0; freed == 0; i++)
    assert_int_equal(ik_buf_append_u8(&buf, (uint8_t)i), 0);
  assert_int_equal(leaked, 0);
  block_len = buf.cap;
  ik_buf_free(&buf);
  assert_int_equal(leaked, 0);
}

static void buffers_that_give_memory_back(void **state) {
  struct ik_buf buf;
  uint8_t *room = NULL;
  (void)state;
  ik_buf_init(&buf, BLOCK);
  assert_int_equal(ik_buf_reserve(&buf, BLOCK, &room), 0);
  memset(room, 'x', BLOCK);
  memcpy(room + BLOCK - sizeof SECRET, SECRET, sizeof SECRET);
  ik_buf_commit(&buf, BLOCK);
  block_len = buf.cap;
  ik_buf_consume(&buf, BLOCK);
  assert_true(buf.cap < BLOCK);
  assert_int_equal(freed, 1);
  assert_int_equal(leaked, 0);
  block_len = buf.cap;
  ik_buf_free(&buf);
}

static void nothing_is_no_error(void **state) {
  (void)state;
  ik_wipe(NULL, 0);
  ik_wipe_free(NULL, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(texts, start),
      cmocka_unit_test_setup(buffers_that_are_freed, start),
      cmocka_unit_test_setup(buffers_that_grow, start),
      cmocka_unit_test_setup(buffers_that_give_memory_back, start),
      cmocka_unit_test_setup(nothing_is_no_error, start),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
