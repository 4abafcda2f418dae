/*
 * private_file.h - a small file that only this program's user may read, such as credentials. Like an
 * image it appears whole under its name or not at all: it is written as "<path>.part", which is
 * locked meanwhile, so that of several processes one makes the file and the others find it.
 */
#ifndef IK_IMAGE_PRIVATE_FILE_H
#define IK_IMAGE_PRIVATE_FILE_H

#include "base/buf.h"

/*
 * Appends what is in the file. IK_EFILE_NOT_FOUND; IK_ECREDENTIALS_EXPOSED: it is a symbolic link, no
 * regular file, another user's, or one that others may open; IK_ETOO_LONG: more than `out` takes;
 * IK_EFILE_LOCKED: another process is using it just now; IK_EFILE…, IK_ENO_MEMORY. `detail` names the
 * path and what would help.
 */
int ik_private_file_read(const char *path, struct ik_buf *out, char *detail);

/* The right to make the file; held until it is freed. */
struct ik_private_file;

/*
 * Makes "<path>.part" and sets space for `room` bytes aside, so that no full disk is met later.
 * IK_EFILE_LOCKED: another process has it.
 */
int ik_private_file_lock(const char *path, uint64_t room, struct ik_private_file **out,
                         char *detail);
/* Writes, syncs, renames, syncs the directory. Once. */
int ik_private_file_commit(struct ik_private_file *file, const void *data, size_t len,
                           char *detail);
/* Gives the right up; what was not committed is removed. NULL is allowed. */
void ik_private_file_free(struct ik_private_file *file);

#endif
