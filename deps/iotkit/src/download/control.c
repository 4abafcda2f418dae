/*
 * control.c - the part of a job that every thread shares: atomics, and a mutex for what is more
 * than one word. No lock is held while anything else is called.
 */
#include "download/control.h"

#include <string.h>

int ik_control_init(struct ik_control *control) {
  atomic_init(&control->state, IOTKIT_JOB_READY);
  atomic_init(&control->fetching, false);
  atomic_init(&control->interrupted, false);
  atomic_init(&control->paused, false);
  atomic_init(&control->received, 0);
  atomic_init(&control->paused_ms, 0);
  control->mutex = ik_mutex_new();
  return control->mutex != NULL ? 0 : IK_ENO_MEMORY;
}

void ik_control_deinit(struct ik_control *control) {
  ik_wake_free(control->wake);
  ik_mutex_free(control->mutex);
}

/* ---- any thread ---- */

enum iotkit_job_state ik_control_state(const struct ik_control *control) {
  return (enum iotkit_job_state)atomic_load(&control->state);
}

int ik_control_error(struct ik_control *control, char *detail) {
  ik_mutex_lock(control->mutex);
  int error = control->error;
  if (detail != NULL) memcpy(detail, control->detail, sizeof(control->detail));
  ik_mutex_unlock(control->mutex);
  return error;
}

void ik_control_finish(struct ik_control *control, enum iotkit_job_state state, int error,
                       const char *detail) {
  ik_mutex_lock(control->mutex);
  enum iotkit_job_state now = ik_control_state(control);
  if (now == IOTKIT_JOB_READY || now == IOTKIT_JOB_FETCHING) {
    control->error = error;
    ik_detail(control->detail, "%s", detail);
    atomic_store(&control->state, state);
  }
  ik_mutex_unlock(control->mutex);
}

void ik_control_wake(struct ik_control *control) {
  ik_mutex_lock(control->mutex);
  if (control->wake != NULL) ik_wake_signal(control->wake);
  ik_mutex_unlock(control->mutex);
}

void ik_control_interrupt(struct ik_control *control) {
  atomic_store(&control->interrupted, true);
  ik_control_wake(control);
}

void ik_control_set_paused(struct ik_control *control, bool paused, uint64_t now_ms) {
  ik_mutex_lock(control->mutex);
  bool before = atomic_load(&control->paused);
  if (paused && !before) control->paused_since_ms = now_ms;
  if (!paused && before && now_ms > control->paused_since_ms) {
    atomic_fetch_add(&control->paused_ms, now_ms - control->paused_since_ms);
  }
  atomic_store(&control->paused, paused);
  ik_mutex_unlock(control->mutex);
  ik_control_wake(control);
}

bool ik_control_is_paused(const struct ik_control *control) {
  return atomic_load(&control->paused);
}

/* ---- becoming the fetching thread ---- */

bool ik_control_enter(struct ik_control *control) {
  ik_mutex_lock(control->mutex);
  bool entered = !atomic_exchange(&control->fetching, true);
  ik_mutex_unlock(control->mutex);
  return entered;
}

void ik_control_leave(struct ik_control *control) {
  atomic_store(&control->fetching, false);
}

/* ---- what the first fetch fixes ---- */

int ik_control_lock_ready(struct ik_control *control) {
  ik_mutex_lock(control->mutex);
  if (!atomic_load(&control->fetching) && ik_control_state(control) == IOTKIT_JOB_READY) return 0;
  ik_mutex_unlock(control->mutex);
  return IK_EINVALID_STATE;
}

void ik_control_lock(struct ik_control *control) {
  ik_mutex_lock(control->mutex);
}

void ik_control_unlock(struct ik_control *control) {
  ik_mutex_unlock(control->mutex);
}

/* ---- the fetching thread ---- */

int ik_control_make_wake(struct ik_control *control) {
  struct ik_wake *wake;
  if (control->wake != NULL) return 0;
  int rc = ik_wake_new(&wake);
  if (rc != 0) return rc;
  ik_mutex_lock(control->mutex);
  control->wake = wake;
  ik_mutex_unlock(control->mutex);
  return 0;
}

void ik_control_begin(struct ik_control *control, uint64_t now_ms) {
  ik_mutex_lock(control->mutex);
  control->paused_since_ms = now_ms;
  if (ik_control_state(control) == IOTKIT_JOB_READY)
    atomic_store(&control->state, IOTKIT_JOB_FETCHING);
  ik_mutex_unlock(control->mutex);
}

void ik_control_begin_again(struct ik_control *control) {
  ik_mutex_lock(control->mutex);
  atomic_store(&control->received, 0);
  atomic_store(&control->state, IOTKIT_JOB_READY);
  ik_mutex_unlock(control->mutex);
}

bool ik_control_is_interrupted(struct ik_control *control, bool take) {
  return take ? atomic_exchange(&control->interrupted, false) : atomic_load(&control->interrupted);
}
