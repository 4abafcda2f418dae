/*
 * iot_handles.h - how many need a handle, which handles of a kind exist in the process, and which are
 * open.
 *
 * NULL may mean the only open handle, so that the process has to know them. And a program may call
 * with a handle on one thread while another ends it: what no longer exists is not touched. Any thread
 * calls these functions; what ends a handle runs on the thread that gave the last reference back,
 * under no lock.
 */
#ifndef IK_PUBLISHED_IOT_HANDLES_H
#define IK_PUBLISHED_IOT_HANDLES_H

#include <stdbool.h>

/* The handles of one kind; all zero at first. Guarded, as all references are, by the process's lock. */
struct ik_iot_handles {
  struct ik_iot_handle *first;
};

/* The first member of a handle. */
struct ik_iot_handle {
  struct ik_iot_handles *kind;
  struct ik_iot_handle *next; /* of those that exist */
  unsigned refs;
  bool open;
  void (*end)(struct ik_iot_handle *handle); /* frees it */
};

/* With one reference, not open. */
void ik_iot_handle_init(struct ik_iot_handle *handle, struct ik_iot_handles *kind,
                        void (*end)(struct ik_iot_handle *handle));
/* From now on it is one of the open ones. */
void ik_iot_handle_open(struct ik_iot_handle *handle);
/* From now on it is not. False: it was not open; of two threads that close it one gets true. */
bool ik_iot_handle_close(struct ik_iot_handle *handle);
/*
 * The handle that is meant, with a reference: NULL means the only open one. NULL: none or several
 * are open, or that handle does not exist any more.
 */
struct ik_iot_handle *ik_iot_handle_take(const struct ik_iot_handles *kind, const void *given);
/* Gives a reference back; the last one ends the handle. NULL is allowed. */
void ik_iot_handle_drop(struct ik_iot_handle *handle);

#endif
