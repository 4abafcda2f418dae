/*
 * transfer.h - the policy of a download over HTTP: the caller reports what happens on the network,
 * the policy says what to do next.
 *
 * The room policy/ decides how an image is downloaded: transfer.h over HTTP, blocks.h in blocks
 * over MQTT. It is pure: no I/O, no clock, no randomness; times and random bits are arguments. It
 * may include base/, http/, alink/ and public headers, and nothing that has an operating system in
 * it.
 *
 * The policy decides on requests and ranges, statuses, redirects, hosts, expired URLs, resuming,
 * starting over, waiting, time-outs and giving up. Every detail names the host and never the URL's
 * query, which may be a signature.
 *
 * A transfer is the download of an image over one connection at a time. To download over several
 * connections at once, each of them fetches ranges of the image with a transfer of its own
 * (ik_transfer_init_range). Meanwhile the image's transfer is in state RANGES and hands out the
 * bytes of the ranges in order.
 *
 * Ownership: a transfer owns its URLs; its options borrow their texts. Thread: any, one at a time
 * for an image and its ranges.
 */
#ifndef IK_POLICY_TRANSFER_H
#define IK_POLICY_TRANSFER_H

#include "base/backoff.h"
#include "base/endpoint.h"
#include "base/url.h"
#include "http/exchange.h"
#include "iotkit_errors.h"
#include "policy/patience.h"

#define IK_ETAG_MAX 256 /* a longer entity tag is not used */
/*
 * Any new byte makes waits short again and feeds the patience. But so many are needed, or the last
 * ones of the image or range, until failures and refusals are forgotten that are counted.
 */
#define IK_TRANSFER_PROGRESS (64 * IK_KIB)

struct ik_transfer_options {
  uint32_t response_timeout_ms;
  uint32_t idle_timeout_ms;
  uint32_t low_speed_bytes; /* per second; 0: off */
  uint32_t low_speed_ms;
  uint32_t patience_ms; /* without progress, then a failed try is the last; UINT32_MAX: no limit */
  uint32_t max_retries; /* in a row that brought less than IK_TRANSFER_PROGRESS; likewise */
  uint32_t max_tries;   /* failed ones in all; UINT32_MAX: no limit */
  uint32_t retry_min_ms;
  uint32_t retry_max_ms;
  uint32_t max_redirects;
  uint32_t total_timeout_ms; /* 0: none */
  uint32_t renew_timeout_ms; /* longest wait for another URL; UINT32_MAX: none is asked for */
  bool https_only;
  /* Bytes handed out cannot be taken back: an image with another beginning is an error. */
  bool no_rewind;
  /* more request fields, for the scheme, host and port announced first; NULL: none. Borrowed */
  const char *headers;
  const char *allowed_hosts; /* NULL: any. Borrowed */
};

enum ik_transfer_state {
  IK_TRANSFER_CONNECT, /* open a connection to `url`        → REQUEST, WAIT, FAILED             */
  IK_TRANSFER_REQUEST, /* send the request                  → HEAD, CONNECT, WAIT, FAILED       */
  IK_TRANSFER_HEAD,    /* receive the response head         → BODY, CONNECT, URL, WAIT, FAILED  */
  IK_TRANSFER_BODY,    /* receive the body → DONE, REQUEST, CONNECT, WAIT, RANGES, FAILED       */
  IK_TRANSFER_WAIT,    /* no connection until wait_until_ms → CONNECT, FAILED                   */
  IK_TRANSFER_URL,     /* no connection until another URL   → CONNECT, FAILED                   */
  IK_TRANSFER_RANGES,  /* several connections fetch ranges  → DONE, CONNECT, WAIT, FAILED       */
  IK_TRANSFER_DONE,    /* every byte was handed out; final, but of a range → REQUEST, CONNECT   */
  IK_TRANSFER_FAILED   /* `error` and `detail` say why; final                                   */
};

/*
 * What the flags mean together:
 *
 *   redirected  same_origin  the request goes to
 *   no          yes          the announced URL, with the user's header fields
 *   yes         yes          a place of the same scheme, host and port, with these fields
 *   any         no           any other place, also by a renewed URL: without these fields
 *
 *   no_range    wanted_end   the request asks for
 *   yes         any          the whole image: the server refused the range
 *   no          <= offset    everything from `offset` on
 *   no          > offset     [offset, wanted_end)
 *
 *   reused      the connection closes before the first byte of the response
 *   no          an error, which counts as a failed try
 *   yes         no error: the server closed an idle connection, a new one is opened immediately
 *
 *   image       got_bytes    after an error of the connection that a wait may mend
 *   NULL        any          another try
 *   a range's   yes          another try
 *   a range's   no           FAILED: it may be one connection more than the server allows
 */
struct ik_transfer {
  enum ik_transfer_state state;
  struct ik_transfer_options options;
  struct ik_transfer *image; /* of a range: the transfer of its image, borrowed; else NULL */
  char *announced_url;       /* each new try starts there */
  char *first_url;           /* the one announced first: where header fields may go */
  struct ik_url url;         /* to connect to now: as announced, or where that redirected to */
  bool redirected;           /* `url` is not the announced one */
  bool same_origin;          /* `url` has the scheme, host and port that were announced first */
  uint64_t size;             /* of the image, as announced */
  uint64_t offset;           /* the next byte to hand out */
  /* position in the image of the next byte of the body; below `offset` while bytes are skipped */
  uint64_t body_offset;
  uint64_t body_end;    /* where the body must end */
  uint64_t end;         /* where the fetch ends: the size, or the end of the range */
  uint64_t high_water;  /* the furthest offset so far: bytes beyond it are new */
  uint64_t new_bytes;   /* since failures were last forgotten */
  uint64_t wanted_end;  /* the next request asks for no byte from here on; 0: no such limit */
  uint64_t range_start; /* the current request asks for the bytes from here … */
  uint64_t range_end;   /* … up to here, exclusive; 0: to the end of the image */
  bool no_range;        /* ask for the whole image: the range was refused */
  bool asked_whole;     /* that was done since the last progress */
  bool gives_ranges;    /* it answered a range of this image as it should */
  uint32_t refusals;    /* of a range, in a row, by statuses that a wait may mend */
  /*
   * The body repeats bytes that are there already. They are skipped and compared; where they agree
   * it goes on after them.
   */
  bool compares;
  bool differs;      /* they do not agree: the rest is skipped, too, and its size decides */
  bool length_known; /* the response told the length of its body, and it fits */
  bool mixed;        /* bytes of answers that did not prove to be of the same image */
  uint32_t random;   /* the random bits of the last head */
  bool total_known;  /* the body is a range, and its Content-Range named the announced size */
  bool got_bytes;    /* at least one byte of a body has arrived */
  bool reused;       /* the connection has carried a request before the current one */
  bool reusable;     /* DONE: the connection can carry another request */
  char etag[IK_ETAG_MAX + 1]; /* strong, of the image being received, or "" */
  struct ik_backoff backoff;
  struct ik_patience patience; /* of the image, with the bytes of its ranges */
  uint32_t failures;           /* tries that have failed since IK_TRANSFER_PROGRESS bytes came */
  uint32_t waits;              /* how often WAIT was entered: the caller may tell the user */
  uint32_t tries;              /* failed ones, in all */
  uint32_t redirects;          /* in a row */
  uint32_t short_ranges;       /* in a row, each shorter than asked for and without progress */
  uint32_t renewals;           /* URLs in a row that brought no progress */
  uint64_t wait_until_ms;      /* WAIT: the next try; URL: no new URL is asked for before */
  uint64_t renew_until_ms;     /* URL: when it gives up */
  uint64_t total_end_ms;       /* when the total time-out ends the fetch; UINT64_MAX: never */
  uint64_t last_activity_ms;   /* the last event that response and idle time-outs count from */
  uint64_t speed_since_ms;     /* when the current measurement of the speed began … */
  uint64_t speed_bytes;        /* … and the bytes since */
  int error;
  char detail[IOTKIT_DETAIL_MAX];
};

/*
 * `options` are resolved: no zero stands for a default. Returns 0, or IK_EURL, IK_EURL_SCHEME,
 * IK_ETLS_REQUIRED, IK_EHOST_NOT_ALLOWED, IK_ENO_MEMORY; after an error nothing is owned.
 */
int ik_transfer_init(struct ik_transfer *transfer, const struct ik_transfer_options *options,
                     const char *url, uint64_t size, char *detail);
void ik_transfer_free(struct ik_transfer *transfer);
/* Starts the clock; the caller already has the bytes before `offset`. Call it before any event. */
void ik_transfer_begin(struct ik_transfer *transfer, uint64_t offset, uint64_t now_ms);

/* ---- events; each may change the state ---- */

void ik_transfer_connected(struct ik_transfer *transfer, uint64_t now_ms);
/* As ik_transfer_connected(), by a connection that has carried another request before. */
void ik_transfer_reconnected(struct ik_transfer *transfer, uint64_t now_ms);

/* What a request needs and the policy does not know. */
struct ik_transfer_sender {
  const char *user_agent;
  bool to_proxy; /* the request goes to a proxy: its target is the whole URL */
  struct ik_str proxy_authorization;
};
/* In state REQUEST: appends the request to send. Returns 0 or the buffer's error. */
int ik_transfer_request(struct ik_transfer *transfer, const struct ik_transfer_sender *sender,
                        struct ik_buf *out);
void ik_transfer_sent(struct ik_transfer *transfer, uint64_t now_ms);
/* The response head in `exchange` is complete. `wall_ms`: wall clock, to read dates with. */
void ik_transfer_head(struct ik_transfer *transfer, const struct ik_http_exchange *exchange,
                      uint64_t now_ms, uint64_t wall_ms, uint32_t random);
/*
 * `len` bytes of the body arrived. The first *skip of them are not to be handed out: they are there
 * already, or are of no use; hand out the next *take, at the `offset` from before the call. A body
 * longer than it may be → FAILED, or WAIT if it would have to be another image; *take is 0.
 */
void ik_transfer_bytes(struct ik_transfer *transfer, size_t len, uint64_t now_ms, size_t *skip,
                       size_t *take);
/*
 * While `compares` the caller pushes no byte beyond `offset`. There it says whether all bytes of
 * the body so far are the ones handed out before.
 */
void ik_transfer_compared(struct ik_transfer *transfer, bool same);
/* The body ended where its framing says. `reusable`: the connection can carry another request. */
void ik_transfer_end(struct ik_transfer *transfer, bool reusable, uint64_t now_ms, uint32_t random);
/* The connection or the response failed: try again after a wait, or fail if no try can help. */
void ik_transfer_error(struct ik_transfer *transfer, int error, const char *detail, uint64_t now_ms,
                       uint32_t random);
/*
 * The connection closed before the first byte of the response. True: it was a reused one, which the
 * server may close at any time; the state is CONNECT. False: report it as an error.
 */
bool ik_transfer_stale(struct ik_transfer *transfer);
/* Fails for good, whatever the state. */
void ik_transfer_fail(struct ik_transfer *transfer, int error, const char *detail);
/* In state URL: goes on with another URL of the same image. → FAILED if the policy forbids it. */
void ik_transfer_renew(struct ik_transfer *transfer, const char *url, uint64_t now_ms);
/*
 * In state URL: there is no other URL; `why`, or "". If a range was refused, all is asked for once
 * at the URL that there is; else → FAILED.
 */
void ik_transfer_not_renewed(struct ik_transfer *transfer, const char *why, uint64_t now_ms);
/* Time has passed: ends a wait, applies time-outs and the low-speed limit. */
void ik_transfer_tick(struct ik_transfer *transfer, uint64_t now_ms, uint32_t random);
/* The caller did not receive for `away_ms` (it was busy): the server was not idle meanwhile. */
void ik_transfer_extend_deadlines(struct ik_transfer *transfer, uint64_t away_ms);
/* The download was paused for `paused_ms`: the total and the renewal time-out did not run. */
void ik_transfer_paused(struct ik_transfer *transfer, uint64_t paused_ms);

/* When ik_transfer_tick() must be called at the latest; UINT64_MAX: never. */
uint64_t ik_transfer_deadline(const struct ik_transfer *transfer);

/* ---- ranges over several connections ---- */

/*
 * Makes a transfer for the bytes [from, end) of the image. It starts at the announced URL and
 * counts its failed tries with the image's. It is FAILED by any response but that range, by any
 * error that a wait does not mend, and by any error before its first byte. The image's transfer
 * must outlive it. Returns 0 or IK_ENO_MEMORY; after an error nothing is owned.
 */
int ik_transfer_init_range(struct ik_transfer *range, struct ik_transfer *image, uint64_t from,
                           uint64_t end);
/* A DONE range continues with the bytes [from, end), on its connection if that is reusable. */
void ik_transfer_next_range(struct ik_transfer *range, uint64_t from, uint64_t end,
                            uint64_t now_ms);
/* Enters state RANGES: the image's transfer gives the body it is receiving to a new range. */
void ik_transfer_start_ranges(struct ik_transfer *image, struct ik_transfer *range,
                              uint64_t now_ms);
/* In state RANGES: the caller handed out the next `len` bytes of the image. */
void ik_transfer_handed_out(struct ik_transfer *image, size_t len);
/* Leaves state RANGES: the rest is fetched over one connection again. */
void ik_transfer_fall_back_to_one(struct ik_transfer *image);

/* ---- shared by the files transfer*.c ---- */

bool ik_transfer_has_ended(const struct ik_transfer *transfer);
/* The host that is asked now, as texts show it. */
struct ik_endpoint ik_transfer_host(const struct ik_transfer *transfer);
/*
 * `detail` after the name of the host, unless it has it already, as the details of the transport do. `out` has
 * room for IOTKIT_DETAIL_MAX bytes.
 */
void ik_transfer_name_host(const struct ik_transfer *transfer, const char *detail, char *out);
/* Fails with `what` after the name of the host, which the parsers do not know. */
void ik_transfer_fail_at_host(struct ik_transfer *transfer, int error, const char *what);
/* Waits `least_ms` or longer and tries again; or fails with the error if no try is left. */
void ik_transfer_retry(struct ik_transfer *transfer, int error, const char *detail,
                       uint64_t least_ms, uint64_t now_ms, uint32_t random);
/* Every byte is here; only the end of the chunked body or the FIN may be missing. */
bool ik_transfer_has_all_bytes(const struct ik_transfer *transfer);
/* The offset has advanced: after enough new bytes earlier failures no longer count. */
void ik_transfer_count_progress(struct ik_transfer *transfer);
/* Each try follows the redirects anew: where they lead may have changed. False: out of memory. */
bool ik_transfer_restart_url(struct ik_transfer *transfer);
/* Whether the current request asks for a range. */
bool ik_transfer_has_range(const struct ik_transfer *transfer);
/* Counts a failed try. False: `max_tries` is reached. */
bool ik_transfer_count_try(struct ik_transfer *transfer);
/*
 * No range of the image can be had, as the error says: asks once without a range, at once; later
 * after a wait.
 */
void ik_transfer_ask_whole(struct ik_transfer *transfer, int error, const char *detail,
                           uint64_t now_ms, uint32_t random);
/* False: the try that failed now was the last, by `max_retries` or by the patience. */
bool ik_transfer_may_retry(struct ik_transfer *transfer, uint64_t now_ms);
/* Counts a failure without progress; returns how long to wait. */
uint32_t ik_transfer_next_wait(struct ik_transfer *transfer, uint32_t random);
/* Takes over `url`. IK_ETLS_REQUIRED, IK_EHOST_NOT_ALLOWED: then the caller still owns it. */
int ik_transfer_set_url(struct ik_transfer *transfer, struct ik_url *url, char *detail);

#endif
