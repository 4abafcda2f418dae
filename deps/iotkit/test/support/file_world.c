/*
 * file_world.c - a directory, images, and downloads without a network.
 */
#include "support/file_world.h"

#include <dirent.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "download/job.h"
#include "download/job_private.h"
#include "port/port.h"
#include "support/cm.h"

int world_enter(void **state) {
  char *path = strdup("/tmp/iotkit-file-XXXXXX");
  *state = path;
  return path && mkdtemp(path) ? chdir(path) : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)type, (void)ftw;
  return remove(path);
}

int world_leave(void **state) {
  int rc = chdir("/");
  if (rc == 0) rc = nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
  free(*state);
  return rc;
}

static int visible(const struct dirent *entry) {
  return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

void world_assert_names(const char *directory, const char *names) {
  struct dirent **entries;
  char text[1024] = "";
  int n = scandir(directory, &entries, visible, alphasort);
  size_t len = 0;
  assert_true(n >= 0);
  for (int i = 0; i < n; i++) {
    len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i > 0 ? " " : "",
                            entries[i]->d_name);
    assert_true(len < sizeof text);
    free(entries[i]);
  }
  free(entries);
  assert_string_equal(text, names);
}

bool world_exists(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0;
}

void world_put(const char *path, const void *bytes, size_t len) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, len, file), len);
  assert_int_equal(fclose(file), 0);
}

uint8_t *world_get(const char *path, size_t *len) {
  struct stat st;
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  assert_int_equal(fstat(fileno(file), &st), 0);
  *len = (size_t)st.st_size;
  uint8_t *bytes = malloc(*len + 1);
  assert_non_null(bytes);
  assert_int_equal(fread(bytes, 1, *len, file), *len);
  fclose(file);
  return bytes;
}

struct image image_new(struct rng *rng, size_t size, enum iotkit_digest_method method) {
  struct image image = {.bytes = malloc(size), .size = size, .method = method};
  struct ik_digest *digest;
  assert_non_null(image.bytes);
  rng_fill(rng, image.bytes, size);
  assert_int_equal(ik_digest_new(method, &digest), 0);
  assert_int_equal(ik_digest_update(digest, image.bytes, size), 0);
  assert_true(ik_digest_value(digest, image.digest) > 0);
  ik_digest_free(digest);
  return image;
}

void image_free(struct image *image) {
  free(image->bytes);
}

struct iotkit_file_options image_options(const struct image *image) {
  struct iotkit_file_options options = {.size = image->size, .digest_method = image->method};
  memcpy(options.digest, image->digest, sizeof options.digest);
  return options;
}

iotkit_job_t *image_job(const struct image *image) {
  static const struct iotkit_fetch_options options = {.external_digest = true};
  bool md5 = image->method == IOTKIT_DIGEST_MD5;
  char json[512], hex[65], detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = NULL;
  ik_hex_encode(image->digest, md5 ? 16 : 32, hex);
  snprintf(json, sizeof json,
           "{\"message\":\"success\",\"data\":{\"size\":%zu,\"version\":\"2\",\"url\":"
           "\"http://127.0.0.1:1/x\",\"signMethod\":\"%s\",\"sign\":\"%s\"}}",
           image->size, md5 ? "Md5" : "SHA256", hex);
  if (iotkit_job_parse(json, strlen(json), &options, &job, detail) != 0) fail_msg("%s", detail);
  return job;
}

void image_receive(const struct image *image, iotkit_file_t *file, iotkit_job_t *job, size_t from,
                   size_t to, size_t block) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  for (size_t at = from; at < to;) {
    size_t len = to - at < block ? to - at : block;
    int rc = iotkit_file_write(file, at, image->bytes + at, len, detail);
    if (rc != 0) fail_msg("at %zu: %d %s", at, rc, detail);
    assert_int_equal(iotkit_job_digest(job, at, image->bytes + at, len), 0);
    at += len;
    atomic_store(&job->control.received, at);
    iotkit_file_checkpoint(file, job);
  }
}

void image_assert_at(const struct image *image, const char *path) {
  size_t len;
  uint8_t *bytes = world_get(path, &len);
  assert_int_equal(len, image->size);
  if (memcmp(bytes, image->bytes, len) != 0) fail_msg("%s is not the image", path);
  free(bytes);
}
