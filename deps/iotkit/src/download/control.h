/*
 * control.h - what any thread may ask of a download and do to it: state, error, abort, interrupt,
 * pause. The rest of a job belongs to the fetching thread.
 */
#ifndef IK_DOWNLOAD_CONTROL_H
#define IK_DOWNLOAD_CONTROL_H

#include <stdatomic.h>

#include "iotkit_ota.h"
#include "port/port.h"

/*
 * The flags are independent of each other and of the state:
 *
 *   flag         changed by                while it is set
 *   fetching     enter(), leave(), with    one thread owns what belongs to the fetching thread; no
 *                the mutex                 other enters, and what the first fetch fixes is fixed
 *   interrupted  interrupt(), and the      the fetch that runs, or the next one, ends with
 *                fetch, which clears it    IK_EINTERRUPTED, once
 *   paused       set_paused()              a fetch receives nothing; its time-outs stand still
 */
struct ik_control {
  atomic_int state; /* iotkit_job_state; changes with the mutex held */
  atomic_bool fetching;
  atomic_bool interrupted;
  atomic_bool paused;
  atomic_uint_least64_t received;
  atomic_uint_least64_t paused_ms; /* of all pauses that are over */

  struct ik_mutex *mutex;
  /* with the mutex */
  int error;
  char detail[IOTKIT_DETAIL_MAX];
  struct ik_wake *wake;     /* made by the first fetch, which may use it without the mutex */
  uint64_t paused_since_ms; /* while paused */
};

/* IK_ENO_MEMORY; ik_control_deinit() in any case. */
int ik_control_init(struct ik_control *control);
void ik_control_deinit(struct ik_control *control);

/* ---- any thread ---- */

enum iotkit_job_state ik_control_state(const struct ik_control *control);
/* `detail` may be NULL. */
int ik_control_error(struct ik_control *control, char *detail);
/* Ends the job unless it has ended. */
void ik_control_finish(struct ik_control *control, enum iotkit_job_state state, int error,
                       const char *detail);
/* Ends a wait of the fetching thread. */
void ik_control_wake(struct ik_control *control);
void ik_control_interrupt(struct ik_control *control);
void ik_control_set_paused(struct ik_control *control, bool paused, uint64_t now_ms);
bool ik_control_is_paused(const struct ik_control *control);

/* ---- becoming the fetching thread ---- */

/* False: another thread is inside. After true ik_control_leave() has to follow. */
bool ik_control_enter(struct ik_control *control);
void ik_control_leave(struct ik_control *control);

/* ---- what the first fetch fixes; any thread, short and without a call that may wait ---- */

/*
 * Locks it to be changed: a fetch that begins meanwhile waits. 0, and ik_control_unlock() has to
 * follow; IK_EINVALID_STATE: a fetch has begun. It never makes a fetch of another thread fail.
 */
int ik_control_lock_ready(struct ik_control *control);
/* Locks it to be read. */
void ik_control_lock(struct ik_control *control);
void ik_control_unlock(struct ik_control *control);

/* ---- the fetching thread ---- */

/* Makes the wake unless there is one. */
int ik_control_make_wake(struct ik_control *control);
/* READY → FETCHING, unless it was aborted meanwhile. A pause counts from now on. */
void ik_control_begin(struct ik_control *control, uint64_t now_ms);
/* FETCHED → READY, with nothing received. */
void ik_control_begin_again(struct ik_control *control);
/* Whether an interrupt is to be reported; with `take` it is over then. */
bool ik_control_is_interrupted(struct ik_control *control, bool take);

#endif
