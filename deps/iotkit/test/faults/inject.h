/*
 * inject.h - counts the calls of calls.h that the library makes, and makes one of them fail.
 *
 * Only the thread that began it, and those that the library starts from there, are struck: servers
 * and brokers of a test are not.
 */
#ifndef TEST_FAULTS_INJECT_H
#define TEST_FAULTS_INJECT_H

#include <stdbool.h>
#include <stddef.h>

#include "faults/calls.h"

const char *inject_name(enum fault_call call);
enum fault_group inject_group(enum fault_call call);
/* What it can fail with, the most telling first, 0 at the end. */
const int *inject_errors(enum fault_call call);
/* "EIO", "SHORT" … */
const char *inject_error_name(int error);

/* From here to inject_end() calls are counted. */
void inject_begin(void);
/* The same, and the `nth` (0 …) of these calls fails with `error`; with `onward` all after it, too. */
void inject_begin_fault(enum fault_call call, unsigned nth, int error, bool onward);
/* The same for the `nth` allocation, whichever call that is. */
void inject_begin_oom(unsigned nth, bool onward);
/* Whether the fault struck. */
bool inject_end(void);

/* Whether this thread is watched from here on; returns what it was. For the servers' part in a run. */
bool inject_watch(bool watch);

/* How often it was called between the last begin and end; of all allocations together. */
unsigned inject_calls(enum fault_call call);
unsigned inject_allocations(void);
/* Blocks that were allocated since begin and are not free by now; also after inject_end(). */
size_t inject_live_blocks(void);
void inject_forget_blocks(void);

/* Open descriptors of the process. */
unsigned inject_descriptors(void);

#endif
