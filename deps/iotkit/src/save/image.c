/*
 * image.c - one image and its targets, from open to commit or release. Each target ends in one
 * place alone: committed, kept for the next run, or discarded.
 */
#include "save/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sized.h"
#include "download/job.h"
#include "image/commit.h"
#include "image/file.h"
#include "image/original.h"

/* ---- life ---- */

int iotkit_image_new(iotkit_job_t *job, iotkit_image_t **out) {
  if (!out) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  if (!job) return IK_EINVALID_ARGUMENT;
  struct iotkit_image *image = calloc(1, sizeof *image);
  if (!image) return IK_ENO_MEMORY;
  image->job = iotkit_job_ref(job);
  *out = image;
  return 0;
}

void iotkit_image_free(iotkit_image_t *image) {
  if (!image) return;
  iotkit_image_release(image, 0);
  iotkit_original_unref(image->original);
  iotkit_job_unref(image->job);
  free(image->files);
  free(image);
}

iotkit_job_t *iotkit_image_job(const iotkit_image_t *image) {
  return image ? image->job : NULL;
}

enum iotkit_made iotkit_image_made(const iotkit_image_t *image) {
  return image ? image->made : IOTKIT_MADE_FETCHED;
}

const char *ik_image_path(const iotkit_image_t *image) {
  return image->count > 0 ? image->files[0]->path : "";
}

/* Returns `error`. */
static int note_error(struct iotkit_image *image, int error) {
  if (iotkit_error_condemns_image(error)) image->condemned = true;
  return error;
}

/* ---- phases ---- */

int iotkit_image_on_phase(iotkit_image_t *image, iotkit_phase_fn on_phase, void *ctx) {
  if (!image) return IK_EINVALID_ARGUMENT;
  image->on_phase = on_phase;
  image->on_phase_ctx = ctx;
  return 0;
}

static void begin_phase(struct iotkit_image *image, enum iotkit_phase phase) {
  if (image->phase == phase) return;
  image->phase = phase;
  if (image->on_phase) image->on_phase(image->on_phase_ctx, phase);
}

/* ---- targets ---- */

static bool add_room(struct iotkit_image *image) {
  iotkit_file_t **files = realloc(image->files, (image->count + 1) * sizeof *files);
  if (files) image->files = files;
  return files != NULL;
}

int iotkit_image_open(iotkit_image_t *image, const char *path,
                      const struct iotkit_file_options *options, bool resumable, char *detail) {
  struct iotkit_file_options own = {0};
  if (!image) return IK_EINVALID_ARGUMENT;
  const struct iotkit_upgrade *upgrade = iotkit_job_upgrade(image->job);
  int rc = options ? IK_SIZED_READ(&own, options, detail) : 0;
  if (rc < 0) return rc;
  own.size = upgrade->size;
  own.digest_method = resumable ? upgrade->digest_method : IOTKIT_DIGEST_NONE;
  memcpy(own.digest, upgrade->digest, sizeof own.digest);
  rc = ik_job_check_size(image->job, detail);
  if (rc != 0) return rc;
  if (!add_room(image)) return IK_ENO_MEMORY;
  rc = ik_file_open(path, &own, image->files, image->count, &image->files[image->count], detail);
  if (rc == 0) image->count++;
  if (rc == 0) image->resumable = resumable;
  return rc;
}

static bool has_bytes_to_prove(const struct iotkit_image *image) {
  for (size_t i = 0; i < image->count; i++) {
    if (ik_file_has_proof(image->files[i])) return true;
  }
  return false;
}

/*
 * Each resume begins the job's digest again, so the last one counts: that of the file with the
 * least.
 */
int64_t iotkit_image_resume(iotkit_image_t *image, char *detail) {
  if (!image) return IK_EINVALID_ARGUMENT;
  int64_t least = 0;
  size_t which = 0;
  if (has_bytes_to_prove(image)) begin_phase(image, IOTKIT_PHASE_PROVING);
  for (size_t i = 0; i < image->count; i++) {
    int64_t proven = iotkit_file_resume(image->files[i], image->job, detail);
    if (proven < 0) return proven;
    if (i > 0 && proven > least) continue;
    least = proven;
    which = i;
  }
  if (which + 1 < image->count) least = iotkit_file_resume(image->files[which], image->job, detail);
  image->resumed = least > 0;
  return least;
}

/* ---- bytes ---- */

int64_t iotkit_image_fetch(iotkit_image_t *image, void *buf, size_t len, uint32_t timeout_ms,
                           uint64_t *offset, char *detail) {
  if (!image) return IK_EINVALID_ARGUMENT;
  if (iotkit_job_get_state(image->job) < IOTKIT_JOB_FETCHED)
    begin_phase(image, IOTKIT_PHASE_FETCHING);
  int64_t got = iotkit_job_fetch(image->job, buf, len, timeout_ms, offset);
  if (iotkit_job_get_state(image->job) == IOTKIT_JOB_FETCHED)
    begin_phase(image, IOTKIT_PHASE_VERIFYING);
  if (got >= 0) return got;
  int error = iotkit_job_error(image->job, detail);
  if (error != 0) return note_error(image, error);
  ik_detail(detail, "%s", iotkit_strerror((int)got)); /* the job continues: interrupted, or busy */
  return got;
}

int iotkit_image_write(iotkit_image_t *image, uint64_t offset, const void *data, size_t len,
                       char *detail) {
  int rc = image ? 0 : IK_EINVALID_ARGUMENT;
  for (size_t i = 0; rc == 0 && i < image->count; i++)
    rc = iotkit_file_write(image->files[i], offset, data, len, detail);
  return rc;
}

void iotkit_image_checkpoint(iotkit_image_t *image) {
  for (size_t i = 0; image && i < image->count; i++)
    iotkit_file_checkpoint(image->files[i], image->job);
}

int iotkit_image_rewind(iotkit_image_t *image, char *detail) {
  if (!image) return IK_EINVALID_ARGUMENT;
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < image->count; i++)
    rc = iotkit_file_rewind(image->files[i], detail);
  if (rc == 0) image->resumed = false;
  return rc;
}

/*
 * Whether what is wrong with an image may be that its bytes are of two: what an earlier run left was
 * proven, but against what that run was given; and a server may have changed images on the way.
 */
static bool may_be_of_two(const struct iotkit_image *image) {
  if (image->resumed) return true;
  return image->resumable && !image->fetched_again && ik_job_is_mixed(image->job);
}

int iotkit_image_check(iotkit_image_t *image, bool *again, char *detail) {
  if (!image || !again) return IK_EINVALID_ARGUMENT;
  *again = false;
  if (image->verified)
    return 0; /* once, or as a copy, whose bytes the job need not have digested */
  int rc = iotkit_job_check(image->job);
  image->verified = rc == 0;
  *again = rc == IK_EDIGEST_MISMATCH && may_be_of_two(image);
  if (!*again) return note_error(image, rc);
  image->fetched_again = true;
  rc = iotkit_image_rewind(image, detail);
  return rc == 0 ? iotkit_job_rewind(image->job) : rc;
}

/* ---- the end ---- */

/* The first open target, which is no longer the image's. */
static iotkit_file_t *take_first(struct iotkit_image *image) {
  iotkit_file_t *file = image->files[0];
  image->count--;
  memmove(image->files, image->files + 1, image->count * sizeof(iotkit_file_t *));
  return file;
}

/* The commit is over: the original stays, if that has succeeded. */
static void settle_original(struct iotkit_image *image, bool committed) {
  if (!image->original || (committed && ik_original_is_settled(image->original))) return;
  iotkit_original_unref(image->original);
  image->original = NULL;
}

/* An error, or the first of several warnings (installed, not yet durable). */
static void note_detail(char *detail, const char *text, int rc) {
  if (detail && (rc < 0 || *detail == '\0')) ik_detail(detail, "%s", text);
}

int iotkit_image_commit(iotkit_image_t *image, char *detail) {
  if (!image) return IK_EINVALID_ARGUMENT;
  int rc = 0;
  if (image->count > 0) begin_phase(image, IOTKIT_PHASE_COMMITTING);
  ik_detail(detail, "%s", "");
  while (rc == 0 && image->count > 0) {
    char text[IOTKIT_DETAIL_MAX] = "";
    rc = iotkit_file_commit(take_first(image), iotkit_job_upgrade(image->job)->size, text);
    note_detail(detail, text, rc);
  }
  settle_original(image, rc == 0);
  return rc;
}

/* Whether they are a set: images with as many targets each. */
static bool is_set(iotkit_image_t *const *images, size_t count) {
  if (!images || count == 0 || count > IOTKIT_FILES_MAX) return false;
  for (size_t i = 0; i < count; i++) {
    if (!images[i] || images[i]->count != images[0]->count) return false;
  }
  return true;
}

int iotkit_image_commit_all(iotkit_image_t *const *images, size_t count, char *detail) {
  iotkit_file_t *files[IOTKIT_FILES_MAX];
  uint64_t sizes[IOTKIT_FILES_MAX];
  if (!is_set(images, count)) return IK_EINVALID_ARGUMENT;
  int rc = 0;
  if (images[0]->count > 0) begin_phase(images[0], IOTKIT_PHASE_COMMITTING);
  ik_detail(detail, "%s", "");
  while (rc == 0 && images[0]->count > 0) {
    char text[IOTKIT_DETAIL_MAX] = "";
    for (size_t i = 0; i < count; i++) {
      files[i] = take_first(images[i]);
      sizes[i] = iotkit_job_upgrade(images[i]->job)->size;
    }
    rc = iotkit_file_commit_all(files, sizes, count, text);
    note_detail(detail, text, rc);
  }
  for (size_t i = 0; i < count; i++)
    settle_original(images[i], rc == 0);
  return rc;
}

int ik_image_check_set(iotkit_image_t *const *images, size_t count, char *detail) {
  iotkit_file_t *files[IOTKIT_FILES_MAX];
  if (!is_set(images, count)) return IK_EINVALID_ARGUMENT;
  int rc = 0;
  for (size_t target = 0; rc == 0 && target < images[0]->count; target++) {
    for (size_t i = 0; i < count; i++)
      files[i] = images[i]->files[target];
    rc = ik_file_check_set(files, count, detail);
  }
  return rc;
}

void iotkit_image_release(iotkit_image_t *image, int error) {
  if (!image) return;
  note_error(image, error);
  while (image->count > 0) {
    iotkit_file_t *file = take_first(image);
    if (image->condemned)
      iotkit_file_discard(file);
    else
      iotkit_file_keep(file, image->job);
  }
}
