/*
 * file.c - an image file that appears whole under its name or not at all, or a target in place.
 *
 * The part is created, locked, then looked at or emptied, in this order: emptying first would
 * destroy the work of whoever holds the lock. It keeps its lock until it is renamed, removed or
 * kept; the journal is touched by the holder alone. iotkit_file_t is owned by the caller between
 * open and commit, keep or discard, which free it.
 */
#include "image/file.h"

#include <stdlib.h>
#include <string.h>

#include "base/beside.h"
#include "base/limits.h"
#include "base/sized.h"
#include "image/names.h"

#define DEFAULT_MODE 0644
#define DIRECTORY_MODE 0755 /* less umask; never one that all may write to */
#define RESERVE_OF_DISK 64  /* what is left free without a max_size: 1/64 of the file system, */
#define RESERVE_MAX (16 * IK_MIB) /* and at most this */
#define FLUSH_BYTES (4 * IK_MIB)

typedef unsigned long long ull;

/* ---- paths ---- */

static int check_text(const char *path, char *detail) {
  struct ik_str text = ik_str(path);
  if (text.len == 0) return ik_refuse(detail, IK_EINVALID_ARGUMENT, "path is empty");
  if (text.len + sizeof IK_JOURNAL_SUFFIX > IK_PATH_MAX) {
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "path of %zu bytes is too long", text.len);
  }
  if (path[text.len - 1] == '/') {
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "%s: is a directory", path);
  }
  return 0;
}

static int refuse_kind(const char *path, const struct ik_path_info *info, char *detail) {
  return ik_refuse(detail, IK_EINVALID_ARGUMENT, "%s: is %s", path,
                   info->is_directory      ? "a directory"
                   : info->is_block_device ? "a block device, which is written in place alone"
                                           : "no regular file");
}

/* What can be known is refused before the first byte. */
static int check_target(const char *path, bool in_place, char *detail) {
  struct ik_path_info info;
  int rc = ik_path_info(path, &info, detail);
  if (rc < 0) return rc;
  if (!info.exists) {
    return in_place ? ik_refuse(detail, IK_EFILE_NOT_FOUND, "%s: does not exist", path) : 0;
  }
  if (!info.is_regular && !info.is_link && !(info.is_block_device && in_place))
    return refuse_kind(path, &info, detail);
  return in_place ? ik_path_check_in_place(path, detail) : ik_path_check_replaceable(path, detail);
}

static int check_journal(const char *path, char *detail) {
  struct ik_path_info info;
  int rc = check_text(path, detail);
  if (rc == 0) rc = ik_path_info(path, &info, detail);
  if (rc < 0 || !info.exists || info.is_regular || info.is_link) return rc;
  return refuse_kind(path, &info, detail);
}

/* The name of the part, NULL: it has none. */
static const char *part_of(const struct iotkit_file *file) {
  return file->in_place ? NULL : file->part;
}

static const char *journal_of(const struct iotkit_file *file) {
  return file->in_place && !file->journal_given ? NULL : file->journal.path;
}

static int check_apart(const char *what, const char *other, char *detail) {
  if (!what || !other || !ik_path_is_same(what, other)) return 0;
  return ik_refuse(detail, IK_EINVALID_ARGUMENT, "%s is in the way of %s: both are one file", what,
                   other);
}

/* A journal that is given may be anywhere; it must not be what is written beside it. */
static int check_own_names(const struct iotkit_file *file, char *detail) {
  int rc = check_apart(journal_of(file), file->path, detail);
  return rc == 0 ? check_apart(journal_of(file), part_of(file), detail) : rc;
}

int ik_file_check_apart(const struct iotkit_file *a, const struct iotkit_file *b, char *detail) {
  int rc = check_apart(journal_of(a), b->path, detail);
  if (rc == 0) rc = check_apart(journal_of(a), part_of(b), detail);
  if (rc == 0) rc = check_apart(part_of(a), b->path, detail);
  if (rc == 0) rc = check_apart(journal_of(b), a->path, detail);
  if (rc == 0) rc = check_apart(journal_of(b), part_of(a), detail);
  return rc == 0 ? check_apart(part_of(b), a->path, detail) : rc;
}

/* ---- life ---- */

void ik_file_free(struct iotkit_file *file) {
  ik_file_journal_free(&file->journal);
  ik_osfile_close(file->os);
  ik_osfile_close(file->linked);
  free(file->path);
  free(file->part);
  free(file->link);
  free(file->directory);
  free(file);
}

void ik_file_unlink(struct iotkit_file *file) {
  if (!file->linked) return;
  if (ik_osfile_is_at(file->linked, file->link)) ik_path_remove(file->link);
  ik_osfile_close(file->linked);
  file->linked = NULL;
}

/* Only what is ours: somebody may have put another file in its place. */
void ik_file_remove(struct iotkit_file *file) {
  ik_file_unlink(file);
  if (!file->in_place && ik_osfile_is_at(file->os, file->part)) ik_path_remove(file->part);
  ik_file_journal_remove(&file->journal);
}

static struct ik_journal_key key_of(const struct iotkit_file_options *options, uint64_t base) {
  struct ik_journal_key key = {
      .method = options->digest_method, .size = options->size, .base = base};
  size_t digest_len = options->digest_method == IOTKIT_DIGEST_MD5 ? 16 : IOTKIT_DIGEST_MAX;
  memcpy(key.digest, options->digest, digest_len);
  return ik_journal_key_valid(&key) ? key : (struct ik_journal_key){0};
}

static struct iotkit_file *new_file(const char *path, const struct iotkit_file_options *options) {
  struct iotkit_file *file = calloc(1, sizeof *file);
  if (!file) return NULL;
  file->in_place = options->in_place;
  file->journal_given = options->journal != NULL;
  file->mode = options->mode ? options->mode : DEFAULT_MODE;
  file->base = options->in_place ? options->base : 0;
  file->size = options->size;
  file->max_size = options->max_size;
  file->defers_space = options->defers_space && !options->in_place;
  file->limit = options->max_size && !options->size ? options->max_size : INT64_MAX;
  atomic_init(&file->end, 0);
  file->journal.key = key_of(options, file->base);
  file->path = ik_str_dup(ik_str(path));
  file->part = ik_file_name(path, IK_PART_SUFFIX);
  file->link = ik_file_name(path, IK_LINK_SUFFIX);
  file->directory = ik_file_directory(path);
  file->journal.path = options->journal ? ik_str_dup(ik_str(options->journal))
                                        : ik_file_name(path, IK_JOURNAL_SUFFIX);
  if (file->path && file->part && file->link && file->directory && file->journal.path) return file;
  ik_file_free(file);
  return NULL;
}

/* ---- space ---- */

static int refuse_space(const struct iotkit_file *file, uint64_t missing, uint64_t available,
                        uint64_t reserve, char *detail) {
  return ik_refuse(detail, IK_ENO_SPACE,
                   "%s: %llu bytes needed, %llu free, of which %llu stay free", file->directory,
                   (ull)missing, (ull)available, (ull)reserve);
}

/* What the others of the disk keep, so that a notice does not fill it; none where the user says how
 * large an image may be. */
static uint64_t reserve_of(const struct iotkit_file *file) {
  uint64_t total;
  if (file->max_size > 0 || ik_path_total_space(file->directory, &total) < 0) return 0;
  return total / RESERVE_OF_DISK < RESERVE_MAX ? total / RESERVE_OF_DISK : RESERVE_MAX;
}

/* What is there already is not asked for again; holes count as not there. */
static uint64_t missing_of(const struct iotkit_file *file) {
  uint64_t have = ik_osfile_allocated(file->os);
  return file->size > have ? file->size - have : 0;
}

static int check_space(const struct iotkit_file *file, char *detail) {
  uint64_t available;
  uint64_t missing = missing_of(file), reserve = reserve_of(file);
  int rc = ik_path_free_space(file->directory, &available);
  if (rc < 0) return 0; /* a file system that cannot say so may still have it */
  if (available >= missing && available - missing >= reserve) return 0;
  return refuse_space(file, missing, available, reserve, detail);
}

static int check_size(const struct iotkit_file *file, char *detail) {
  if (file->max_size == 0 || file->size <= file->max_size) return 0;
  return ik_refuse(detail, IK_ENO_SPACE, "%s: %llu bytes needed, and max_size is %llu", file->path,
                   (ull)file->size, (ull)file->max_size);
}

/*
 * So that a disk that is too small, or filled by others meanwhile, ends nothing at 99 %. Of a part
 * that is not committed what is not proven goes back: see shrink().
 */
static int provide_space(struct iotkit_file *file, char *detail) {
  uint64_t available = 0;
  if (file->size == 0 || file->defers_space) return 0;
  int rc = file->in_place ? 0 : check_space(file, detail);
  if (rc == 0) rc = ik_osfile_reserve(file->os, file->base, file->size, detail);
  if (rc == IK_ENO_SPACE && ik_path_free_space(file->directory, &available) == 0 && !file->in_place)
    rc = refuse_space(file, missing_of(file), available, reserve_of(file), detail);
  return rc == IK_EUNSUPPORTED ? 0 : rc;
}

/* What open has left for later. */
static int provide_deferred(struct iotkit_file *file, char *detail) {
  if (!file->defers_space) return 0;
  file->defers_space = false;
  return provide_space(file, detail);
}

/* Space reserved after its end goes back. */
static void give_space_back(struct iotkit_file *file) {
  uint64_t there;
  if (ik_osfile_size(file->os, &there, NULL) == 0) ik_osfile_truncate(file->os, there, NULL);
}

/* ---- open ---- */

static int open_part(struct iotkit_file *file, char *detail) {
  uint64_t there = 0;
  int rc = ik_osfile_open_own(file->part, IK_OSFILE_CREATE, &file->os, detail);
  if (rc < 0) return rc;
  (void)ik_path_remove(file->link); /* of a run that was interrupted */
  if (file->journal.key.method != IOTKIT_DIGEST_NONE)
    rc = ik_file_journal_open(&file->journal, file->journal_given, detail);
  else if (!file->journal_given)
    ik_path_remove(file->journal.path); /* of an earlier download, whose part is emptied now */
  if (rc == 0 && file->journal.count == 0) rc = ik_osfile_truncate(file->os, 0, detail);
  if (rc == 0) rc = provide_space(file, detail);
  if (rc == 0) return 0;
  /* What can be resumed later stays. */
  bool of_use = file->journal.key.method != IOTKIT_DIGEST_NONE &&
                (ik_osfile_size(file->os, &there, NULL) != 0 || there > 0);
  if (!of_use)
    ik_file_remove(file);
  else
    give_space_back(file);
  return rc;
}

static int open_in_place(struct iotkit_file *file, char *detail) {
  int flags = IK_OSFILE_READ | IK_OSFILE_WRITE | IK_OSFILE_LOCK | IK_OSFILE_EXCLUSIVE;
  int rc = ik_osfile_open(file->path, flags, 0, &file->os, detail);
  if (rc == 0) rc = ik_path_check_in_place(file->path, detail);
  if (rc == 0) rc = ik_osfile_at(file->os, file->path, detail);
  if (rc != 0) return rc < 0 ? rc : 0;
  return ik_refuse(detail, IK_EFILE, "%s was replaced by another program", file->path);
}

static int open_target(struct iotkit_file *file, char *detail) {
  uint64_t room = 0;
  int rc = open_in_place(file, detail);
  if (rc == 0) rc = ik_osfile_size(file->os, &room, detail);
  if (rc < 0) return rc;
  if (file->base > room || file->size > room - file->base) {
    return ik_refuse(detail, IK_ENO_SPACE, "%s: %llu bytes needed at %llu, it has %llu in all",
                     file->path, (ull)file->size, (ull)file->base, (ull)room);
  }
  uint64_t left = room - file->base;
  file->limit = file->size > 0 ? file->size : left < file->limit ? left : file->limit;
  rc = provide_space(file, detail); /* where an image of a device has holes */
  if (rc < 0 || !file->journal_given || file->journal.key.method == IOTKIT_DIGEST_NONE) return rc;
  return ik_file_journal_open(&file->journal, true, detail);
}

/* A commit of several files that a crash interrupted comes first: it has the older rights. */
static int prepare_directory(const struct iotkit_file *file, bool make, char *detail) {
  int rc = make ? ik_path_make_directory(file->directory, DIRECTORY_MODE, detail) : 0;
  if (rc == 0) rc = iotkit_file_recover(file->directory, detail);
  return rc < 0 && rc != IK_EFILE_LOCKED ? rc : 0; /* locked: it is no crash, it is being done */
}

static int check_names(const struct iotkit_file *file, iotkit_file_t *const *others, size_t count,
                       char *detail) {
  int rc = check_own_names(file, detail);
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = ik_file_check_apart(file, others[i], detail);
  return rc == 0 ? check_size(file, detail) : rc;
}

static int open_file(struct iotkit_file *file, bool make_directory, char *detail) {
  if (file->in_place) return open_target(file, detail);
  int rc = prepare_directory(file, make_directory, detail);
  return rc == 0 ? open_part(file, detail) : rc;
}

/* `path` is where the user's path leads to. */
static int open_at(const char *path, const struct iotkit_file_options *options,
                   iotkit_file_t *const *others, size_t count, iotkit_file_t **out, char *detail) {
  int rc = check_text(path, detail);
  if (rc == 0 && options->journal) rc = check_journal(options->journal, detail);
  if (rc == 0) rc = check_target(path, options->in_place, detail);
  if (rc < 0) return rc;
  struct iotkit_file *file = new_file(path, options);
  if (!file) return IK_ENO_MEMORY;
  rc = check_names(file, others, count, detail);
  if (rc == 0) rc = open_file(file, options->make_directory, detail);
  if (rc < 0)
    ik_file_free(file);
  else
    *out = file;
  return rc;
}

int ik_file_open(const char *path, const struct iotkit_file_options *options,
                 iotkit_file_t *const *others, size_t count, iotkit_file_t **out, char *detail) {
  struct iotkit_file_options own = {0};
  char *target = NULL;
  if (!out) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  int rc = options ? IK_SIZED_READ(&own, options, detail) : 0;
  if (rc == 0) rc = ik_sized_check_reserved(own.reserved, sizeof own.reserved, detail);
  if (rc == 0) rc = check_text(path, detail);
  if (rc == 0) rc = ik_path_resolve(path, &target, detail);
  if (rc != 0) return rc;
  rc = open_at(target, &own, others, count, out, detail);
  free(target);
  return rc;
}

int iotkit_file_open(const char *path, const struct iotkit_file_options *options,
                     iotkit_file_t **out, char *detail) {
  return ik_file_open(path, options, NULL, 0, out, detail);
}

/* ---- write ---- */

/*
 * The lock keeps out our own kind alone. Where another program has truncated the file, the next
 * write would leave a hole that reads as zeros, so each write first looks at the size. Bytes that
 * it overwrites are not noticed: who may do that may as well write into the finished image.
 */
int ik_file_untouched(struct iotkit_file *file, char *detail) {
  uint64_t there;
  int rc = ik_osfile_size(file->os, &there, detail);
  if (rc < 0 || there >= file->base + atomic_load(&file->end)) return rc;
  return ik_refuse(detail, IK_EFILE, "%s was changed by another program",
                   file->in_place ? file->path : file->part);
}

static int check_limit(const struct iotkit_file *file, uint64_t end, char *detail) {
  if (end <= file->limit) return 0;
  ik_detail(detail, "%s: %llu bytes at %llu are more than %s", file->path, (ull)end,
            (ull)file->base,
            file->size > 0                               ? "announced"
            : end > file->max_size && file->max_size > 0 ? "max_size"
                                                         : "it has");
  return file->size > 0 ? IK_EINVALID_ARGUMENT : IK_ENO_SPACE;
}

/* To what the system said: how much there is, and how much it takes. */
static void note_space(const struct iotkit_file *file, char *detail) {
  char text[IOTKIT_DETAIL_MAX];
  uint64_t available;
  if (!detail || ik_path_free_space(file->directory, &available) < 0) return;
  memcpy(text, detail, sizeof text);
  ik_detail(detail, "%s (%llu bytes needed, %llu free)", text, (ull)missing_of(file),
            (ull)available);
}

int iotkit_file_write(iotkit_file_t *file, uint64_t offset, const void *data, size_t len,
                      char *detail) {
  if (!file || (!data && len > 0) || offset > INT64_MAX || len > INT64_MAX - offset) {
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "no file, no data or an offset out of range");
  }
  if (len == 0) return 0;
  uint64_t end = offset + len;
  int rc = check_limit(file, end, detail);
  if (rc == 0) rc = provide_deferred(file, detail);
  if (rc == 0) rc = ik_file_untouched(file, detail);
  if (rc == 0) rc = ik_osfile_write(file->os, file->base + offset, data, len, detail);
  if (rc == IK_ENO_SPACE) note_space(file, detail);
  if (rc < 0) return rc;
  if (end > atomic_load(&file->end)) atomic_store(&file->end, end);
  /* Begun now and not by the kernel some day, so that a power cut costs little. */
  if (end >= file->flushing + FLUSH_BYTES) {
    ik_osfile_start_writeback(file->os, file->base + file->flushing, end - file->flushing);
    file->flushing = end;
  }
  return 0;
}

static void forget(struct iotkit_file *file) {
  ik_file_unlink(file);
  ik_file_journal_reset(&file->journal);
  atomic_store(&file->end, 0);
  file->flushing = 0;
}

int ik_file_empty(struct iotkit_file *file, char *detail) {
  forget(file);
  return ik_osfile_truncate(file->os, 0, detail);
}

int iotkit_file_rewind(iotkit_file_t *file, char *detail) {
  if (!file) return IK_EINVALID_ARGUMENT;
  file->defers_space = false;
  if (!file->in_place) {
    int rc = ik_file_empty(file, detail);
    return rc == 0 ? provide_space(file, detail) : rc;
  }
  forget(file);
  return 0;
}

/* FAT knows of no modes. */
int ik_file_set_rights(struct iotkit_file *file, char *detail) {
  int rc = ik_osfile_copy_owner(file->os, file->path);
  if (rc == IK_EFILE_NOT_FOUND || rc == IK_EINVALID_ARGUMENT || rc == IK_EFILE_ACCESS) {
    (void)ik_osfile_set_mode(file->os, file->mode);
    return 0;
  }
  if (rc < 0) ik_detail(detail, "cannot set the mode of %s", file->part);
  return rc;
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
  uint64_t proven = ik_file_journal_offset(&file->journal);
  if (ik_osfile_size(file->os, &there, NULL) != 0) return;
  ik_osfile_truncate(file->os, there < proven ? there : proven, NULL);
  ik_osfile_start_writeback(file->os, 0, proven);
}

void ik_file_release(struct iotkit_file *file) {
  bool gone = !file->in_place && ik_osfile_at(file->os, file->part, NULL) == 0;
  if (!ik_file_has_proof(file) || gone) {
    iotkit_file_discard(file);
    return;
  }
  if (!file->in_place) shrink(file);
  ik_osfile_start_writeback(file->journal.os, 0, IK_JOURNAL_MAX);
  ik_file_free(file);
}

/* ---- proof ---- */

bool ik_file_has_proof(const struct iotkit_file *file) {
  return file->journal.os && file->journal.count > 0;
}

int64_t ik_file_read(struct iotkit_file *file, uint64_t offset, void *data, size_t len) {
  return ik_osfile_read(file->os, file->base + offset, data, len, NULL);
}

void ik_file_continue_at(struct iotkit_file *file, uint64_t offset) {
  atomic_store(&file->end, offset);
  file->flushing = offset;
}

bool ik_file_checkpoint_due(const struct iotkit_file *file, uint64_t digested) {
  if (!file->journal.os) return false;
  uint64_t due = ik_file_journal_due(&file->journal);
  return digested >= due && atomic_load(&file->end) >= due;
}

void ik_file_checkpoint(struct iotkit_file *file, uint64_t offset, const uint8_t *digest,
                        size_t len) {
  if (offset <= atomic_load(&file->end)) ik_file_journal_add(&file->journal, offset, digest, len);
}
