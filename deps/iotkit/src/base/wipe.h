/*
 * wipe.h - memory that held secrets is overwritten before it is given back: keys and passwords, and
 * URLs, whose query may be a signature.
 */
#ifndef IK_BASE_WIPE_H
#define IK_BASE_WIPE_H

#include <stddef.h>

/* Overwrites with zeros, in a way that the compiler keeps. `data` may be NULL if `len` is 0. */
void ik_wipe(void *data, size_t len);
/* Overwrites `len` bytes and frees the block. NULL is allowed. */
void ik_wipe_free(void *block, size_t len);

#endif
