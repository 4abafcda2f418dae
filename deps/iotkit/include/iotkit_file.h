/**
 * @file
 * iotkit_file.h - an image file that appears whole under its name or not at all.
 *
 * Bytes go to `<path>.part` in the same directory; commit syncs, renames and syncs the directory.
 * One writer at a time per path, across processes (an advisory lock on the part). Thread: one at a
 * time per file.
 */
#ifndef IOTKIT_FILE_H
#define IOTKIT_FILE_H

#include "iotkit_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/** An open part with its lock; iotkit_file_commit() and iotkit_file_discard() free it. */
typedef struct iotkit_file iotkit_file_t;

/** Of iotkit_file_open(), where NULL means all defaults. */
struct iotkit_file_options {
  uint64_t size; /**< announced bytes: free space is checked for them first; 0: unknown */
  /** of a new file; 0: 0644 less umask; an existing target's mode and owner are kept */
  uint32_t mode;
};

/**
 * Opens (creates, empties) the part. Errors: IK_EFILE_NOT_FOUND, IK_EFILE_ACCESS, IK_ENO_SPACE,
 * IK_EFILE_LOCKED, IK_EFILE, IK_EINVALID_ARGUMENT (path empty, too long, a directory, or with a
 * NUL); `detail` (may be NULL) names path and reason.
 */
IOTKIT_API int iotkit_file_open(const char *path, const struct iotkit_file_options *options,
                                iotkit_file_t **out, char *detail);
/** Writes all of `data` at `offset`. IK_ENO_SPACE, IK_EFILE. `detail` may be NULL. */
IOTKIT_API int iotkit_file_write(iotkit_file_t *file, uint64_t offset, const void *data, size_t len,
                                 char *detail);
/**
 * Cuts at `size`, syncs, renames over the final name, syncs the directory, frees. On error the part
 * is removed; freed as well. IK_ESIZE_MISMATCH: fewer bytes were written; never padded.
 */
IOTKIT_API int iotkit_file_commit(iotkit_file_t *file, uint64_t size, char *detail);
/** Closes, removes the part and frees. NULL is allowed. */
IOTKIT_API void iotkit_file_discard(iotkit_file_t *file);

#ifdef __cplusplus
}
#endif
#endif
