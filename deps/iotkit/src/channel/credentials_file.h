/*
 * credentials_file.h - where the credentials of a device are kept between its starts. Of several
 * processes that start at once, one registers and the others wait for its file.
 */
#ifndef IK_CHANNEL_CREDENTIALS_FILE_H
#define IK_CHANNEL_CREDENTIALS_FILE_H

#include "iotkit_register.h"

struct ik_credentials_file;

/* For a path, which is copied; touches no file yet. NULL: out of memory. */
struct ik_credentials_file *ik_credentials_file_new(const char *path);
/* Gives up the right to register, if it is held. NULL is allowed. */
void ik_credentials_file_free(struct ik_credentials_file *file);
/*
 * What is kept for these names, in `out`: 1. 0: nothing is, and from now on this process alone may
 * register. IK_EFILE_LOCKED: another process is about to; ask again later. Else why neither goes:
 * IK_ECREDENTIALS_DAMAGED, IK_ECREDENTIALS_EXPOSED, IK_ECREDENTIALS_OTHER (it is for other names),
 * IK_EFILE…, with `detail`.
 */
int ik_credentials_file_open(struct ik_credentials_file *file,
                             const struct iotkit_credentials *names, struct iotkit_credentials *out,
                             char *detail);
/* Keeps them; after ik_credentials_file_open() gave 0. */
int ik_credentials_file_save(struct ik_credentials_file *file,
                             const struct iotkit_credentials *credentials, char *detail);

#endif
