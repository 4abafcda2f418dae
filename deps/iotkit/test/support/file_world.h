/*
 * file_world.h - what the tests of image files share: a directory of the test's own as working
 * directory, images, and downloads of them without a network.
 */
#ifndef TEST_FILE_WORLD_H
#define TEST_FILE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iotkit_file.h"
#include "support/rng.h"

/* Set-up and tear-down: an empty directory, removed with all that is in it. */
int world_enter(void **state);
int world_leave(void **state);
/* Fails unless the directory holds just these names (sorted, separated by spaces). */
void world_assert_names(const char *directory, const char *names);
bool world_exists(const char *path);
void world_put(const char *path, const void *bytes, size_t len);
/* The whole file, for the caller to free. */
uint8_t *world_get(const char *path, size_t *len);

/* An image whose every byte is random. */
struct image {
  uint8_t *bytes;
  size_t size;
  enum iotkit_digest_method method;
  uint8_t digest[IOTKIT_DIGEST_MAX];
};

struct image image_new(struct rng *rng, size_t size, enum iotkit_digest_method method);
void image_free(struct image *image);
/* Its key; all else default. */
struct iotkit_file_options image_options(const struct image *image);
/* A job of it with external_digest, that nobody will fetch. */
iotkit_job_t *image_job(const struct image *image);
/*
 * Does what a download of bytes [from, to) does, `block` bytes at a time: writes, digests, counts,
 * takes checkpoints.
 */
void image_receive(const struct image *image, iotkit_file_t *file, iotkit_job_t *job, size_t from,
                   size_t to, size_t block);
void image_assert_at(const struct image *image, const char *path);

#endif
