/*
 * copy.c - an image that is not fetched, but made from one that another job has fetched.
 *
 * Each target is verified: what was copied is read again from the target and digested. A target that
 * shares the bytes of the original on the disk is not read once more as long as nobody has written to
 * the original since it was finished, before its commit gave it its name: then they are the bytes that
 * were verified. So it is with a hard link, which is made of no other original.
 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/limits.h"
#include "download/job.h"
#include "image/original.h"
#include "save/image.h"

#define READ_BYTES (256 * IK_KIB)

/* ---- the original ---- */

int iotkit_image_keep_original(iotkit_image_t *image, char *detail) {
  if (!image) return IK_EINVALID_ARGUMENT;
  if (!image->verified) return ik_refuse(detail, IK_EINVALID_STATE, "the image is not verified");
  if (image->original || image->count == 0) return 0;
  const struct iotkit_upgrade *upgrade = iotkit_job_upgrade(image->job);
  struct ik_journal_key key = {.method = upgrade->digest_method, .size = upgrade->size};
  memcpy(key.digest, upgrade->digest, sizeof key.digest);
  image->original = ik_original_open(image->files[0], &key);
  return 0;
}

iotkit_original_t *iotkit_image_original(const iotkit_image_t *image) {
  return image && image->count == 0 ? iotkit_original_ref(image->original) : NULL;
}

/* ---- the copies ---- */

static bool has_ended(void *ctx) {
  return iotkit_job_get_state(ctx) == IOTKIT_JOB_FAILED;
}

/* Digests all of a target. IK_EABORTED, and the errors of reading and digesting. */
static int digest_target(iotkit_file_t *file, iotkit_job_t *job, uint8_t *block) {
  uint64_t size = iotkit_job_upgrade(job)->size;
  int rc = iotkit_job_resume(job, 0);
  for (uint64_t at = 0; rc == 0 && at < size;) {
    size_t len = size - at < READ_BYTES ? (size_t)(size - at) : READ_BYTES;
    if (has_ended(job)) return IK_EABORTED;
    int64_t n = ik_file_read(file, at, block, len);
    if (n != (int64_t)len) return n < 0 ? (int)n : IK_EDIGEST_MISMATCH;
    rc = iotkit_job_digest(job, at, block, len);
    at += len;
  }
  return rc;
}

static int verify_target(iotkit_file_t *file, iotkit_job_t *job) {
  uint8_t digest[IOTKIT_DIGEST_MAX];
  uint64_t offset = 0;
  uint8_t *block = malloc(READ_BYTES);
  int rc = block ? digest_target(file, job, block) : IK_ENO_MEMORY;
  free(block);
  if (rc != 0) return rc;
  int len = iotkit_job_digest_so_far(job, &offset, digest);
  if (len < 0) return len;
  return ik_equal_ct(digest, iotkit_job_upgrade(job)->digest, (size_t)len) ? 0
                                                                           : IK_EDIGEST_MISMATCH;
}

static int copy_target(struct iotkit_image *image, iotkit_file_t *file,
                       const iotkit_original_t *original, enum iotkit_made *made, char *detail) {
  enum ik_copied how;
  int rc = ik_file_copy(file, original, has_ended, image->job, &how, detail);
  if (rc != 0) return rc;
  *made = how == IK_COPIED_SHARED ? IOTKIT_MADE_CLONED : IOTKIT_MADE_COPIED;
  if (how == IK_COPIED_SHARED && ik_original_is_unchanged(original)) return 0;
  rc = verify_target(file, image->job);
  if (rc == IK_EDIGEST_MISMATCH)
    return ik_refuse(detail, IK_ECHANGED, "%s: what it was copied from has changed", file->path);
  if (rc != 0 && rc != IK_EABORTED) ik_detail(detail, "%s: cannot be read again", file->path);
  return rc;
}

/* It is to be fetched, from byte 0. */
static int begin_again(struct iotkit_image *image, char *detail) {
  image->resumed = false;
  image->made = IOTKIT_MADE_FETCHED;
  int rc = iotkit_image_rewind(image, detail);
  return rc == 0 ? iotkit_job_resume(image->job, 0) : rc;
}

static int link_target(struct iotkit_image *image, iotkit_file_t *file,
                       const iotkit_original_t *original, enum iotkit_made *made, char *detail) {
  *made = IOTKIT_MADE_LINKED;
  int rc = ik_file_link(file, original, detail);
  return rc == IK_EUNSUPPORTED ? copy_target(image, file, original, made, detail) : rc;
}

/* Of several targets the one counts that shares least. */
static int make_all(struct iotkit_image *image, const iotkit_original_t *original, bool links,
                    char *detail) {
  int rc = 0;
  image->made = IOTKIT_MADE_LINKED;
  for (size_t i = 0; rc == 0 && i < image->count; i++) {
    enum iotkit_made made;
    rc = (links ? link_target : copy_target)(image, image->files[i], original, &made, detail);
    if (rc == 0 && made < image->made) image->made = made;
  }
  return rc;
}

static bool is_of(const iotkit_original_t *original, const struct iotkit_upgrade *upgrade) {
  const struct ik_journal_key *key = &original->key;
  return key->method == upgrade->digest_method && key->size == upgrade->size &&
         ik_equal_ct(key->digest, upgrade->digest,
                     key->method == IOTKIT_DIGEST_MD5 ? 16 : IOTKIT_DIGEST_MAX);
}

static int make(iotkit_image_t *image, const iotkit_original_t *original, bool links,
                char *detail) {
  if (!image || !original) return IK_EINVALID_ARGUMENT;
  if (!is_of(original, iotkit_job_upgrade(image->job)))
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "the original is of another image");
  int rc = ik_job_admit(image->job, detail);
  if (rc == 0) rc = make_all(image, original, links, detail);
  if (rc == IK_ECHANGED) {
    int again = begin_again(image, NULL);
    return again == 0 ? rc : again;
  }
  if (rc == 0) rc = ik_job_complete(image->job, detail);
  if (rc == IK_EABORTED) (void)iotkit_job_error(image->job, detail);
  if (iotkit_error_condemns_image(rc)) image->condemned = true;
  image->verified = rc == 0;
  return rc;
}

int iotkit_image_copy(iotkit_image_t *image, const iotkit_original_t *original, char *detail) {
  return make(image, original, false, detail);
}

int iotkit_image_link(iotkit_image_t *image, const iotkit_original_t *original, char *detail) {
  return make(image, original, true, detail);
}
