/*
 * file_commit.c - the moment a part gets its final name, alone or with others.
 *
 * Of several files, what is to be renamed is on disk before the first rename: from there on the
 * commit only goes forward, by itself or by file_recover.c. Each part keeps its lock until it is
 * closed behind the last rename.
 */
#include <stdlib.h>
#include <string.h>

#include "api/file.h"
#include "base/limits.h"
#include "ota/commit_note.h"

typedef unsigned long long ull;

/* ---- one file, up to where the name changes hands ---- */

static int changed(const struct iotkit_file *file, char *detail) {
  ik_detail(detail, "%s was changed by another program", file->part);
  return IK_EFILE;
}

static int cut(struct iotkit_file *file, uint64_t size, char *detail) {
  uint64_t end = atomic_load(&file->end);
  uint64_t there;
  if (size > end) {
    ik_detail(detail, "%s: %llu bytes were written, not %llu",
              file->in_place ? file->path : file->part, (ull)end, (ull)size);
    return IK_ESIZE_MISMATCH;
  }
  int rc = ik_file_untouched(file, detail);
  if (rc < 0 || file->in_place) return rc;
  rc = ik_osfile_size(file->os, &there, detail);
  /* Also where it has that size: what was reserved behind it goes back. */
  return rc == 0 ? ik_osfile_truncate(file->os, size, detail) : rc;
}

/*
 * What another program has put in the part's place, or cut between two writes, was not verified and
 * must not get the final name. A hole is where a cut was, or zeros on a file system that does not
 * store them: the digest can tell.
 */
static int check_part(struct iotkit_file *file, uint64_t size, char *detail) {
  struct ik_path_info part = {0};
  uint64_t there;
  int rc = ik_osfile_size(file->os, &there, detail);
  if (rc == 0) rc = ik_path_info(file->part, &part, detail);
  if (rc < 0 || !part.exists) return rc; /* renaming nothing says it better */
  if (there != size || !ik_osfile_is_at(file->os, file->part)) return changed(file, detail);
  const struct ik_journal_key *key = &file->key;
  if (key->method == IOTKIT_DIGEST_NONE || key->size != size || !ik_osfile_has_hole(file->os, size))
    return 0;
  rc = ik_file_has_digest(file->os, 0, size, key->method, key->digest);
  return rc == 0 ? changed(file, detail) : rc < 0 ? rc : 0;
}

static int finish(struct iotkit_file *file, uint64_t size, char *detail) {
  struct ik_path_info target = {0};
  int rc = cut(file, size, detail);
  if (rc < 0) return rc;
  if (file->in_place) return ik_osfile_sync(file->os, detail);
  rc = ik_path_info(file->path, &target, detail);
  if (rc == 0 && target.is_regular) {
    rc = ik_osfile_copy_owner(file->os, file->path);
    if (rc < 0) ik_detail(detail, "cannot set the mode of %s", file->part);
  } else if (rc == 0) {
    /* It may be an older part with another mode, and has what we need; FAT knows of no modes. */
    (void)ik_osfile_limit_mode(file->os, file->mode);
  }
  if (rc == 0) rc = ik_osfile_sync(file->os, detail);
  return rc == 0 ? check_part(file, size, detail) : rc;
}

static void remove_journal(struct iotkit_file *file) {
  if (file->journal && ik_osfile_is_at(file->journal, file->journal_path))
    ik_path_remove(file->journal_path);
}

int iotkit_file_commit(iotkit_file_t *file, uint64_t size, char *detail) {
  if (!file) return IK_EINVALID_ARGUMENT;
  int rc = finish(file, size, detail);
  if (rc == 0 && !file->in_place) rc = ik_path_rename(file->part, file->path, detail);
  if (rc < 0) {
    ik_file_remove(file);
  } else {
    /* From here on the part's name is free again and may belong to another writer. */
    if (!file->in_place) rc = ik_path_sync_directory(file->directory, detail);
    remove_journal(file);
  }
  ik_file_free(file);
  return rc;
}

/* ---- several ---- */

static const char *name_of(const struct iotkit_file *file) {
  const char *slash = strrchr(file->path, '/');
  return slash ? slash + 1 : file->path;
}

static int refuse(const struct iotkit_file *file, const char *why, char *detail) {
  ik_detail(detail, "%s: %s", file->path, why);
  return IK_EINVALID_ARGUMENT;
}

/* A rename of one must not take what another needs. */
static bool clash(const struct iotkit_file *a, const struct iotkit_file *b) {
  return strcmp(a->path, b->path) == 0 || strcmp(a->path, b->part) == 0 ||
         strcmp(a->path, b->journal_path) == 0;
}

int ik_file_check_set(iotkit_file_t *const *files, size_t count, char *detail) {
  for (size_t i = 0; i < count; i++) {
    if (files[i]->in_place) return refuse(files[i], "is written in place", detail);
    if (!ik_commit_name_valid(ik_str(name_of(files[i]))))
      return refuse(files[i], "is no name for one of several files", detail);
    if (strcmp(files[i]->directory, files[0]->directory) != 0)
      return refuse(files[i], "is in another directory", detail);
    for (size_t k = 0; k < count; k++) {
      if (i != k && clash(files[i], files[k]))
        return refuse(files[i], "is in the way of another of the files", detail);
    }
  }
  return 0;
}

static int put_note(iotkit_file_t *const *files, const uint64_t *sizes, size_t count,
                    struct ik_buf *out) {
  struct ik_commit_file *rows = calloc(count, sizeof *rows);
  if (!rows) return IK_ENO_MEMORY;
  for (size_t i = 0; i < count; i++) {
    const char *name = name_of(files[i]);
    rows[i].size = sizes[i];
    memcpy(rows[i].name, name, strlen(name));
    if (files[i]->key.size != sizes[i]) continue; /* nor of method NONE */
    rows[i].method = files[i]->key.method;
    memcpy(rows[i].digest, files[i]->key.digest, sizeof rows[i].digest);
  }
  int rc = ik_commit_note_put(rows, count, out);
  free(rows);
  return rc;
}

/* Once it is there and whole, the commit goes forward alone. */
static int write_note(const char *path, const char *directory, const struct ik_buf *bytes,
                      struct ik_osfile **out, char *detail) {
  int flags = IK_OSFILE_WRITE | IK_OSFILE_CREATE | IK_OSFILE_LOCK | IK_OSFILE_TRUNCATE;
  int rc = ik_osfile_open(path, flags, 0600, out, detail);
  if (rc < 0) return rc;
  rc = ik_osfile_write(*out, 0, ik_buf_ptr(bytes), ik_buf_size(bytes), detail);
  if (rc == 0) rc = ik_osfile_sync(*out, detail);
  if (rc == 0) rc = ik_path_sync_directory(directory, detail);
  if (rc < 0) ik_path_remove(path);
  return rc;
}

static int rename_all(iotkit_file_t *const *files, size_t count, const char *note, char *detail) {
  for (size_t i = 0; i < count; i++) {
    int rc = ik_path_rename(files[i]->part, files[i]->path, detail);
    if (rc < 0) return rc;
  }
  int rc = ik_path_sync_directory(files[0]->directory, detail);
  if (rc < 0) return rc;
  for (size_t i = 0; i < count; i++)
    remove_journal(files[i]);
  ik_path_remove(note);
  return 0;
}

/* `noted` gets whether the note stood there, so that the parts are no longer ours to remove. */
static int commit_all(iotkit_file_t *const *files, const uint64_t *sizes, size_t count, bool *noted,
                      char *detail) {
  struct ik_osfile *note = NULL;
  struct ik_buf bytes;
  char *path = ik_file_name(files[0]->directory, "/" IK_COMMIT_NAME);
  ik_buf_init(&bytes, IK_COMMIT_NOTE_MAX);
  int rc = path ? put_note(files, sizes, count, &bytes) : IK_ENO_MEMORY;
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = finish(files[i], sizes[i], detail);
  if (rc == 0) rc = write_note(path, files[0]->directory, &bytes, &note, detail);
  if (rc == 0) {
    *noted = true;
    rc = rename_all(files, count, path, detail);
  }
  ik_osfile_close(note);
  ik_buf_free(&bytes);
  free(path);
  return rc;
}

int iotkit_file_commit_all(iotkit_file_t *const *files, const uint64_t *sizes, size_t count,
                           char *detail) {
  bool noted = false;
  if (!files || !sizes || count == 0 || count > IOTKIT_FILES_MAX) return IK_EINVALID_ARGUMENT;
  for (size_t i = 0; i < count; i++) {
    if (!files[i]) return IK_EINVALID_ARGUMENT;
  }
  int rc = ik_file_check_set(files, count, detail);
  if (rc == 0) rc = commit_all(files, sizes, count, &noted, detail);
  for (size_t i = 0; i < count; i++) {
    if (rc < 0 && !noted) ik_file_remove(files[i]);
    ik_file_free(files[i]);
  }
  return rc;
}
