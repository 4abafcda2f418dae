/* Tested by deps/iotkit/test/save/test_copy.c. */
/*
 * original.c - keeps a committed image file open, and makes others from it.
 *
 * Three ways, the cheapest first: the file system shares the bytes of both files; the system copies
 * them; they are read and written here. The first two say little about what went wrong, so that
 * whatever fails there is done in the next way, which tells the original's errors from the target's. A hard link is no
 * copy, and is made only where it was asked for.
 */
#include "image/original.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"

#define COPY_BYTES (16 * IK_MIB) /* between two looks at whether it shall stop */
#define READ_BYTES (256 * IK_KIB)

/* ---- life ---- */

/* Another descriptor by the part's name, because a copy of the part's own would hold its lock. */
static struct ik_osfile *open_again(struct iotkit_file *file) {
  struct ik_osfile *os = NULL;
  struct ik_osfile *held = file->linked ? file->linked : file->os;
  const char *name = file->linked ? file->link : file->part;
  if (file->in_place || ik_osfile_open(name, IK_OSFILE_READ, 0, &os, NULL) != 0) return NULL;
  if (ik_osfile_is_at(os, name) && ik_osfile_is_at(held, name)) return os;
  ik_osfile_close(os);
  return NULL;
}

static void destroy(struct iotkit_original *original) {
  ik_osfile_close(original->os);
  free(original->path);
  free(original);
}

struct iotkit_original *ik_original_open(struct iotkit_file *file,
                                         const struct ik_journal_key *key) {
  struct iotkit_original *original = calloc(1, sizeof *original);
  if (!original) return NULL;
  atomic_init(&original->refs, 1);
  original->key = *key;
  original->path = ik_str_dup(ik_str(file->path));
  original->os = original->path ? open_again(file) : NULL;
  if (original->os) {
    file->finished = &original->stamp;
    return original;
  }
  destroy(original);
  return NULL;
}

bool ik_original_is_settled(const struct iotkit_original *original) {
  return original->stamp.size == original->key.size;
}

bool ik_original_is_unchanged(const struct iotkit_original *original) {
  struct ik_file_stamp now;
  return ik_osfile_stamp(original->os, &now) == 0 && ik_file_stamp_equal(&now, &original->stamp);
}

iotkit_original_t *iotkit_original_ref(iotkit_original_t *original) {
  if (original) atomic_fetch_add(&original->refs, 1);
  return original;
}

void iotkit_original_unref(iotkit_original_t *original) {
  if (!original || atomic_fetch_sub(&original->refs, 1) != 1) return;
  destroy(original);
}

/* ---- linking ---- */

/* Whether the part, with what the target would get, has what the original has. */
static int compare_rights(struct iotkit_file *file, const struct iotkit_original *original,
                          char *detail) {
  int rc = ik_file_set_rights(file, detail);
  bool alike = ik_osfile_is_like(original->os, file->os);
  ik_osfile_make_private(file->os); /* it stays the lock */
  return rc == 0 && !alike ? IK_EUNSUPPORTED : rc;
}

static int give_name(struct iotkit_file *file, const struct iotkit_original *original) {
  int rc = ik_osfile_link(original->os, original->path, file->link);
  if (rc != 0) return rc;
  rc = ik_osfile_open(file->link, IK_OSFILE_READ, 0, &file->linked, NULL);
  if (rc == 0 && ik_osfile_is_at(original->os, file->link) &&
      ik_osfile_is_at(file->linked, file->link) && ik_original_is_unchanged(original))
    return 0;
  if (rc != 0) ik_path_remove(file->link);
  return IK_EUNSUPPORTED;
}

int ik_file_link(struct iotkit_file *file, const struct iotkit_original *original, char *detail) {
  if (file->in_place || !ik_original_is_unchanged(original)) return IK_EUNSUPPORTED;
  int rc = ik_file_empty(file, detail);
  if (rc == 0) rc = compare_rights(file, original, detail);
  if (rc == 0) rc = give_name(file, original);
  if (rc != 0) {
    ik_file_unlink(file);
    return rc;
  }
  file->linked_stamp = original->stamp;
  return 0;
}

/* ---- copying ---- */

struct copying {
  struct iotkit_file *file;
  const struct iotkit_original *original;
  uint64_t at;    /* bytes copied */
  uint8_t *block; /* READ_BYTES; NULL: the system copies */
  char *detail;
};

static size_t part_of(const struct copying *copying, size_t most) {
  uint64_t left = copying->original->key.size - copying->at;
  return left < most ? (size_t)left : most;
}

/* By the system, which cannot put an image elsewhere in a target in place. */
static int64_t copy_inside(struct copying *copying) {
  struct iotkit_file *file = copying->file;
  if (file->in_place || copying->block) return IK_EUNSUPPORTED;
  int64_t n = ik_osfile_copy(file->os, copying->original->os, copying->at,
                             part_of(copying, COPY_BYTES), copying->detail);
  if (n <= 0) return n;
  ik_osfile_start_writeback(file->os, copying->at, (uint64_t)n);
  ik_file_continue_at(file, copying->at + (uint64_t)n);
  return n;
}

static int64_t copy_by_hand(struct copying *copying) {
  size_t len = part_of(copying, READ_BYTES);
  if (!copying->block) copying->block = malloc(READ_BYTES);
  if (!copying->block) return IK_ENO_MEMORY;
  int64_t n = ik_osfile_read(copying->original->os, copying->at, copying->block, len, NULL);
  if (n <= 0) {
    return ik_refuse(copying->detail, IK_ECHANGED, "%s: what it is copied from is not whole",
                     copying->file->path);
  }
  int rc =
      iotkit_file_write(copying->file, copying->at, copying->block, (size_t)n, copying->detail);
  return rc == 0 ? n : rc;
}

/* The next bytes. Of the system 0 may mean the end, or that it cannot: reading tells which. */
static int64_t copy_some(struct copying *copying) {
  int64_t n = copy_inside(copying);
  return n == 0 || n == IK_EUNSUPPORTED ? copy_by_hand(copying) : n;
}

static int copy_all(struct copying *copying, bool (*stops)(void *ctx), void *ctx) {
  while (copying->at < copying->original->key.size) {
    if (stops(ctx)) return IK_EABORTED;
    int64_t n = copy_some(copying);
    if (n < 0) return (int)n;
    copying->at += (uint64_t)n;
  }
  return 0;
}

/* Not in place, where only the bytes at the image's place may change. */
static bool clone(struct iotkit_file *file, const struct iotkit_original *original) {
  struct ik_file_stamp stamp;
  if (file->in_place || ik_osfile_clone(file->os, original->os) != 0) return false;
  if (ik_osfile_stamp(file->os, &stamp) != 0 || stamp.size != original->key.size) return false;
  ik_file_continue_at(file, stamp.size);
  return true;
}

int ik_file_copy(struct iotkit_file *file, const struct iotkit_original *original,
                 bool (*stops)(void *ctx), void *ctx, enum ik_copied *how, char *detail) {
  struct copying copying = {.file = file, .original = original, .detail = detail};
  *how = IK_COPIED_SHARED;
  int rc = iotkit_file_rewind(file, detail);
  if (rc < 0 || clone(file, original)) return rc;
  *how = IK_COPIED_BYTES;
  rc = copy_all(&copying, stops, ctx);
  free(copying.block);
  return rc;
}
