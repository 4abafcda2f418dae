/*
 * file_recover.c - goes on with a commit of several files where a crash has interrupted it.
 *
 * Every part is looked at before the first is renamed, and held by its lock meanwhile: a part that is
 * not what the note says belongs to somebody else, and then nothing is renamed. The note is read by
 * the holder of its lock alone, so a commit that is still being done is never taken for a crash.
 */
#include <stdlib.h>

#include "api/file.h"
#include "base/limits.h"
#include "ota/commit_note.h"

/* What there is of one file of the note. */
struct left {
  char *path;
  char *part;
  char *journal;
  struct ik_osfile *os; /* of the part; NULL: it was renamed before the crash */
};

static void free_left(struct left *left) {
  ik_osfile_close(left->os);
  free(left->path);
  free(left->part);
  free(left->journal);
}

static int name_left(const char *directory, const char *name, struct left *out) {
  struct ik_buf text;
  ik_buf_init(&text, IK_PATH_MAX);
  int rc = ik_buf_printf(&text, "%s/%s", directory, name);
  if (rc == 0)
    out->path = ik_str_dup((struct ik_str){(const char *)ik_buf_ptr(&text), ik_buf_size(&text)});
  ik_buf_free(&text);
  if (out->path) {
    out->part = ik_file_name(out->path, IK_PART_SUFFIX);
    out->journal = ik_file_name(out->path, IK_JOURNAL_SUFFIX);
  }
  return out->part && out->journal ? 0 : IK_ENO_MEMORY;
}

static int give_up(const char *path, bool *dead, char *detail) {
  ik_detail(detail, "%s: is not what an interrupted commit was to put there", path);
  *dead = true;
  return IK_EFILE;
}

/* 0: renamed already, or there to be renamed. `dead`: what the note speaks of is gone for good. */
static int look_at(const struct ik_commit_file *file, struct left *left, bool *dead, char *detail) {
  struct ik_path_info info;
  uint64_t size = 0;
  int rc = ik_osfile_open(left->part, IK_OSFILE_READ | IK_OSFILE_LOCK, 0, &left->os, detail);
  if (rc == IK_EFILE_NOT_FOUND) {
    rc = ik_path_info(left->path, &info, detail);
    if (rc < 0 || (info.is_regular && info.size == file->size)) return rc;
    return give_up(left->path, dead, detail);
  }
  if (rc == 0) rc = ik_osfile_size(left->os, &size, detail);
  if (rc < 0) return rc;
  if (size != file->size || !ik_osfile_is_at(left->os, left->part))
    return give_up(left->part, dead, detail);
  if (file->method == IOTKIT_DIGEST_NONE) return 0;
  rc = ik_file_has_digest(left->os, 0, size, file->method, file->digest);
  return rc == 0 ? give_up(left->part, dead, detail) : rc < 0 ? rc : 0;
}

static int rename_left(struct left *left, size_t count, const char *directory, char *detail) {
  for (size_t i = 0; i < count; i++) {
    int rc = left[i].os ? ik_path_rename(left[i].part, left[i].path, detail) : 0;
    if (rc < 0) return rc;
  }
  int rc = ik_path_sync_directory(directory, detail);
  for (size_t i = 0; rc == 0 && i < count; i++)
    ik_path_remove(left[i].journal);
  return rc;
}

/* `dead` gets whether the note is of no more use. */
static int roll_forward(const char *directory, const struct ik_commit_file *files, size_t count,
                        bool *dead, char *detail) {
  struct left *left = calloc(count, sizeof *left);
  int rc = left ? 0 : IK_ENO_MEMORY;
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = name_left(directory, files[i].name, &left[i]);
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = look_at(&files[i], &left[i], dead, detail);
  if (rc == 0) {
    rc = rename_left(left, count, directory, detail);
    *dead = rc == 0;
  }
  for (size_t i = 0; left && i < count; i++)
    free_left(&left[i]);
  free(left);
  return rc == 0 ? 1 : rc;
}

static int read_note(struct ik_osfile *note, const char *directory, bool *dead, char *detail) {
  int rc = IK_ENO_MEMORY;
  uint8_t *bytes = malloc(IK_COMMIT_NOTE_MAX + 1);
  struct ik_commit_file *files = calloc(IOTKIT_FILES_MAX, sizeof *files);
  if (bytes && files) {
    int64_t len = ik_osfile_read(note, 0, bytes, IK_COMMIT_NOTE_MAX + 1, detail);
    ptrdiff_t count = len >= 0 ? ik_commit_note_read(bytes, (size_t)len, files) : 0;
    rc = len < 0 ? (int)len : 0;
    *dead = count < 0; /* torn: nothing was renamed yet */
    if (rc == 0 && count > 0) rc = roll_forward(directory, files, (size_t)count, dead, detail);
  }
  free(files);
  free(bytes);
  return rc;
}

int iotkit_file_recover(const char *directory, char *detail) {
  struct ik_osfile *note = NULL;
  bool dead = false;
  if (!directory || !*directory) return IK_EINVALID_ARGUMENT;
  char *path = ik_file_name(directory, "/" IK_COMMIT_NAME);
  if (!path) return IK_ENO_MEMORY;
  char text[IOTKIT_DETAIL_MAX];
  int rc = ik_osfile_open(path, IK_OSFILE_READ | IK_OSFILE_LOCK, 0, &note, text);
  if (rc == IK_EFILE_NOT_FOUND) /* as nearly always */
    rc = 0;
  else if (rc < 0)
    ik_detail(detail, "%s", text);
  /* Removed by who had it, while it was waited for. */
  if (note && ik_osfile_is_at(note, path)) rc = read_note(note, directory, &dead, detail);
  if (dead) {
    ik_path_remove(path);
    if (rc == 1) ik_path_sync_directory(directory, NULL);
  }
  ik_osfile_close(note);
  free(path);
  return rc;
}
