/*
 * commit.c - the moment a part gets its final name, alone or with others.
 *
 * Of several files, what is to be renamed is on disk before the first rename: from there on the
 * commit only goes forward, by itself or by recover.c. Each part keeps its lock until it is
 * closed after the last rename.
 */
#include "image/commit.h"

#include <stdlib.h>
#include <string.h>

#include "base/beside.h"
#include "image/commit_note.h"
#include "image/content.h"
#include "image/file.h"
#include "image/names.h"
#include "image/place.h"

typedef unsigned long long ull;

/* ---- one file, up to where the name changes hands ---- */

static int changed(const struct iotkit_file *file, char *detail) {
  return ik_refuse(detail, IK_EFILE, "%s was changed by another program", file->part);
}

static int truncate_part(struct iotkit_file *file, uint64_t size, char *detail) {
  uint64_t end = atomic_load(&file->end);
  uint64_t there;
  if (size > end) {
    return ik_refuse(detail, IK_ESIZE_MISMATCH, "%s: %llu bytes were written, not %llu",
                     file->in_place ? file->path : file->part, (ull)end, (ull)size);
  }
  int rc = ik_file_untouched(file, detail);
  if (rc < 0 || file->in_place) return rc;
  rc = ik_osfile_size(file->os, &there, detail);
  /* Also where it has that size: space reserved after it goes back. */
  return rc == 0 ? ik_osfile_truncate(file->os, size, detail) : rc;
}

/*
 * A file that another program has put in the part's place, or truncated between two writes, was not
 * verified and must not get the final name. A hole shows where it was truncated, or zeros on a file
 * system that does not store them: the digest decides.
 */
static int check_part(struct iotkit_file *file, uint64_t size, char *detail) {
  struct ik_path_info part = {0};
  uint64_t there;
  int rc = ik_osfile_size(file->os, &there, detail);
  if (rc == 0) rc = ik_path_info(file->part, &part, detail);
  if (rc < 0 || !part.exists) return rc; /* renaming nothing says it better */
  if (there != size) return changed(file, detail);
  rc = ik_osfile_at(file->os, file->part, detail);
  if (rc <= 0) return rc == 0 ? changed(file, detail) : rc;
  const struct ik_journal_key *key = &file->journal.key;
  if (key->method == IOTKIT_DIGEST_NONE || key->size != size || !ik_osfile_has_hole(file->os, size))
    return 0;
  rc = ik_content_has_digest(file->os, 0, size, key->method, key->digest, detail);
  return rc == 0 ? changed(file, detail) : rc < 0 ? rc : 0;
}

/* After the last change of ours, before the part's checks: what others write from here on shows. */
static void note_stamp(struct iotkit_file *file) {
  struct ik_file_stamp stamp;
  if (file->finished && ik_osfile_stamp(file->os, &stamp) == 0) *file->finished = stamp;
}

static int finish(struct iotkit_file *file, uint64_t size, char *detail) {
  int rc = truncate_part(file, size, detail);
  if (rc < 0) return rc;
  if (file->in_place) return ik_osfile_sync(file->os, detail);
  rc = ik_file_set_rights(file, detail);
  if (rc == 0) rc = ik_osfile_sync(file->os, detail);
  if (rc < 0) return rc;
  note_stamp(file);
  return check_part(file, size, detail);
}

/* The new file has its name in any case. False: a power cut may still take it away. */
static bool is_durable(int rc, const char *why, char *detail) {
  if (rc == 0) return true;
  ik_detail(detail, "installed, not yet durable: %s", why);
  ik_log(IOTKIT_LOG_WARNING, "installed, not yet durable: %s", why);
  return false;
}

static bool sync_names(struct ik_osdir *directory, char *detail) {
  char why[IOTKIT_DETAIL_MAX];
  return is_durable(ik_osdir_sync(directory, why), why, detail);
}

static struct ik_place place_for(const struct iotkit_file *file, uint64_t size) {
  return (struct ik_place){.os = file->os, .part = file->part, .path = file->path, .size = size};
}

/* Of a part that was placed. `durable` becomes false where a sync of the directory is not enough. */
static int placed(int rc, const char *why, bool *durable, char *detail) {
  if (rc < 0) {
    ik_detail(detail, "%s", why);
    return rc;
  }
  if (!is_durable(rc, why, detail)) *durable = false;
  return 0;
}

/* It is whole, but its name could not be changed: the next run has no byte to fetch. */
static void keep_finished(struct iotkit_file *file) {
  const struct ik_journal_key *key = &file->journal.key;
  ik_osfile_make_private(file->os);
  if (atomic_load(&file->end) == key->size) {
    size_t len = key->method == IOTKIT_DIGEST_MD5 ? 16 : IOTKIT_DIGEST_MAX;
    ik_file_journal_add(&file->journal, key->size, key->digest, len);
  }
  ik_file_release(file);
}

/* What failed before the part was finished, or was found to be wrong, is no use to the next run. */
static void end_failed(struct iotkit_file *file, bool finished, int error) {
  if (!file->in_place && (finished || iotkit_error_retryable(error)))
    keep_finished(file);
  else
    iotkit_file_discard(file);
}

static int commit_in_place(struct iotkit_file *file, uint64_t size, char *detail) {
  int rc = finish(file, size, detail);
  ik_file_journal_remove(&file->journal);
  ik_file_free(file);
  return rc;
}

/* ---- another name of a file that is whole ---- */

static int check_linked(const struct iotkit_file *file, uint64_t size, char *detail) {
  struct ik_file_stamp stamp;
  if (ik_osfile_is_at(file->linked, file->link) && ik_osfile_stamp(file->linked, &stamp) == 0 &&
      stamp.size == size && ik_file_stamp_equal(&stamp, &file->linked_stamp))
    return 0;
  return ik_refuse(detail, IK_EFILE, "%s was changed by another program", file->link);
}

/*
 * Where the target is that very file already, rename() does nothing and leaves both names: then the one that
 * was made for it goes.
 */
static int rename_link(struct iotkit_file *file, char *detail) {
  int rc = ik_path_rename(file->link, file->path, detail);
  if (rc < 0) return rc;
  if (ik_osfile_at(file->linked, file->path, NULL) == 0)
    return ik_refuse(detail, IK_EFILE, "%s was replaced by another program", file->path);
  ik_file_unlink(file);
  return 0;
}

/* The part, which is empty, is the lock until the name has changed hands. */
static int commit_link(struct iotkit_file *file, uint64_t size, char *detail) {
  struct ik_osdir *directory = NULL;
  int rc = check_linked(file, size, detail);
  if (rc == 0 && file->finished) *file->finished = file->linked_stamp;
  if (rc == 0) rc = ik_osdir_open(file->directory, &directory, detail);
  if (rc == 0) rc = rename_link(file, detail);
  ik_file_remove(file);
  if (rc == 0) (void)sync_names(directory, detail);
  ik_file_free(file);
  ik_osdir_close(directory);
  return rc;
}

static int rename_part(struct iotkit_file *file, uint64_t size, struct ik_osdir *directory,
                       char *detail) {
  char why[IOTKIT_DETAIL_MAX];
  bool durable = true;
  struct ik_place place = place_for(file, size);
  return placed(ik_place_alone(&place, directory, why), why, &durable, detail);
}

static int commit_part(struct iotkit_file *file, uint64_t size, char *detail) {
  struct ik_osdir *directory = NULL;
  int rc = finish(file, size, detail);
  bool finished = rc == 0;
  if (rc == 0) rc = ik_osdir_open(file->directory, &directory, detail);
  if (rc == 0) rc = rename_part(file, size, directory, detail);
  if (rc == 0) {
    /* From here on the part's name is free again and may belong to another writer. */
    (void)sync_names(directory, detail);
    ik_file_journal_remove(&file->journal);
    ik_file_free(file);
  } else {
    end_failed(file, finished, rc);
  }
  ik_osdir_close(directory);
  return rc;
}

int iotkit_file_commit(iotkit_file_t *file, uint64_t size, char *detail) {
  if (!file) return IK_EINVALID_ARGUMENT;
  ik_detail(detail, "%s", "");
  if (file->linked) return commit_link(file, size, detail);
  return file->in_place ? commit_in_place(file, size, detail) : commit_part(file, size, detail);
}

/* ---- several ---- */

static int refuse(const struct iotkit_file *file, const char *why, char *detail) {
  return ik_refuse(detail, IK_EINVALID_ARGUMENT, "%s: %s", file->path, why);
}

/* A rename of one must not take what another needs. */
static bool name_conflict(const struct iotkit_file *a, const struct iotkit_file *b) {
  return strcmp(a->path, b->path) == 0 || strcmp(a->path, b->part) == 0 ||
         strcmp(a->path, b->journal.path) == 0;
}

/* A note of another user that we cannot replace. */
static int check_note(const struct iotkit_file *file, char *detail) {
  char *path = ik_file_name(file->directory, "/" IK_COMMIT_NAME);
  int rc = path ? ik_path_check_replaceable(path, detail) : IK_ENO_MEMORY;
  free(path);
  return rc;
}

int ik_file_check_set(iotkit_file_t *const *files, size_t count, char *detail) {
  for (size_t i = 0; i < count; i++) {
    if (files[i]->in_place) return refuse(files[i], "is written in place", detail);
    if (files[i]->linked) return refuse(files[i], "is a hard link", detail);
    if (!ik_commit_name_valid(ik_str(ik_file_last_name(files[i]->path))))
      return refuse(files[i], "is no name for one of several files", detail);
    if (strcmp(files[i]->directory, files[0]->directory) != 0)
      return refuse(files[i], "is in another directory", detail);
    for (size_t k = 0; k < count; k++) {
      if (i != k && name_conflict(files[i], files[k]))
        return refuse(files[i], "is in the way of another of the files", detail);
    }
  }
  return check_note(files[0], detail);
}

/* The announced digest, which the image was checked against, or that of the finished part. */
static int describe(const struct iotkit_file *file, uint64_t size, struct ik_commit_file *row,
                    char *detail) {
  const char *name = ik_file_last_name(file->path);
  const struct ik_journal_key *key = &file->journal.key;
  row->size = size;
  memcpy(row->name, name, strlen(name));
  if (key->method != IOTKIT_DIGEST_NONE && key->size == size) {
    row->method = key->method;
    memcpy(row->digest, key->digest, sizeof row->digest);
    return 0;
  }
  row->method = IOTKIT_DIGEST_SHA256;
  int rc = ik_content_digest(file->os, 0, size, row->method, row->digest, detail);
  return rc < 0 ? rc : 0;
}

static int put_note(iotkit_file_t *const *files, const uint64_t *sizes, size_t count,
                    struct ik_buf *out, char *detail) {
  struct ik_commit_file *rows = calloc(count, sizeof *rows);
  int rc = rows ? 0 : IK_ENO_MEMORY;
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = describe(files[i], sizes[i], &rows[i], detail);
  if (rc == 0) rc = ik_commit_note_put(rows, count, out);
  free(rows);
  return rc;
}

/* Once it is there and whole, the commit goes forward alone. */
static int write_note(const char *path, struct ik_osdir *directory, const struct ik_buf *bytes,
                      struct ik_osfile **out, char *detail) {
  int rc = ik_osfile_open_own(path, IK_OSFILE_CREATE, out, detail);
  if (rc < 0) return rc;
  rc = ik_osfile_truncate(*out, 0, detail);
  if (rc == 0) rc = ik_osfile_write(*out, 0, ik_buf_ptr(bytes), ik_buf_size(bytes), detail);
  if (rc == 0) rc = ik_osfile_sync(*out, detail);
  if (rc == 0) rc = ik_osdir_sync(directory, detail);
  if (rc < 0) ik_path_remove(path);
  return rc;
}

static int place_each(const struct ik_place *places, size_t count, struct ik_osdir *directory,
                      bool *durable, char *detail) {
  char why[IOTKIT_DETAIL_MAX];
  for (size_t i = 0; i < count; i++) {
    int rc = placed(ik_place_of_set(&places[i], directory, why), why, durable, detail);
    if (rc < 0) return rc;
  }
  return 0;
}

/* Until the names are durable the note stays, for iotkit_file_recover() to make them so. */
static int place_all(iotkit_file_t *const *files, const struct ik_place *places, size_t count,
                     struct ik_osdir *directory, const char *note, char *detail) {
  bool durable = true;
  int rc = place_each(places, count, directory, &durable, detail);
  if (rc < 0 || !sync_names(directory, detail) || !durable) return rc;
  for (size_t i = 0; i < count; i++) {
    ik_place_clean(&places[i]);
    ik_file_journal_remove(&files[i]->journal);
  }
  ik_path_remove(note);
  /* A file that others write to by then must not be replaced by what a power cut brings back. */
  if (ik_osfile_rename_may_lose(places[0].os)) (void)ik_osdir_sync(directory, NULL);
  return 0;
}

/* How far a commit of several has come. */
enum stage { NOT_FINISHED, FINISHED, NOTED };

static int commit_finished(iotkit_file_t *const *files, const uint64_t *sizes, size_t count,
                           enum stage *stage, char *detail) {
  struct ik_place places[IOTKIT_FILES_MAX];
  struct ik_osfile *note = NULL;
  struct ik_osdir *directory = NULL;
  struct ik_buf bytes;
  char *path = ik_file_name(files[0]->directory, "/" IK_COMMIT_NAME);
  for (size_t i = 0; i < count; i++)
    places[i] = place_for(files[i], sizes[i]);
  ik_buf_init(&bytes, IK_COMMIT_NOTE_MAX);
  int rc = path ? put_note(files, sizes, count, &bytes, detail) : IK_ENO_MEMORY;
  if (rc == 0) rc = ik_place_check_space(places, count, files[0]->directory, detail);
  if (rc == 0) rc = ik_osdir_open(files[0]->directory, &directory, detail);
  if (rc == 0) rc = write_note(path, directory, &bytes, &note, detail);
  if (rc == 0) {
    *stage = NOTED;
    rc = place_all(files, places, count, directory, path, detail);
  }
  ik_osfile_close(note);
  ik_osdir_close(directory);
  ik_buf_free(&bytes);
  free(path);
  return rc;
}

static int commit_all(iotkit_file_t *const *files, const uint64_t *sizes, size_t count,
                      enum stage *stage, char *detail) {
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = finish(files[i], sizes[i], detail);
  if (rc < 0) return rc;
  *stage = FINISHED;
  return commit_finished(files, sizes, count, stage, detail);
}

int iotkit_file_commit_all(iotkit_file_t *const *files, const uint64_t *sizes, size_t count,
                           char *detail) {
  enum stage stage = NOT_FINISHED;
  if (!files || !sizes || count == 0 || count > IOTKIT_FILES_MAX) return IK_EINVALID_ARGUMENT;
  for (size_t i = 0; i < count; i++) {
    if (!files[i]) return IK_EINVALID_ARGUMENT;
  }
  ik_detail(detail, "%s", "");
  int rc = ik_file_check_set(files, count, detail);
  if (rc == 0) rc = commit_all(files, sizes, count, &stage, detail);
  for (size_t i = 0; i < count; i++) {
    if (rc < 0 && stage != NOTED)
      end_failed(files[i], stage == FINISHED, rc);
    else
      ik_file_free(files[i]); /* after the note the parts are no longer ours to remove */
  }
  return rc;
}
