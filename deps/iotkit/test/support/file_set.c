/*
 * file_set.c - a set of images and what they replace.
 */
#include "support/file_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/beside.h"
#include "image/commit_note.h"
#include "support/cm.h"

const char *const set_names[FILES] = {"a", "b", "c"};
struct image set_images[FILES];

int set_enter(void **state) {
  struct rng rng = {7};
  for (size_t i = 0; i < FILES; i++)
    set_images[i] =
        image_new(&rng, 1000 * (i + 1), i == 1 ? IOTKIT_DIGEST_MD5 : IOTKIT_DIGEST_SHA256);
  return world_enter(state);
}

int set_leave(void **state) {
  for (size_t i = 0; i < FILES; i++)
    image_free(&set_images[i]);
  return world_leave(state);
}

/* What is there before: of the third there is no old one. */
void set_put_old_files(void) {
  static const char *const left[] = {"a.part",         "b.part",         "c.part",
                                     "a.part.journal", "b.part.journal", "c.part.journal",
                                     IK_COMMIT_NAME};
  for (size_t i = 0; i < COUNT(left); i++)
    remove(left[i]);
  world_put("a", "old a", 5);
  world_put("b", "old b", 5);
  remove("c");
}

/* The third has no key. */
void set_receive(iotkit_file_t *files[FILES], uint64_t sizes[FILES]) {
  for (size_t i = 0; i < FILES; i++) {
    struct iotkit_file_options options = image_options(&set_images[i]);
    if (i == 2) options.digest_method = IOTKIT_DIGEST_NONE;
    iotkit_job_t *job = image_job(&set_images[i]);
    assert_int_equal(iotkit_file_open(set_names[i], &options, &files[i], NULL), 0);
    int64_t at = iotkit_file_resume(files[i], job, NULL);
    assert_true(at >= 0);
    image_receive(&set_images[i], files[i], job, (size_t)at, set_images[i].size, 300);
    iotkit_job_unref(job);
    sizes[i] = set_images[i].size;
  }
}

bool set_holds(const char *path, const void *want, size_t want_len) {
  size_t len;
  if (!world_exists(path)) return false;
  uint8_t *bytes = world_get(path, &len);
  bool same = len == want_len && memcmp(bytes, want, len) == 0;
  free(bytes);
  return same;
}

bool set_is_old(void) {
  return set_holds("a", "old a", 5) && set_holds("b", "old b", 5) && !world_exists("c");
}

bool set_is_new(void) {
  for (size_t i = 0; i < FILES; i++) {
    if (!set_holds(set_names[i], set_images[i].bytes, set_images[i].size)) return false;
  }
  return true;
}
