/*
 * save.c - the whole of a download on the calling thread, for one image and for several files.
 *
 * All targets are opened, and their space taken, before the first byte is fetched. Nothing here
 * outlives the call.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/sized.h"
#include "download/job.h"
#include "save/image.h"

#define BLOCK_BYTES (64 * IK_KIB) /* an abort loses what of it has come */
#define BLOCK_MS 1000 /* what has come in this time is written, though it is less than a block */

struct save {
  const struct iotkit_save_options *options;
  char *detail;
  uint8_t *block;
  uint64_t size;                            /* of all images */
  uint64_t before;                          /* bytes of the images that are complete */
  uint64_t received;                        /* bytes of the image that is being received */
  iotkit_image_t *images[IOTKIT_FILES_MAX]; /* owned */
  size_t count;
};

/* ---- one image ---- */

static int add_image(struct save *save, iotkit_job_t *job, iotkit_image_t **out) {
  const struct iotkit_save_options *options = save->options;
  int rc = iotkit_image_new(job, out);
  if (rc == 0) save->images[save->count++] = *out;
  if (rc == 0 && options->on_retry != NULL)
    rc = iotkit_job_on_retry(job, options->on_retry, options->ctx);
  if (rc == 0) rc = iotkit_image_on_phase(*out, options->on_phase, options->ctx);
  return rc;
}

static int open_target(struct save *save, iotkit_image_t *image, const char *path,
                       bool make_directory) {
  struct iotkit_file_options options = save->options->file;
  options.make_directory = options.make_directory || make_directory;
  return iotkit_image_open(image, path, &options, !save->options->no_resume, save->detail);
}

static void report_progress(const struct save *save) {
  if (save->options->on_progress != NULL)
    save->options->on_progress(save->options->ctx, save->before + save->received, save->size);
}

static int store(struct save *save, iotkit_image_t *image, uint64_t offset, size_t len) {
  int rc = 0;
  /* The server has another image at that URL: the bytes already on disk are not of it. */
  if (offset == 0 && save->received > 0) rc = iotkit_image_rewind(image, save->detail);
  if (rc == 0) rc = iotkit_image_write(image, offset, save->block, len, save->detail);
  if (rc != 0) return rc;
  iotkit_image_checkpoint(image);
  save->received = offset + len;
  report_progress(save);
  return 0;
}

static int fetch_rest(struct save *save, iotkit_image_t *image) {
  while (iotkit_job_get_state(iotkit_image_job(image)) != IOTKIT_JOB_FETCHED) {
    uint64_t offset = 0;
    int64_t n =
        iotkit_image_fetch(image, save->block, BLOCK_BYTES, BLOCK_MS, &offset, save->detail);
    if (n < 0) return (int)n;
    int rc = n > 0 ? store(save, image, offset, (size_t)n) : 0;
    if (rc != 0) return rc;
  }
  return 0;
}

/*
 * `again`: the image is wrong, but it may be what an earlier run left: all of it is to be fetched.
 */
static int fetch_and_check(struct save *save, iotkit_image_t *image, bool *again) {
  *again = false;
  int rc = fetch_rest(save, image);
  if (rc != 0) return rc;
  rc = iotkit_image_check(image, again, save->detail);
  if (rc != 0 && !*again)
    ik_detail(save->detail, "%s: %s", ik_image_path(image), iotkit_strerror(rc));
  save->received = *again ? 0 : save->received;
  return rc;
}

static int receive(struct save *save, iotkit_image_t *image) {
  bool again;
  int64_t proven = iotkit_image_resume(image, save->detail);
  if (proven < 0) return (int)proven;
  save->received = (uint64_t)proven;
  report_progress(save);
  int rc = fetch_and_check(save, image, &again);
  while (rc == 0 && again)
    rc = fetch_and_check(save, image, &again);
  return rc;
}

static int save_image(struct save *save, iotkit_job_t *job, const char *path) {
  iotkit_image_t *image;
  int rc = add_image(save, job, &image);
  if (rc == 0) rc = open_target(save, image, path, false);
  if (rc == 0) rc = receive(save, image);
  if (rc == 0) return iotkit_image_commit(image, save->detail);
  iotkit_image_release(image, rc);
  return rc;
}

/* ---- several files ---- */

static int open_in(struct save *save, iotkit_image_t *image, const char *directory,
                   const char *name) {
  struct ik_buf path;
  ik_buf_init(&path, IK_PATH_MAX);
  int rc = ik_buf_printf(&path, "%s/%s", directory, name);
  if (rc == 0) rc = ik_buf_append_u8(&path, '\0');
  if (rc == 0) rc = open_target(save, image, (const char *)ik_buf_ptr(&path), true);
  if (rc == IK_ETOO_LONG) ik_detail(save->detail, "%s: the path is too long", name);
  ik_buf_free(&path);
  return rc;
}

static int open_file(struct save *save, const iotkit_job_t *job, size_t index,
                     const char *directory) {
  iotkit_job_t *file_job = NULL;
  iotkit_image_t *image;
  int rc = iotkit_job_open_file(job, index, &file_job);
  if (rc == 0) rc = add_image(save, file_job, &image);
  iotkit_job_unref(file_job);
  if (rc != 0) return rc;
  return open_in(save, image, directory, iotkit_job_upgrade(job)->files[index].name);
}

static int open_all(struct save *save, const iotkit_job_t *job, const char *directory) {
  size_t count = iotkit_job_upgrade(job)->file_count;
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = open_file(save, job, i, directory);
  return rc == 0 ? ik_image_check_set(save->images, save->count, save->detail) : rc;
}

/* Gives the file's job to the user, before it is fetched. */
static int introduce(struct save *save, size_t index) {
  const struct iotkit_save_options *options = save->options;
  iotkit_image_t *image = save->images[index];
  if (options->on_file == NULL) return 0;
  int rc = options->on_file(options->ctx, index, iotkit_image_job(image));
  if (rc != 0) ik_detail(save->detail, "%s: refused", ik_image_path(image));
  return rc;
}

static int receive_all(struct save *save, iotkit_job_t *job) {
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < save->count; i++) {
    iotkit_image_t *image = save->images[i];
    save->received = 0;
    ik_job_set_inner(job, iotkit_image_job(image));
    rc = introduce(save, i);
    if (rc == 0) rc = receive(save, image);
    ik_job_set_inner(job, NULL);
    save->before += save->received;
    if (rc != 0) iotkit_image_release(image, rc);
  }
  return rc;
}

static int save_files(struct save *save, iotkit_job_t *job, const char *directory) {
  if (save->options->file.in_place || save->options->file.journal != NULL) {
    return ik_refuse(save->detail, IK_EINVALID_ARGUMENT,
                     "several files are not written in place, and have no journal in common");
  }
  int rc = open_all(save, job, directory);
  if (rc == 0) rc = receive_all(save, job);
  return rc == 0 ? iotkit_image_commit_all(save->images, save->count, save->detail) : rc;
}

/* ---- both ---- */

static int check_job(iotkit_job_t *job, char *detail) {
  enum iotkit_job_state state = iotkit_job_get_state(job);
  if (state == IOTKIT_JOB_FAILED) return iotkit_job_error(job, detail);
  if (state == IOTKIT_JOB_READY && !ik_job_has_external_digest(job)) return 0;
  return ik_refuse(detail, IK_EINVALID_STATE,
                   state != IOTKIT_JOB_READY ? "the job was fetched already"
                                             : "the job has external_digest");
}

static void free_save(struct save *save) {
  for (size_t i = 0; i < save->count; i++)
    iotkit_image_free(save->images[i]);
  free(save->block);
  free(save);
}

int iotkit_job_save(iotkit_job_t *job, const char *path, const struct iotkit_save_options *options,
                    char *detail) {
  struct iotkit_save_options own = {0};
  if (job == NULL || path == NULL || path[0] == '\0') {
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "no job or no path");
  }
  int rc = options != NULL ? IK_SIZED_READ(&own, options, detail) : 0;
  if (rc == 0) rc = ik_sized_check_embedded(own.file.struct_size, sizeof(own.file), "file", detail);
  if (rc == 0) rc = check_job(job, detail);
  if (rc != 0) return rc;
  struct save *save = calloc(1, sizeof(*save));
  if (save == NULL) return IK_ENO_MEMORY;
  const struct iotkit_upgrade *upgrade = iotkit_job_upgrade(job);
  save->options = &own;
  save->detail = detail;
  save->size = upgrade->size;
  save->block = malloc(BLOCK_BYTES);
  if (save->block == NULL)
    rc = IK_ENO_MEMORY;
  else
    rc = upgrade->file_count > 0 ? save_files(save, job, path) : save_image(save, job, path);
  free_save(save);
  return rc;
}
