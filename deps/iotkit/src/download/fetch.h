/*
 * fetch.h - the fetch loop: it drives one source, whatever kind it is, through the calls of
 * iotkit_job_fetch().
 */
#ifndef IK_DOWNLOAD_FETCH_H
#define IK_DOWNLOAD_FETCH_H

#include "download/control.h"
#include "download/running_digest.h"
#include "download/setup.h"
#include "download/source.h"

/* Opens the source of the bytes from `offset` on; its errors fail the job. The fetching thread. */
typedef int (*ik_source_open_fn)(void *ctx, uint64_t offset, uint64_t now_ms,
                                 struct ik_source **out, char *detail);

struct ik_fetch {
  /* fixed by ik_fetch_init(); all borrowed from the job, any thread may read them */
  const struct ik_fetch_setup *setup;
  struct ik_control *control;
  struct ik_running_digest *digest;
  ik_source_open_fn open_source;
  void *ctx; /* of open_source */
  struct ik_outlet outlet;

  /* only the fetching thread */
  struct ik_source *source; /* owned; NULL: not begun, or ended */
  uint32_t waits_told;      /* the waits of the source that the user was told */
  bool mixed;               /* the image is from answers that did not prove to be of the same one */
  uint64_t last_ms;         /* when the last call returned */
  uint64_t paused_seen_ms;  /* the part of control->paused_ms that was reported to the source */
};

void ik_fetch_init(struct ik_fetch *fetch, const struct ik_fetch_setup *setup,
                   struct ik_control *control, struct ik_running_digest *digest,
                   ik_source_open_fn open_source, void *ctx);
/* Frees the source, which closes its connections. By the thread that has entered the control. */
void ik_fetch_close(struct ik_fetch *fetch);
/*
 * One call of iotkit_job_fetch(), with its result; by the thread that has entered the control. Sets
 * the call's start.
 */
int64_t ik_fetch_run(struct ik_fetch *fetch, struct ik_call *call);

#endif
