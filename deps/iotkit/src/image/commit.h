/*
 * commit.h - what iotkit_file_commit_all() asks of its files, to be asked before the first byte.
 */
#ifndef IK_IMAGE_COMMIT_H
#define IK_IMAGE_COMMIT_H

#include "iotkit_file.h"

/*
 * Whether iotkit_file_commit_all() takes them, by their names. IK_EINVALID_ARGUMENT; IK_EFILE_ACCESS:
 * another user's commit note is in the way. With `detail`.
 */
int ik_file_check_set(iotkit_file_t *const *files, size_t count, char *detail);

#endif
