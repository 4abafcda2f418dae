/*
 * transfer.h - the policy of a download: told what happens on the network, it says what to do next.
 *
 * It decides on requests and ranges, statuses, redirects, hosts, expired URLs, resuming, starting
 * over, waiting, time-outs, giving up. No I/O, no clock, no randomness: times and random bits are
 * arguments. Every detail names the host and never the URL's query.
 *
 * A transfer is the download of an image over one connection at a time. Where it is fetched over
 * several side by side, each fetches pieces with a transfer of its own (ik_transfer_init_piece),
 * while the image's is in state LANES and hands out in order what they bring.
 */
#ifndef IK_OTA_TRANSFER_H
#define IK_OTA_TRANSFER_H

#include "base/backoff.h"
#include "base/url.h"
#include "http/exchange.h"
#include "iotkit_errors.h"

#define IK_ETAG_MAX 256 /* a longer one is not used */
/* Fewer new bytes do not count as progress, unless they are the last ones. */
#define IK_TRANSFER_PROGRESS (64 * IK_KIB)

struct ik_transfer_options {
  uint32_t response_timeout_ms;
  uint32_t idle_timeout_ms;
  uint32_t low_speed_bytes; /* per second; 0: off */
  uint32_t low_speed_ms;
  uint32_t max_retries; /* in a row without progress; UINT32_MAX: any number */
  uint32_t max_tries;   /* in all; UINT32_MAX: any number */
  uint32_t retry_min_ms;
  uint32_t retry_max_ms;
  uint32_t max_redirects;
  uint32_t total_timeout_ms; /* 0: none */
  uint32_t renew_timeout_ms; /* how long it waits for another URL; UINT32_MAX: not at all */
  bool https_only;
  /* Bytes handed out cannot be taken back: a body that begins again is skipped up to them. */
  bool no_rewind;
  const char *headers;       /* more request fields, for the announced host; NULL: none. Borrowed */
  const char *allowed_hosts; /* NULL: any. Borrowed */
};

enum ik_transfer_state {
  IK_TRANSFER_CONNECT, /* open a connection to `url`       → REQUEST, WAIT, FAILED       */
  IK_TRANSFER_REQUEST, /* send the request                 → HEAD, CONNECT, WAIT, FAILED */
  IK_TRANSFER_HEAD,    /* receive the response head        → BODY, CONNECT, URL, WAIT, FAILED */
  IK_TRANSFER_BODY,    /* receive the body → DONE, REQUEST, CONNECT, WAIT, LANES, FAILED */
  IK_TRANSFER_WAIT,    /* no connection until `wait_until` → CONNECT, FAILED             */
  IK_TRANSFER_URL,     /* no connection until renewed      → CONNECT, FAILED             */
  IK_TRANSFER_LANES,   /* pieces come side by side         → DONE, CONNECT, WAIT, FAILED */
  IK_TRANSFER_DONE,    /* every byte was handed out; final, but for a piece              */
  IK_TRANSFER_FAILED   /* `error` and `detail` say why; final                            */
};

struct ik_transfer {
  enum ik_transfer_state state;
  struct ik_transfer_options options;
  struct ik_transfer *image; /* of a piece: the transfer it is a piece of; else NULL */
  char *origin;              /* the URL as announced; each new try begins there */
  struct ik_url url;         /* to connect to now: the origin, or where it redirected to */
  bool moved;                /* `url` is not the origin */
  bool announced;            /* `url` has the host and port of the origin, and is no less safe */
  uint64_t size;             /* announced */
  uint64_t offset;           /* the next byte to hand out */
  /* in the image, of the next byte of the body; below offset while bytes are skipped */
  uint64_t place;
  uint64_t limit;     /* where the body must end */
  uint64_t end;       /* where the fetch ends: the size, or the end of the piece */
  uint64_t high;      /* the furthest offset so far: what goes beyond it is new */
  uint64_t fresh;     /* new bytes since the failures were last forgotten */
  uint64_t until;     /* ask for no more than the bytes before it; 0: for all */
  uint64_t asked;     /* the request under way: its first byte … */
  uint64_t asked_end; /* … and what it ends before; 0: open */
  bool whole;         /* ask without a range: the image changed, or there is no such range */
  bool total_known;   /* the body is a range, whose answer named the announced size */
  bool proven;        /* a byte of a body has come */
  bool reused;        /* the connection has carried a request before */
  bool reusable;      /* DONE: the connection can carry another */
  char etag[IK_ETAG_MAX + 1]; /* strong, of the image being received, or "" */
  struct ik_backoff backoff;
  uint32_t tries;      /* that failed, in all */
  uint32_t redirects;  /* in a row */
  uint32_t shorts;     /* ranges in a row that were shorter than asked and brought no progress */
  uint32_t renewals;   /* URLs in a row that brought no progress */
  uint64_t wait_until; /* in state URL: no new URL is asked for before */
  uint64_t renew_until;
  uint64_t ends_at;  /* UINT64_MAX: never */
  uint64_t activity; /* when the last thing happened that idle time is counted from */
  uint64_t speed_since;
  uint64_t speed_bytes;
  int error;
  char detail[IOTKIT_DETAIL_MAX];
};

/*
 * Resolved options, no zero stands for a default. IK_EURL, IK_EURL_SCHEME, IK_ETLS_REQUIRED,
 * IK_EHOST_NOT_ALLOWED, IK_ENO_MEMORY; then nothing is owned.
 */
int ik_transfer_init(struct ik_transfer *transfer, const struct ik_transfer_options *options,
                     const char *url, uint64_t size, char *detail);
void ik_transfer_free(struct ik_transfer *transfer);
/* The clock starts; bytes before `offset` are there already. Before the first event. */
void ik_transfer_begin(struct ik_transfer *transfer, uint64_t offset, uint64_t now_ms);

/* ---- events; each may change the state ---- */

void ik_transfer_connected(struct ik_transfer *transfer, uint64_t now_ms);

/* Of a request, what the policy does not know. */
struct ik_transfer_sender {
  const char *user_agent;
  bool to_proxy; /* not to the server: the whole URL is the target */
  struct ik_str proxy_authorization;
};
/* Appends the request to send, in state REQUEST. The buffer's errors. */
int ik_transfer_request(struct ik_transfer *transfer, const struct ik_transfer_sender *sender,
                        struct ik_buf *out);
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
/*
 * The connection ended before a byte of the response. True: it was an old one that the server may
 * have closed at any time, and a new one is opened at once; else it is an error.
 */
bool ik_transfer_stale(struct ik_transfer *transfer);
/* Fails for good, whatever the state. */
void ik_transfer_fail(struct ik_transfer *transfer, int error, const char *detail);
/* In state URL: there is another URL of the same image. Fails if the policy forbids it. */
void ik_transfer_renew(struct ik_transfer *transfer, const char *url, uint64_t now_ms);
/* Time has passed: ends waiting, applies time-outs and the low-speed limit. */
void ik_transfer_tick(struct ik_transfer *transfer, uint64_t now_ms, uint32_t random);
/* Nobody received for `away_ms` (the consumer was busy): that was not the server's idleness. */
void ik_transfer_resume(struct ik_transfer *transfer, uint64_t away_ms);
/* Paused for `paused_ms`: no time-out at all ran. */
void ik_transfer_paused(struct ik_transfer *transfer, uint64_t paused_ms);

/* When to tick at the latest; UINT64_MAX: never. */
uint64_t ik_transfer_deadline(const struct ik_transfer *transfer);

/* ---- side by side ---- */

/*
 * A transfer for the bytes from `from` up to `end` of the image. It begins where the image's was
 * announced and counts its tries with it. Any answer but that range, any error that waiting does not
 * mend, and any before its first byte is FAILED. The image's transfer outlives it. IK_ENO_MEMORY;
 * then nothing is owned.
 */
int ik_transfer_init_piece(struct ik_transfer *piece, struct ik_transfer *image, uint64_t from,
                           uint64_t end);
/* A DONE piece goes on with the next bytes, on the same connection if it can carry them. */
void ik_transfer_next_piece(struct ik_transfer *piece, uint64_t from, uint64_t end,
                            uint64_t now_ms);
/* State LANES begins: the image's transfer gives the body it is receiving to a new piece. */
void ik_transfer_split(struct ik_transfer *image, struct ik_transfer *piece, uint64_t now_ms);
/* In state LANES: the next `len` bytes are handed out. */
void ik_transfer_handed_out(struct ik_transfer *image, size_t len);
/* State LANES ends: the rest comes over one connection again. */
void ik_transfer_unite(struct ik_transfer *image);

/* ---- between transfer.c and transfer_answer.c ---- */

bool ik_transfer_has_ended(const struct ik_transfer *transfer);
/* Prefixes the host, which the parsers do not know. */
void ik_transfer_fail_at_host(struct ik_transfer *transfer, int error, const char *what);
/* Waits for another try, at least `least_ms`; or gives up with the error. */
void ik_transfer_retry(struct ik_transfer *transfer, int error, const char *detail,
                       uint64_t least_ms, uint64_t now_ms, uint32_t random);
/* Counts a failed try; false: there may be no other at all. */
bool ik_transfer_count_try(struct ik_transfer *transfer);
/* Whether there may be another after so many without progress. */
bool ik_transfer_has_retries(const struct ik_transfer *transfer);
/* Takes over the URL. IK_ETLS_REQUIRED, IK_EHOST_NOT_ALLOWED: then nothing has changed. */
int ik_transfer_set_url(struct ik_transfer *transfer, struct ik_url *url, char *detail);

#endif
