/*
 * job.h - the inside of a job, for the files of the API layer and the tests.
 */
#ifndef IK_API_JOB_H
#define IK_API_JOB_H

#include <stdatomic.h>

#include "http/exchange.h"
#include "net/transport.h"
#include "ota/notice.h"
#include "ota/transfer.h"

#define IK_JOB_SCRATCH (4 * IK_KIB)

struct iotkit_job {
  atomic_uint refs;
  struct ik_notice notice;
  struct iotkit_fetch_options options; /* defaults filled in; owns a reference of tls */
  bool no_rewind;
  ik_dial_fn dial;
  void *dial_ctx;

  /* Read by any thread. */
  atomic_int state; /* iotkit_job_state */
  atomic_uint_least64_t received;
  atomic_bool interrupted;
  atomic_bool fetching; /* a thread is inside fetch: owns what stands under "fetch" */

  struct ik_mutex *mutex; /* state changes, error, detail, wake, digests */
  int error;
  char detail[IOTKIT_DETAIL_MAX];
  struct ik_wake *wake; /* made by the first fetch */
  struct ik_digest *digest;
  uint64_t digested; /* bytes in `digest` */

  /* fetch */
  bool begun;
  struct ik_transfer transfer;
  struct ik_http_exchange exchange;
  struct ik_transport *transport; /* NULL: none */
  struct ik_buf request;          /* not yet sent */
  struct ik_digest *prefix; /* of a body that begins again where the bytes cannot be taken back */
  uint64_t last_ms;         /* when the last fetch returned */
  size_t scratch_pos;       /* raw bytes that came with a head or behind the image */
  size_t scratch_len;
  uint8_t scratch[IK_JOB_SCRATCH];
};

/* Takes over the notice, also when it fails. */
int ik_job_new(struct ik_notice *notice, const struct iotkit_fetch_options *options,
               iotkit_job_t **out);
/*
 * The job's bytes cannot be taken back (FetchYield): a body that begins again is compared with them
 * and skipped. Before the first fetch.
 */
void ik_job_set_no_rewind(iotkit_job_t *job);
/* Another way to open connections; before the first fetch. */
void ik_job_set_dial(iotkit_job_t *job, ik_dial_fn dial, void *ctx);
/* Where it came from; takes a reference. Before the first fetch. */
struct ik_link;
void ik_job_set_link(iotkit_job_t *job, struct ik_link *link);
/*
 * The answer to ik_link_ask(): a notice of the same image (its URL is taken), another notice, or an
 * error. On the stepping thread; wakes the fetch.
 */
void ik_job_answered(iotkit_job_t *job, const struct ik_notice *notice, int error,
                     const char *detail);
/* Whether others than the caller hold a reference. */
bool ik_job_is_shared(const iotkit_job_t *job);

/* ---- between job.c and job_fetch.c ---- */

/* Ends the job unless it has ended. */
void ik_job_finish(iotkit_job_t *job, enum iotkit_job_state state, int error, const char *detail);
/* Adds bytes at the offset to the digest; offset 0 begins again. IK_EINVALID_ARGUMENT: a gap. */
int ik_job_update_digest(iotkit_job_t *job, uint64_t offset, const void *data, size_t len);
/* Whether `prefix` is the digest of the bytes handed out so far. */
bool ik_job_prefix_matches(iotkit_job_t *job);
/* The fetching thread only. */
void ik_job_disconnect(iotkit_job_t *job);

/* ---- job_verify.c ---- */

/* Before the first byte: the policy about signatures, and those over the announced digest. */
int ik_job_verify_notice(iotkit_job_t *job, char *detail);
/* After the last: a user's signature over the image, of which `digest` is the right one. */
int ik_job_verify_image(iotkit_job_t *job, const uint8_t *digest, char *detail);

/* ---- job_blocks.c: an image in MQTT blocks ---- */

struct ik_job_blocks; /* made by the first fetch, freed with the job */
/* As iotkit_job_fetch(), for a job in state FETCHING that this thread may fetch. */
int64_t ik_job_blocks_fetch(iotkit_job_t *job, uint8_t *buf, size_t len, uint64_t deadline_ms,
                            uint64_t *offset);
void ik_job_blocks_free(struct ik_job_blocks *blocks);

#endif
