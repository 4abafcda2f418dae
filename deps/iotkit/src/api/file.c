/*
 * file.c - an image file that appears whole under its name or not at all, or a target in place.
 *
 * The part is created, locked, then looked at or emptied, in this order: emptying first would
 * destroy the work of whoever holds the lock. It keeps its lock until it is renamed, removed or
 * kept; the journal is touched by the holder alone. iotkit_file_t is owned by the caller between
 * open and commit, keep or discard, which free it.
 */
#include "api/file.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

#define DEFAULT_MODE 0644
#define OWN_MODE 0600u /* what we need of the part ourselves, to go on with it after a restart */
#define FLUSH_BYTES (4 * IK_MIB)

typedef unsigned long long ull;

/* ---- paths ---- */

static int check_text(const char *path, char *detail) {
  struct ik_str text = ik_str(path);
  if (text.len == 0) {
    ik_detail(detail, "path is empty");
    return IK_EINVALID_ARGUMENT;
  }
  if (text.len + sizeof IK_JOURNAL_SUFFIX > IK_PATH_MAX) {
    ik_detail(detail, "path of %zu bytes is too long", text.len);
    return IK_EINVALID_ARGUMENT;
  }
  if (path[text.len - 1] == '/') {
    ik_detail(detail, "%s: is a directory", path);
    return IK_EINVALID_ARGUMENT;
  }
  return 0;
}

static int check_target(const char *path, bool in_place, char *detail) {
  struct ik_path_info info;
  int rc = ik_path_info(path, &info, detail);
  if (rc < 0) return rc;
  if (!info.exists && in_place) {
    ik_detail(detail, "%s: does not exist", path);
    return IK_EFILE_NOT_FOUND;
  }
  if (!info.exists || info.is_regular || (info.is_block_device && in_place)) return 0;
  ik_detail(detail, "%s: is %s", path,
            info.is_directory      ? "a directory"
            : info.is_block_device ? "a block device, which is written in place alone"
                                   : "no regular file");
  return IK_EINVALID_ARGUMENT;
}

static char *parent_of(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return ik_str_dup(IK_STR("."));
  return ik_str_dup((struct ik_str){path, slash == path ? 1 : (size_t)(slash - path)});
}

char *ik_file_name(const char *path, const char *suffix) {
  struct ik_buf text;
  char *name = NULL;
  ik_buf_init(&text, IK_PATH_MAX);
  if (ik_buf_printf(&text, "%s%s", path, suffix) == 0) {
    name = ik_str_dup((struct ik_str){(const char *)ik_buf_ptr(&text), ik_buf_size(&text)});
  }
  ik_buf_free(&text);
  return name;
}

/* ---- life ---- */

void ik_file_free(struct iotkit_file *file) {
  ik_osfile_close(file->journal);
  ik_osfile_close(file->os);
  free(file->records);
  free(file->journal_path);
  free(file->path);
  free(file->part);
  free(file->directory);
  free(file);
}

/* Only what is ours: somebody may have put another file in its place. */
void ik_file_remove(struct iotkit_file *file) {
  if (!file->in_place && ik_osfile_is_at(file->os, file->part)) ik_path_remove(file->part);
  if (file->journal && ik_osfile_is_at(file->journal, file->journal_path))
    ik_path_remove(file->journal_path);
}

static struct iotkit_file *new_file(const char *path, const struct iotkit_file_options *options) {
  struct iotkit_file *file = calloc(1, sizeof *file);
  if (!file) return NULL;
  file->in_place = options->in_place;
  file->mode = options->mode ? options->mode : DEFAULT_MODE;
  file->base = options->in_place ? options->base : 0;
  file->size = options->size;
  file->limit = INT64_MAX;
  atomic_init(&file->end, 0);
  file->key = (struct ik_journal_key){
      .method = options->digest_method, .size = options->size, .base = file->base};
  size_t digest_len = options->digest_method == IOTKIT_DIGEST_MD5 ? 16 : IOTKIT_DIGEST_MAX;
  memcpy(file->key.digest, options->digest, digest_len);
  if (!ik_journal_key_valid(&file->key)) file->key = (struct ik_journal_key){0};
  file->path = ik_str_dup(ik_str(path));
  file->part = ik_file_name(path, IK_PART_SUFFIX);
  file->directory = parent_of(path);
  file->journal_path = options->journal ? ik_str_dup(ik_str(options->journal))
                                        : ik_file_name(path, IK_JOURNAL_SUFFIX);
  if (file->path && file->part && file->directory && file->journal_path) return file;
  ik_file_free(file);
  return NULL;
}

/* ---- space ---- */

/* What is there already is not asked for again; holes count as not there. */
static int check_space(const struct iotkit_file *file, char *detail) {
  uint64_t available;
  uint64_t have = ik_osfile_allocated(file->os);
  uint64_t missing = file->size > have ? file->size - have : 0;
  int rc = ik_path_free_space(file->directory, &available);
  if (rc < 0) return 0; /* a file system that cannot say so may still have it */
  if (available >= missing) return 0;
  ik_detail(detail, "%s: %llu bytes needed, %llu free", file->directory, (ull)missing,
            (ull)available);
  return IK_ENO_SPACE;
}

/* So that a disk that is too small, or filled by others meanwhile, ends nothing at 99 %. */
static int provide_space(struct iotkit_file *file, char *detail) {
  if (file->size == 0) return 0;
  int rc = file->in_place ? 0 : check_space(file, detail);
  if (rc == 0) rc = ik_osfile_reserve(file->os, file->base, file->size, detail);
  return rc == IK_EUNSUPPORTED ? 0 : rc;
}

/* What is reserved behind its end goes back. */
static void give_space_back(struct iotkit_file *file) {
  uint64_t there;
  if (ik_osfile_size(file->os, &there, NULL) == 0) ik_osfile_truncate(file->os, there, NULL);
}

/* ---- open ---- */

static int open_part(struct iotkit_file *file, bool journal_given, char *detail) {
  uint64_t there = 0;
  int flags = IK_OSFILE_READ | IK_OSFILE_WRITE | IK_OSFILE_CREATE | IK_OSFILE_LOCK;
  int rc = ik_osfile_open(file->part, flags, file->mode | OWN_MODE, &file->os, detail);
  if (rc < 0) return rc;
  if (file->key.method != IOTKIT_DIGEST_NONE)
    rc = ik_file_journal_open(file, journal_given, detail);
  else if (!journal_given)
    ik_path_remove(file->journal_path); /* of an earlier download, whose part is emptied now */
  if (rc == 0 && file->record_count == 0) rc = ik_osfile_truncate(file->os, 0, detail);
  if (rc == 0) rc = provide_space(file, detail);
  if (rc == 0) return 0;
  /* What can be resumed later stays. */
  if (ik_osfile_size(file->os, &there, NULL) == 0 && there == 0)
    ik_file_remove(file);
  else
    give_space_back(file);
  return rc;
}

static int open_target(struct iotkit_file *file, bool journal_given, char *detail) {
  uint64_t room = 0;
  int flags = IK_OSFILE_READ | IK_OSFILE_WRITE | IK_OSFILE_LOCK | IK_OSFILE_EXCLUSIVE;
  int rc = ik_osfile_open(file->path, flags, 0, &file->os, detail);
  if (rc == 0) rc = ik_osfile_size(file->os, &room, detail);
  if (rc < 0) return rc;
  if (file->base > room || file->size > room - file->base) {
    ik_detail(detail, "%s: %llu bytes needed at %llu, it has %llu in all", file->path,
              (ull)file->size, (ull)file->base, (ull)room);
    return IK_ENO_SPACE;
  }
  file->limit = file->size > 0 ? file->size : room - file->base;
  rc = provide_space(file, detail); /* where an image of a device has holes */
  if (rc < 0 || !journal_given || file->key.method == IOTKIT_DIGEST_NONE) return rc;
  return ik_file_journal_open(file, true, detail);
}

/* A commit of several files that a crash interrupted comes first: it has the older rights. */
static int prepare_directory(const struct iotkit_file *file, bool make, char *detail) {
  int rc = make ? ik_path_make_directory(file->directory, 0777, detail) : 0;
  if (rc == 0) rc = iotkit_file_recover(file->directory, detail);
  return rc < 0 && rc != IK_EFILE_LOCKED ? rc : 0; /* locked: it is no crash, it is being done */
}

int iotkit_file_open(const char *path, const struct iotkit_file_options *options,
                     iotkit_file_t **out, char *detail) {
  static const struct iotkit_file_options none;
  if (!out) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  if (!options) options = &none;
  int rc = check_text(path, detail);
  if (rc == 0 && options->journal) rc = check_text(options->journal, detail);
  if (rc == 0) rc = check_target(path, options->in_place, detail);
  if (rc < 0) return rc;
  struct iotkit_file *file = new_file(path, options);
  if (!file) return IK_ENO_MEMORY;
  bool journal_given = options->journal != NULL;
  if (file->in_place) {
    rc = open_target(file, journal_given, detail);
  } else {
    rc = prepare_directory(file, options->make_directory, detail);
    if (rc == 0) rc = open_part(file, journal_given, detail);
  }
  if (rc < 0) {
    ik_file_free(file);
    return rc;
  }
  *out = file;
  return 0;
}

/* ---- write ---- */

/*
 * The lock keeps out our own kind alone. What another program has cut and what would be written
 * behind the cut makes a hole that reads as zeros, so the cut is looked for before each write. What
 * it writes over is not seen: who may do that may as well write into the image when it is there.
 */
int ik_file_untouched(struct iotkit_file *file, char *detail) {
  uint64_t there;
  int rc = ik_osfile_size(file->os, &there, detail);
  if (rc < 0 || there >= file->base + atomic_load(&file->end)) return rc;
  ik_detail(detail, "%s was changed by another program", file->in_place ? file->path : file->part);
  return IK_EFILE;
}

static int check_limit(const struct iotkit_file *file, uint64_t end, char *detail) {
  if (end <= file->limit) return 0;
  ik_detail(detail, "%s: %llu bytes at %llu are more than %s", file->path, (ull)end,
            (ull)file->base, file->size > 0 ? "announced" : "it has");
  return file->size > 0 ? IK_EINVALID_ARGUMENT : IK_ENO_SPACE;
}

int iotkit_file_write(iotkit_file_t *file, uint64_t offset, const void *data, size_t len,
                      char *detail) {
  if (!file || (!data && len > 0) || offset > INT64_MAX || len > INT64_MAX - offset) {
    ik_detail(detail, "no file, no data or an offset out of range");
    return IK_EINVALID_ARGUMENT;
  }
  if (len == 0) return 0;
  uint64_t end = offset + len;
  int rc = check_limit(file, end, detail);
  if (rc == 0) rc = ik_file_untouched(file, detail);
  if (rc == 0) rc = ik_osfile_write(file->os, file->base + offset, data, len, detail);
  if (rc < 0) return rc;
  if (end > atomic_load(&file->end)) atomic_store(&file->end, end);
  /* Begun now and not by the kernel some day, so that a power cut costs little. */
  if (end >= file->flushing + FLUSH_BYTES) {
    ik_osfile_start_writeback(file->os, file->base + file->flushing, end - file->flushing);
    file->flushing = end;
  }
  return 0;
}

int iotkit_file_rewind(iotkit_file_t *file, char *detail) {
  if (!file) return IK_EINVALID_ARGUMENT;
  ik_file_journal_reset(file);
  atomic_store(&file->end, 0);
  file->flushing = 0;
  if (file->in_place) return 0;
  int rc = ik_osfile_truncate(file->os, 0, detail);
  return rc == 0 ? provide_space(file, detail) : rc;
}

/* ---- the end without a commit ---- */

void iotkit_file_discard(iotkit_file_t *file) {
  if (!file) return;
  ik_file_remove(file);
  ik_file_free(file);
}

/* Space that was reserved, and bytes that nothing proves, go back. */
static void shrink(struct iotkit_file *file) {
  uint64_t there;
  uint64_t proven = file->records[file->record_count - 1].offset;
  if (ik_osfile_size(file->os, &there, NULL) != 0) return;
  ik_osfile_truncate(file->os, there < proven ? there : proven, NULL);
  ik_osfile_start_writeback(file->os, 0, proven);
}

void iotkit_file_keep(iotkit_file_t *file, iotkit_job_t *job) {
  if (!file) return;
  if (file->journal && job) ik_file_journal_add(file, job);
  bool gone = !file->in_place && !ik_osfile_is_at(file->os, file->part);
  if (!file->journal || file->record_count == 0 || gone) {
    iotkit_file_discard(file);
    return;
  }
  if (!file->in_place) shrink(file);
  ik_osfile_start_writeback(file->journal, 0, IK_JOURNAL_MAX);
  ik_file_free(file);
}
