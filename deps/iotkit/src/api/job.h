/*
 * job.h - the inside of a job, for the files of the API layer and the tests.
 */
#ifndef IK_API_JOB_H
#define IK_API_JOB_H

#include <stdatomic.h>

#include "api/fetch_config.h"
#include "api/job_lane.h"
#include "api/limiter.h"
#include "net/transport.h"
#include "ota/notice.h"

struct ik_job_blocks;
struct ik_job_lanes;
struct ik_link;

struct iotkit_job {
  atomic_uint refs;
  struct ik_notice notice;
  struct ik_fetch_config *config;
  struct ik_link *link; /* NULL: no channel */
  bool no_rewind;
  ik_dial_fn dial;
  void *dial_ctx;
  uint8_t *signature; /* of the user's own; NULL: none */
  size_t signature_len;
  enum iotkit_signed signature_over;

  /* Read by any thread. */
  atomic_int state; /* iotkit_job_state */
  atomic_uint_least64_t received;
  atomic_bool interrupted;
  atomic_bool paused;
  atomic_uint_least64_t paused_ms; /* by all pauses that are over */
  atomic_bool wants_url;
  atomic_bool fetching; /* a thread is inside fetch: owns what stands under "fetch" */

  struct ik_mutex *mutex; /* state changes and what follows */
  int error;
  char detail[IOTKIT_DETAIL_MAX];
  struct ik_wake *wake; /* made by the first fetch */
  struct ik_digest *digest;
  uint64_t digested;     /* bytes in `digest` */
  uint64_t paused_since; /* while paused */
  iotkit_job_t *inner;   /* what is done to this job is done to it too; NULL: none */
  struct {
    char *url; /* a new one that was not looked at yet; NULL: none */
    int error; /* why there is none; 0: nothing said */
    char detail[IOTKIT_DETAIL_MAX];
  } answer;

  /* fetch */
  bool begun;
  uint64_t first;             /* where the fetch begins */
  struct ik_lane lane;        /* the image's transfer and its connection */
  struct ik_job_lanes *lanes; /* pieces side by side; NULL: one connection */
  uint32_t lanes_max;         /* as many of them, 1 where the server does not give ranges */
  struct ik_throttle throttle;
  struct ik_job_blocks *blocks;
  struct ik_digest *prefix; /* of a body that begins again where the bytes cannot be taken back */
  uint64_t last_ms;         /* when the last fetch returned */
  uint64_t paused_seen_ms;  /* of paused_ms, what the transfer was told */
  uint64_t ask_at;          /* when the channel is asked for another URL */
};

/*
 * Takes over the notice, also when it fails, and a reference of the config (NULL: all defaults).
 */
int ik_job_new(struct ik_notice *notice, struct ik_fetch_config *config, iotkit_job_t **out);
/*
 * The job's bytes cannot be taken back (FetchYield): a body that begins again is compared with them
 * and skipped. Before the first fetch.
 */
void ik_job_set_no_rewind(iotkit_job_t *job);
/* Another way to open connections; before the first fetch. */
void ik_job_set_dial(iotkit_job_t *job, ik_dial_fn dial, void *ctx);
/* Where it came from; takes a reference. Before the first fetch. */
void ik_job_set_link(iotkit_job_t *job, struct ik_link *link);
/*
 * The answer to ik_link_ask(): a notice of the same image (its URL is taken), another notice, or an
 * error. Any thread, with no lock held; wakes the fetch.
 */
void ik_job_answered(iotkit_job_t *job, const struct ik_notice *notice, int error,
                     const char *detail);
/* Whether a notice brings the job's image, perhaps as one of several files. */
bool ik_job_is_same_image(const iotkit_job_t *job, const struct ik_notice *notice);
/* Whether others than the caller hold a reference. */
bool ik_job_is_shared(const iotkit_job_t *job);
/*
 * Passes abort, interrupt and pause of `job` on to the job of one of its files, which is aborted at
 * once if `job` was; NULL ends it. Holds a reference meanwhile. Any thread.
 */
void ik_job_set_inner(iotkit_job_t *job, iotkit_job_t *inner);
/* Keeps fetches out of a job that none has begun; IK_EINVALID_STATE: one has. */
int ik_job_enter_ready(iotkit_job_t *job);
void ik_job_leave(iotkit_job_t *job);

/* ---- between job*.c ---- */

/* Ends the job unless it has ended. */
void ik_job_finish(iotkit_job_t *job, enum iotkit_job_state state, int error, const char *detail);
/* Ends a wait of the fetching thread. */
void ik_job_wake(iotkit_job_t *job);
/* Adds bytes at the offset to the digest; offset 0 begins again. IK_EINVALID_ARGUMENT: a gap. */
int ik_job_update_digest(iotkit_job_t *job, uint64_t offset, const void *data, size_t len);
/* Whether `prefix` is the digest of the bytes handed out so far. */
bool ik_job_prefix_matches(iotkit_job_t *job);

/* One call of iotkit_job_fetch. */
struct ik_call {
  uint8_t *buf;
  size_t len;
  size_t got;
  uint64_t start; /* place of buf[0] in the image */
  uint64_t now_ms;
  uint64_t deadline_ms;
};

/* The fetching thread only. */
void ik_job_disconnect(iotkit_job_t *job);
/* `len` bytes stand behind what the call has, next in the image: digests and counts them. */
void ik_job_hand_out(iotkit_job_t *job, struct ik_call *call, uint64_t offset, size_t len);

/* ---- job_renew.c: another URL of the same image ---- */

/* In state URL: asks for one, takes one. Returns when to be called again at the latest. */
uint64_t ik_job_step_url(iotkit_job_t *job, uint64_t now_ms);
/* Whatever was asked is of no more interest. */
void ik_job_end_url(iotkit_job_t *job);

/* ---- job_lanes.c: pieces side by side ---- */

/* Before a request of the image's: how much of it is asked for. */
void ik_job_lanes_plan(iotkit_job_t *job);
/* Behind the answer: begins if the server honours ranges. */
void ik_job_lanes_begin(iotkit_job_t *job, uint64_t now_ms);
/* Goes on in state LANES. False: nothing could be done, wait. */
bool ik_job_lanes_step(iotkit_job_t *job, struct ik_call *call);
/* The lanes there are: the pieces', or the only one. */
struct ik_lane *ik_job_lanes_all(iotkit_job_t *job, size_t *count);
/* Closes the connections of the pieces, if there are any. */
void ik_job_lanes_free(iotkit_job_t *job);

/* ---- job_verify.c ---- */

/* Before the first byte: the policy about signatures, and those over the announced digest. */
int ik_job_verify_notice(iotkit_job_t *job, char *detail);

/* ---- job_blocks.c: an image in MQTT blocks ---- */

/* As iotkit_job_fetch(), for a job in state FETCHING that this thread may fetch. */
int64_t ik_job_blocks_fetch(iotkit_job_t *job, uint8_t *buf, size_t len, uint64_t deadline_ms,
                            uint64_t *offset);
void ik_job_blocks_free(struct ik_job_blocks *blocks);

#endif
