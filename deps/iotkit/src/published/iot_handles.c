/*
 * iot_handles.c - a list of the handles that exist; it and all references are guarded by the lock of
 * the process.
 */
#include "published/iot_handles.h"

#include <stddef.h>

#include "port/port.h"

void ik_iot_handle_init(struct ik_iot_handle *handle, struct ik_iot_handles *kind,
                        void (*end)(struct ik_iot_handle *handle)) {
  ik_process_lock();
  *handle = (struct ik_iot_handle){.kind = kind, .next = kind->first, .refs = 1, .end = end};
  kind->first = handle;
  ik_process_unlock();
}

/* True: it was not yet what it is now to be. */
static bool set_open(struct ik_iot_handle *handle, bool open) {
  ik_process_lock();
  const bool changed = handle->open != open;
  handle->open = open;
  ik_process_unlock();
  return changed;
}

void ik_iot_handle_open(struct ik_iot_handle *handle) {
  (void)set_open(handle, true);
}

bool ik_iot_handle_close(struct ik_iot_handle *handle) {
  return set_open(handle, false);
}

/* With the lock: the only open one; NULL: none or several are. */
static struct ik_iot_handle *only_open(const struct ik_iot_handles *kind) {
  struct ik_iot_handle *found = NULL;
  for (struct ik_iot_handle *at = kind->first; at; at = at->next) {
    if (!at->open) continue;
    if (found) return NULL;
    found = at;
  }
  return found;
}

/* With the lock: that handle, which is not touched unless it is in the list. */
static struct ik_iot_handle *existing(const struct ik_iot_handles *kind, const void *given) {
  struct ik_iot_handle *at = kind->first;
  while (at && at != given)
    at = at->next;
  return at;
}

struct ik_iot_handle *ik_iot_handle_take(const struct ik_iot_handles *kind, const void *given) {
  ik_process_lock();
  struct ik_iot_handle *handle = given ? existing(kind, given) : only_open(kind);
  if (handle) handle->refs++;
  ik_process_unlock();
  return handle;
}

static void take_out(const struct ik_iot_handle *handle) {
  struct ik_iot_handle **link = &handle->kind->first;
  while (*link != handle)
    link = &(*link)->next;
  *link = handle->next;
}

void ik_iot_handle_drop(struct ik_iot_handle *handle) {
  if (!handle) return;
  ik_process_lock();
  const bool last = --handle->refs == 0;
  if (last) take_out(handle);
  ik_process_unlock();
  if (last) handle->end(handle);
}
