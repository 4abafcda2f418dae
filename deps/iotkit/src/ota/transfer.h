/*
 * transfer.h - the policy of a download: told what happens on the network, it says what to do next.
 *
 * It decides on requests and ranges, statuses, redirects, resuming, starting over, waiting,
 * time-outs, giving up. No I/O, no clock, no randomness: times and random bits are arguments. Every
 * detail names the host and never the URL's query.
 */
#ifndef IK_OTA_TRANSFER_H
#define IK_OTA_TRANSFER_H

#include "base/backoff.h"
#include "base/url.h"
#include "http/exchange.h"
#include "iotkit_errors.h"

#define IK_ETAG_MAX 256 /* a longer one is not used */

struct ik_transfer_options {
  uint32_t response_timeout_ms;
  uint32_t idle_timeout_ms;
  uint32_t low_speed_bytes; /* per second; 0: off */
  uint32_t low_speed_ms;
  uint32_t max_retries; /* UINT32_MAX: none */
  uint32_t retry_min_ms;
  uint32_t retry_max_ms;
  uint32_t max_redirects;
  bool https_only;
  /* Bytes handed out cannot be taken back: a body that begins again is skipped up to them. */
  bool no_rewind;
};

enum ik_transfer_state {
  IK_TRANSFER_CONNECT, /* open a connection to `url`       → REQUEST, WAIT, FAILED       */
  IK_TRANSFER_REQUEST, /* send the request                 → HEAD, WAIT, FAILED          */
  IK_TRANSFER_HEAD,    /* receive the response head        → BODY, CONNECT, WAIT, FAILED */
  IK_TRANSFER_BODY,  /* receive the body                 → DONE, REQUEST, CONNECT, WAIT, FAILED */
  IK_TRANSFER_WAIT,  /* no connection until `wait_until` → CONNECT                     */
  IK_TRANSFER_DONE,  /* every byte was handed out; final                               */
  IK_TRANSFER_FAILED /* `error` and `detail` say why; final                            */
};

struct ik_transfer {
  enum ik_transfer_state state;
  struct ik_transfer_options options;
  char *origin;      /* the URL as announced; each new try begins there */
  struct ik_url url; /* to connect to now: the origin, or where it redirected to */
  bool moved;        /* `url` is not the origin */
  uint64_t size;     /* announced */
  uint64_t offset;   /* the next byte to hand out */
  /* in the image, of the next byte of the body; below offset while bytes are skipped */
  uint64_t place;
  uint64_t limit;             /* where the body must end */
  uint64_t high;              /* the furthest offset so far: what goes beyond it is progress */
  uint64_t asked;             /* offset of the request under way */
  bool whole;                 /* ask without a range next time: the image changed */
  char etag[IK_ETAG_MAX + 1]; /* strong, of the image being received, or "" */
  struct ik_backoff backoff;
  uint32_t redirects; /* in a row */
  uint64_t wait_until;
  uint64_t activity; /* when the last thing happened that idle time is counted from */
  uint64_t speed_since;
  uint64_t speed_bytes;
  int error;
  char detail[IOTKIT_DETAIL_MAX];
};

/*
 * Resolved options, no zero stands for a default. IK_EURL, IK_EURL_SCHEME, IK_ETLS_REQUIRED,
 * IK_ENO_MEMORY; then nothing is owned.
 */
int ik_transfer_init(struct ik_transfer *transfer, const struct ik_transfer_options *options,
                     const char *url, uint64_t size, char *detail);
void ik_transfer_free(struct ik_transfer *transfer);

/* ---- events; each may change the state ---- */

void ik_transfer_connected(struct ik_transfer *transfer, uint64_t now_ms);
/* Appends the request to send, in state REQUEST. The buffer's errors. */
int ik_transfer_request(struct ik_transfer *transfer, const char *user_agent, struct ik_buf *out);
void ik_transfer_sent(struct ik_transfer *transfer, uint64_t now_ms);
/* The head of `exchange` is complete. `wall_ms`: wall clock, for dates. */
void ik_transfer_head(struct ik_transfer *transfer, const struct ik_http_exchange *exchange,
                      uint64_t now_ms, uint64_t wall_ms, uint32_t random);
/*
 * `len` bytes of the body arrived. *skip of them, at the front, were handed out before; the next
 * *take are to be handed out at the offset before the call. More than the image has → FAILED, *take
 * then 0.
 */
void ik_transfer_bytes(struct ik_transfer *transfer, size_t len, uint64_t now_ms, size_t *skip,
                       size_t *take);
/* The body is complete as framed. `reusable`: the connection can carry another request. */
void ik_transfer_end(struct ik_transfer *transfer, bool reusable, uint64_t now_ms, uint32_t random);
/* The connection or the response failed: wait and try again, or fail if that is hopeless. */
void ik_transfer_error(struct ik_transfer *transfer, int error, const char *detail, uint64_t now_ms,
                       uint32_t random);
/* Fails for good, whatever the state. */
void ik_transfer_fail(struct ik_transfer *transfer, int error, const char *detail);
/* Time has passed: ends waiting, applies time-outs and the low-speed limit. */
void ik_transfer_tick(struct ik_transfer *transfer, uint64_t now_ms, uint32_t random);
/* Nobody received for `away_ms` (the consumer was busy): that was not the server's idleness. */
void ik_transfer_resume(struct ik_transfer *transfer, uint64_t away_ms);

/* When to tick at the latest; UINT64_MAX: never. */
uint64_t ik_transfer_deadline(const struct ik_transfer *transfer);

#endif
