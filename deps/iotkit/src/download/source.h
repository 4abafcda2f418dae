/*
 * source.h - where the bytes of an image come from, as the fetch loop sees it. It knows neither
 * HTTP nor MQTT: http_source.c and block_source.c implement this contract. Everything here belongs
 * to the fetching thread.
 *
 * download/ fetches one image for one job: job_open > job > {fetch, http_source > http_ranges >
 * http_connection, block_source, renewal} > this contract, uplink.h, control, running_digest,
 * verify, options, setup. It may use policy/, net/, core/, alink/, http/, the port and base; it
 * knows no client, no channel and no file.
 */
#ifndef IK_DOWNLOAD_SOURCE_H
#define IK_DOWNLOAD_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ik_call;

/* Where the source delivers its bytes, which are digested and counted there. */
struct ik_outlet {
  /* `len` bytes of the image at `offset` were written after those the call has: at buf + got. */
  void (*hand_out)(void *ctx, struct ik_call *call, uint64_t offset, size_t len);
  void *ctx;
};

/* One call of iotkit_job_fetch(). */
struct ik_call {
  uint8_t *buf; /* the caller's */
  size_t len;
  size_t got;
  uint64_t start; /* offset of buf[0] in the image */
  uint64_t now_ms;
  uint64_t deadline_ms;
  const struct ik_outlet *outlet;
};

enum ik_source_state {
  IK_SOURCE_OPEN,  /* → DONE, FAILED */
  IK_SOURCE_DONE,  /* every byte was handed out; final */
  IK_SOURCE_FAILED /* `error` and `detail` say why; final */
};

struct ik_source_status {
  enum ik_source_state state;
  uint64_t offset;  /* the next byte to hand out; less than before: the image starts again */
  bool end_missing; /* all bytes were handed out, but not the end of the body */
  bool compares;    /* bytes handed out arrive again, and are compared once they are digested */
  bool mixed;       /* they are from answers that did not prove to be of the same image */
  int error;
  const char *detail; /* the source's */
  uint32_t waits;     /* how often a failed try was followed by a wait for the next one … */
  uint32_t attempt;   /* … and of the last: the failed tries since a new byte */
  uint64_t retry_ms;  /* … and when the next try begins. `error` and `detail` say why */
};

struct ik_source;

/* The source is made by a function of its own (ik_http_source_new() …). */
struct ik_source_ops {
  /*
   * Does one thing and hands out what it brings. False: nothing can be done before *until_ms (the
   * deadline of the call, which may be moved earlier), or before something happens that wait()
   * waits for.
   */
  bool (*advance)(struct ik_source *source, struct ik_call *call, uint64_t *until_ms);
  /*
   * Waits for what it wants to receive or send, for the job's wake, or `until_ms`; sets
   * call->now_ms; may hand out. 0, or an error that ends the call and not the download
   * (IK_EIN_CALLBACK).
   */
  int (*wait)(struct ik_source *source, struct ik_call *call, uint64_t until_ms);
  /*
   * While paused: waits for the job's wake or the call's deadline, and receives nothing. As wait().
   */
  int (*wait_while_paused)(struct ik_source *source, struct ik_call *call);
  /* Time has passed: applies time-outs. */
  void (*tick)(struct ik_source *source, uint64_t now_ms);
  /* No call was running for `away_ms`: that time counts for no time-out of the other side. */
  void (*extend_deadlines)(struct ik_source *source, uint64_t away_ms);
  /* A pause of `paused_ms` is over: it does not count for the total time either. */
  void (*count_pause)(struct ik_source *source, uint64_t paused_ms);
  /* The call ends: gives back bytes that shared limiters granted and it did not use. */
  void (*end_call)(struct ik_source *source);
  void (*status)(const struct ik_source *source, struct ik_source_status *status);
  /* Closes its connections and frees. */
  void (*free)(struct ik_source *source);
};

struct ik_source {
  const struct ik_source_ops *ops;
};

#endif
