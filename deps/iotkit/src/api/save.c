/*
 * save.c - the whole of a download on the calling thread, for one image and for several files.
 *
 * All targets are opened, and their space taken, before the first byte is fetched. Each ends in one
 * place alone: committed, kept for the next time, or discarded. Nothing here outlives the call.
 */
#include <stdlib.h>
#include <string.h>

#include "api/file.h"
#include "api/job.h"
#include "base/limits.h"

#define BLOCK_BYTES (64 * IK_KIB) /* an abort loses what of it has come */
#define BLOCK_MS 1000 /* what has come in this time is written, though it is less than a block */

/* One image and where it goes. */
struct target {
  iotkit_job_t *job; /* referenced */
  iotkit_file_t *file;
  uint64_t at;  /* bytes there are */
  bool resumed; /* some of them from an earlier run */
};

struct save {
  const struct iotkit_save_options *options;
  char *detail;
  uint8_t *block;
  uint64_t before; /* bytes of the files that are there already */
  uint64_t size;   /* of all */
  struct target targets[IOTKIT_FILES_MAX];
  size_t count;
};

/* ---- one image ---- */

static int open_for(struct save *save, struct target *target, const char *path,
                    bool make_directory) {
  const struct iotkit_upgrade *upgrade = iotkit_job_upgrade(target->job);
  struct iotkit_file_options options = save->options->file;
  options.size = upgrade->size;
  options.digest_method = save->options->no_resume ? IOTKIT_DIGEST_NONE : upgrade->digest_method;
  options.make_directory = options.make_directory || make_directory;
  memcpy(options.digest, upgrade->digest, sizeof(options.digest));
  return iotkit_file_open(path, &options, &target->file, save->detail);
}

static void tell(const struct save *save, const struct target *target) {
  if (save->options->on_progress != NULL)
    save->options->on_progress(save->options->ctx, save->before + target->at, save->size);
}

static int store(struct save *save, struct target *target, uint64_t offset, size_t len) {
  int rc = 0;
  if (offset == 0 && target->at > 0) {
    /* The server has another image at that URL: what was there is not of it. */
    target->resumed = false;
    rc = iotkit_file_rewind(target->file, save->detail);
  }
  if (rc == 0) rc = iotkit_file_write(target->file, offset, save->block, len, save->detail);
  if (rc != 0) return rc;
  iotkit_file_checkpoint(target->file, target->job);
  target->at = offset + len;
  tell(save, target);
  return 0;
}

static int fetch_rest(struct save *save, struct target *target) {
  while (iotkit_job_get_state(target->job) != IOTKIT_JOB_FETCHED) {
    uint64_t offset = 0;
    int64_t n = iotkit_job_fetch(target->job, save->block, BLOCK_BYTES, BLOCK_MS, &offset);
    if (n < 0) {
      int error = iotkit_job_error(target->job, save->detail);
      if (error == 0) ik_detail(save->detail, "%s", iotkit_strerror((int)n));
      return (int)n;
    }
    int rc = n > 0 ? store(save, target, offset, (size_t)n) : 0;
    if (rc != 0) return rc;
  }
  return 0;
}

static int fetch_and_check(struct save *save, struct target *target) {
  int rc = fetch_rest(save, target);
  if (rc != 0) return rc;
  rc = iotkit_job_check(target->job);
  if (rc != 0) ik_detail(save->detail, "%s: %s", target->file->path, iotkit_strerror(rc));
  return rc;
}

/* What an earlier run left was proven, but against what that run was given. */
static int fetch_again(struct save *save, struct target *target) {
  int rc = iotkit_file_rewind(target->file, save->detail);
  if (rc == 0) rc = iotkit_job_rewind(target->job);
  if (rc != 0) return rc;
  target->resumed = false;
  target->at = 0;
  return fetch_and_check(save, target);
}

static int receive(struct save *save, struct target *target) {
  int64_t at = iotkit_file_resume(target->file, target->job, save->detail);
  if (at < 0) return (int)at;
  target->at = (uint64_t)at;
  target->resumed = at > 0;
  tell(save, target);
  int rc = fetch_and_check(save, target);
  if (rc == IK_EDIGEST_MISMATCH && target->resumed) rc = fetch_again(save, target);
  return rc;
}

/* The end of what is not committed. */
static void leave(struct target *target, int rc) {
  bool bad = rc == IK_EDIGEST_MISMATCH || rc == IK_ESIZE_MISMATCH || rc == IK_ESIGNATURE ||
             rc == IK_ESIGNATURE_MISSING;
  if (bad)
    iotkit_file_discard(target->file);
  else
    iotkit_file_keep(target->file, target->job);
  target->file = NULL;
}

static int save_image(struct save *save, iotkit_job_t *job, const char *path) {
  struct target *target = &save->targets[0];
  target->job = iotkit_job_ref(job);
  save->count = 1;
  int rc = open_for(save, target, path, false);
  if (rc != 0) return rc;
  rc = receive(save, target);
  if (rc != 0) {
    leave(target, rc);
    return rc;
  }
  return iotkit_file_commit(target->file, save->size, save->detail);
}

/* ---- several files ---- */

static int open_one(struct save *save, const iotkit_job_t *job, size_t index,
                    const char *directory) {
  struct ik_buf path;
  struct target *target = &save->targets[index];
  ik_buf_init(&path, IK_PATH_MAX);
  const char *name = iotkit_job_upgrade(job)->files[index].name;
  int rc = iotkit_job_open_file(job, index, &target->job);
  if (rc == 0) {
    save->count = index + 1;
    rc = ik_buf_printf(&path, "%s/%s", directory, name);
  }
  if (rc == 0) rc = ik_buf_append_u8(&path, '\0');
  if (rc == 0) rc = open_for(save, target, (const char *)ik_buf_ptr(&path), true);
  if (rc == IK_ETOO_LONG) ik_detail(save->detail, "%s: the path is too long", name);
  ik_buf_free(&path);
  return rc;
}

static int open_all(struct save *save, const iotkit_job_t *job, const char *directory) {
  iotkit_file_t *files[IOTKIT_FILES_MAX];
  size_t count = iotkit_job_upgrade(job)->file_count;
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = open_one(save, job, i, directory);
  if (rc != 0) return rc;
  for (size_t i = 0; i < count; i++)
    files[i] = save->targets[i].file;
  return ik_file_check_set(files, count, save->detail);
}

static int introduce(struct save *save, size_t index) {
  const struct iotkit_save_options *options = save->options;
  if (options->on_file == NULL) return 0;
  int rc = options->on_file(options->ctx, index, save->targets[index].job);
  if (rc != 0) ik_detail(save->detail, "%s: refused", save->targets[index].file->path);
  return rc;
}

static int receive_all(struct save *save, iotkit_job_t *job) {
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < save->count; i++) {
    struct target *target = &save->targets[i];
    ik_job_set_inner(job, target->job);
    rc = introduce(save, i);
    if (rc == 0) rc = receive(save, target);
    ik_job_set_inner(job, NULL);
    save->before += target->at;
    if (rc != 0) leave(target, rc);
  }
  return rc;
}

static int commit_set(struct save *save) {
  iotkit_file_t *files[IOTKIT_FILES_MAX];
  uint64_t sizes[IOTKIT_FILES_MAX];
  for (size_t i = 0; i < save->count; i++) {
    files[i] = save->targets[i].file;
    sizes[i] = save->targets[i].at;
    save->targets[i].file = NULL;
  }
  return iotkit_file_commit_all(files, sizes, save->count, save->detail);
}

static int save_files(struct save *save, iotkit_job_t *job, const char *directory) {
  if (save->options->file.in_place || save->options->file.journal != NULL) {
    ik_detail(save->detail,
              "several files are not written in place, and have no journal in common");
    return IK_EINVALID_ARGUMENT;
  }
  int rc = open_all(save, job, directory);
  if (rc == 0) rc = receive_all(save, job);
  if (rc == 0) return commit_set(save);
  for (size_t i = 0; i < save->count; i++)
    leave(&save->targets[i], 0);
  return rc;
}

/* ---- both ---- */

static int check_job(iotkit_job_t *job, char *detail) {
  enum iotkit_job_state state = iotkit_job_get_state(job);
  if (state == IOTKIT_JOB_FAILED) return iotkit_job_error(job, detail);
  if (state == IOTKIT_JOB_READY && !job->config->options.external_digest) return 0;
  ik_detail(detail, state != IOTKIT_JOB_READY ? "the job was fetched already"
                                              : "the job has external_digest");
  return IK_EINVALID_STATE;
}

static void free_save(struct save *save) {
  for (size_t i = 0; i < save->count; i++)
    iotkit_job_unref(save->targets[i].job);
  free(save->block);
  free(save);
}

int iotkit_job_save(iotkit_job_t *job, const char *path, const struct iotkit_save_options *options,
                    char *detail) {
  static const struct iotkit_save_options none;
  if (job == NULL || path == NULL || path[0] == '\0') {
    ik_detail(detail, "no job or no path");
    return IK_EINVALID_ARGUMENT;
  }
  int rc = check_job(job, detail);
  if (rc != 0) return rc;
  struct save *save = calloc(1, sizeof(*save));
  if (save == NULL) return IK_ENO_MEMORY;
  const struct iotkit_upgrade *upgrade = iotkit_job_upgrade(job);
  save->options = options != NULL ? options : &none;
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
