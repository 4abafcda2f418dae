/*
 * calls.h - the rows of calls.def as constants.
 *
 * The linker makes them fail (--wrap): where the library calls one of these, inject.c is called, and
 * calls the real one or fails in its stead. So a fault strikes the library alone and not libc, OpenSSL
 * or cmocka, and what a sanitizer has put over a call stays. Preloading would strike them all, and
 * goes round the sanitizers.
 */
#ifndef TEST_FAULTS_CALLS_H
#define TEST_FAULTS_CALLS_H

#include <errno.h>

/* Like errors: less than was asked for is done; nothing is done, as at the end of a file. */
#define SHORT 10001
#define NOTHING 10002

/* Of a group: what saves an image, what connects, what allocates. free() never fails. */
enum fault_group { FILES = 1, SOCKETS = 2, BOTH = 3, MEMORY = 4 };

enum fault_call {
#define X(name, group, ...) CALL_##name,
#include "faults/calls.def"
#undef X
  CALLS
};

#endif
