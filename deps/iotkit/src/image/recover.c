/* Tested by deps/iotkit/test/image/test_commit.c. */
/*
 * recover.c - completes a commit of several files that a crash has interrupted.
 *
 * Every part is looked at before the first is renamed, and held by its lock meanwhile: a part that
 * is not what the note says belongs to somebody else, and then nothing is renamed. The note is read
 * by the holder of its lock alone, so a commit that is still being done is never taken for a crash.
 */
#include <stdlib.h>

#include "base/beside.h"
#include "base/limits.h"
#include "image/commit_note.h"
#include "image/content.h"
#include "image/names.h"
#include "image/place.h"
#include "iotkit_file.h"
#include "port/port.h"

/* What a crash has left of one file of the note. */
struct leftover {
  char *path;
  char *part;
  char *journal;
  struct ik_osfile *os;
  uint64_t size;
  bool renamed;       /* before the crash; else `os` is the part */
  bool part_is_other; /* what has the part's name now belongs to somebody else */
};

static void free_leftover(struct leftover *left) {
  ik_osfile_close(left->os);
  free(left->path);
  free(left->part);
  free(left->journal);
}

static int name_leftover(const char *directory, const char *name, struct leftover *out) {
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

static int abandon(const char *path, bool *obsolete, char *detail) {
  ik_detail(detail, "%s: is not what an interrupted commit was to put there", path);
  *obsolete = true;
  return IK_EFILE;
}

/* The part was renamed before the crash, if what has its name is what the note says. */
static int examine_renamed(const struct ik_commit_file *file, struct leftover *left, bool *obsolete,
                           char *detail) {
  const char *path = left->path;
  struct ik_path_info info;
  left->renamed = true;
  int rc = ik_path_info(path, &info, detail);
  if (rc < 0) return rc;
  if (!info.is_regular || info.size != file->size) return abandon(path, obsolete, detail);
  rc = ik_osfile_open(path, IK_OSFILE_READ, 0, &left->os, detail);
  if (rc == 0)
    rc = ik_content_has_digest(left->os, 0, file->size, file->method, file->digest, detail);
  if (rc == 1) rc = ik_osfile_at(left->os, path, detail);
  return rc == 0 ? abandon(path, obsolete, detail) : rc < 0 ? rc : 0;
}

/* 0: renamed already, or there to be renamed. `obsolete`: what the note names is gone for good. */
static int examine(const struct ik_commit_file *file, struct leftover *left, bool *obsolete,
                   char *detail) {
  uint64_t size = 0;
  left->size = file->size;
  int rc = ik_osfile_open_own(left->part, IK_OSFILE_FINISHED, &left->os, detail);
  if (rc == IK_EFILE_NOT_FOUND) return examine_renamed(file, left, obsolete, detail);
  if (rc == 0) rc = ik_osfile_size(left->os, &size, detail);
  if (rc < 0) return rc;
  rc = left->os && size == file->size ? ik_osfile_at(left->os, left->part, detail) : 0;
  if (rc == 1) rc = ik_content_has_digest(left->os, 0, size, file->method, file->digest, detail);
  if (rc != 0) return rc < 0 ? rc : 0;
  /* Of the next download, where a power cut has brought the note back. */
  ik_osfile_close(left->os);
  left->os = NULL;
  left->part_is_other = true;
  return examine_renamed(file, left, obsolete, detail);
}

static struct ik_place leftover_place(const struct leftover *left) {
  return (struct ik_place){
      .os = left->os, .part = left->part, .path = left->path, .size = left->size};
}

/* What was renamed may not have come further. IK_OSFILE_NOT_DURABLE: it does not now. */
static int complete(const struct leftover *left, struct ik_osdir *directory, char *detail) {
  if (left->renamed) return ik_osfile_sync(left->os, detail) == 0 ? 0 : IK_OSFILE_NOT_DURABLE;
  struct ik_place place = leftover_place(left);
  return ik_place_of_set(&place, directory, detail);
}

static int complete_all(const struct leftover *left, size_t count, struct ik_osdir *directory,
                        bool *durable, char *detail) {
  for (size_t i = 0; i < count; i++) {
    int rc = complete(&left[i], directory, detail);
    if (rc < 0) return rc;
    if (rc == IK_OSFILE_NOT_DURABLE) *durable = false;
  }
  return 0;
}

static void clean(const struct leftover *left) {
  struct ik_place place = leftover_place(left);
  ik_place_clean(&place);
  if (!left->part_is_other) ik_path_remove(left->journal);
}

/* `durable`: a power cut does not undo it any more, so that nobody needs the note. */
static int move_leftovers(struct leftover *left, size_t count, const char *directory, bool *durable,
                          char *detail) {
  struct ik_osdir *dir;
  int rc = ik_osdir_open(directory, &dir, detail);
  if (rc < 0) return rc;
  *durable = true;
  rc = complete_all(left, count, dir, durable, detail);
  if (rc < 0 || ik_osdir_sync(dir, detail) < 0) *durable = false;
  for (size_t i = 0; *durable && i < count; i++)
    clean(&left[i]);
  ik_osdir_close(dir);
  return rc;
}

/* `obsolete` gets whether the note is no longer needed. */
static int roll_forward(const char *directory, const struct ik_commit_file *files, size_t count,
                        bool *obsolete, char *detail) {
  struct leftover *left = calloc(count, sizeof *left);
  int rc = left ? 0 : IK_ENO_MEMORY;
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = name_leftover(directory, files[i].name, &left[i]);
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = examine(&files[i], &left[i], obsolete, detail);
  if (rc == 0) rc = move_leftovers(left, count, directory, obsolete, detail);
  for (size_t i = 0; left && i < count; i++)
    free_leftover(&left[i]);
  free(left);
  return rc == 0 ? 1 : rc;
}

/* Where one has no digest any file of that size would do: we write no such note, and believe none. */
static bool is_provable(const struct ik_commit_file *files, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    if (files[i].method == IOTKIT_DIGEST_NONE) return false;
  }
  return count > 0;
}

static int read_note(struct ik_osfile *note, const char *directory, bool *obsolete, char *detail) {
  int rc = IK_ENO_MEMORY;
  uint8_t *bytes = malloc(IK_COMMIT_NOTE_MAX + 1);
  struct ik_commit_file *files = calloc(IOTKIT_FILES_MAX, sizeof *files);
  if (bytes && files) {
    int64_t len = ik_osfile_read(note, 0, bytes, IK_COMMIT_NOTE_MAX + 1, detail);
    ptrdiff_t count = len >= 0 ? ik_commit_note_read(bytes, (size_t)len, files) : 0;
    rc = len < 0 ? (int)len : 0;
    bool provable = is_provable(files, count);
    *obsolete = rc == 0 && !provable; /* torn, most likely: nothing was renamed yet */
    if (rc == 0 && provable) rc = roll_forward(directory, files, (size_t)count, obsolete, detail);
  }
  free(files);
  free(bytes);
  return rc;
}

int iotkit_file_recover(const char *directory, char *detail) {
  struct ik_osfile *note = NULL;
  bool obsolete = false;
  if (!directory || !*directory) return IK_EINVALID_ARGUMENT;
  char *path = ik_file_name(directory, "/" IK_COMMIT_NAME);
  if (!path) return IK_ENO_MEMORY;
  char text[IOTKIT_DETAIL_MAX];
  int rc = ik_osfile_open_own(path, 0, &note, text);
  /* As nearly always there is none. What others may have written there says nothing. */
  if (rc == IK_EFILE_NOT_FOUND || rc == IK_OSFILE_NOT_OURS)
    rc = 0;
  else if (rc < 0)
    ik_detail(detail, "%s", text);
  /* Removed by who had it, while it was waited for. */
  if (note) rc = ik_osfile_at(note, path, detail);
  if (rc == 1) rc = read_note(note, directory, &obsolete, detail);
  if (obsolete) {
    ik_path_remove(path);
    if (rc == 1) ik_path_sync_directory(directory, NULL);
  }
  ik_osfile_close(note);
  free(path);
  return rc;
}
