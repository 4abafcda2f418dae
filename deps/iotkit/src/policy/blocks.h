/*
 * blocks.h - the policy of a download in blocks over MQTT: the caller reports the replies that
 * arrive, the policy says which block to request next. Pure, as transfer.h says of this room.
 *
 * A window of ranges is in flight, each for the bytes after those of the range before it. A block
 * that arrives early is held until all bytes before it have arrived, so bytes are handed out in
 * order and without gaps. Blocks grow while replies are quick, and shrink when replies are slow or
 * refused.
 *
 * Requests that stay without a reply, or that a busy platform refuses, may have come too many at a
 * time: from then on one is under way at a time, at a distance from the one before. Good blocks
 * bring the distance down and the window up again step by step; what fails after that makes the
 * next steps take longer. Only where a single request is lost the distance grows and blocks shrink.
 *
 * Ownership: the policy owns the bytes that it holds; the buffer to hand out into is the caller's,
 * on loan between lend and take_back. Thread: any, one at a time.
 */
#ifndef IK_POLICY_BLOCKS_H
#define IK_POLICY_BLOCKS_H

#include "alink/block_reply.h"
#include "base/backoff.h"
#include "base/limits.h"
#include "iotkit_errors.h"
#include "policy/patience.h"

#define IK_BLOCKS_WINDOW 4u   /* ranges that are requested or held at a time */
#define IK_BLOCK_MIN 256u     /* the platform gives no smaller block, except the last */
#define IK_BLOCK_MAX 131072u  /* nor a larger one */
#define IK_BLOCK_FIRST 16384u /* the size that a download starts with */
#define IK_BLOCK_REPLY_MAX (IK_BLOCK_MAX + IK_BLOCK_REPLY_OVERHEAD)

struct ik_blocks_options {
  uint64_t size;                /* of the image */
  uint64_t offset;              /* the first byte wanted */
  uint32_t block_max;           /* largest the client can receive; IK_BLOCK_MIN to IK_BLOCK_MAX */
  uint32_t response_timeout_ms; /* longest wait for one reply */
  uint32_t idle_timeout_ms;     /* likewise; each such time without a connection is a failure */
  uint32_t patience_ms;         /* without a good block, then a failure is the last; likewise */
  uint32_t max_retries;         /* failures in a row; UINT32_MAX: no limit */
  uint32_t max_tries;           /* repeated requests in all; UINT32_MAX: no limit */
  uint32_t retry_min_ms;
  uint32_t retry_max_ms;
  uint32_t total_timeout_ms; /* 0: none */
};

enum ik_blocks_state {
  IK_BLOCKS_FETCHING, /* request blocks and take in replies → DONE, FAILED */
  IK_BLOCKS_DONE,     /* every byte was handed out; final                  */
  IK_BLOCKS_FAILED    /* `error` and `detail` say why; final               */
};

/*
 * WANTED → ASKED   a request for the bytes after `got` was published
 * ASKED → WANTED   no reply in time, a refusal or a bad block; or a good block smaller than the
 *                  range, the rest of which is wanted now
 * ASKED → HELD     the last bytes of the range arrived
 * WANTED → HELD    likewise, with the late reply to a request that counted as lost
 *
 * A range leaves the window when its last byte was handed out.
 */
enum ik_block_range_state {
  IK_BLOCK_RANGE_WANTED, /* a request is to be sent    → ASKED, HELD  */
  IK_BLOCK_RANGE_ASKED,  /* a reply is awaited         → WANTED, HELD */
  IK_BLOCK_RANGE_HELD    /* all its bytes have arrived → out of the window */
};

struct ik_block_request {
  uint32_t id;
  uint32_t size; /* 0: no request */
};

/* A range of the image; its bytes [taken, got) are in memory, relative to `offset`. */
struct ik_block_range {
  enum ik_block_range_state state;
  uint64_t offset; /* in the image */
  uint32_t size;
  uint32_t got;   /* bytes that have arrived */
  uint32_t taken; /* bytes that were handed out; <= got */
  uint32_t tries; /* requests for any of its bytes */
  /* the latest request for the bytes after `got`, and the one before: a late reply is good, too */
  struct ik_block_request requests[2];
  uint64_t asked_ms; /* when the latest request was published */
  uint64_t number;   /* of the latest request, counted over the whole download */
  uint8_t *data;     /* owned, `size` bytes; NULL: nothing had to be held */
};

struct ik_blocks {
  enum ik_blocks_state state;
  struct ik_blocks_options options;
  uint64_t offset; /* the next byte to hand out */
  uint64_t end;    /* of the window: the first byte after its last range */
  struct ik_block_range window[IK_BLOCKS_WINDOW]; /* in the order of the image, without gaps */
  size_t count;                                   /* ranges in the window */
  size_t next;               /* index of the range that ik_blocks_next() named last */
  uint32_t block_size;       /* of the next requests */
  uint32_t block_size_max;   /* what it may grow to; refusals lower it */
  uint32_t good_blocks;      /* since block_size_max was last changed */
  uint32_t raise_after;      /* so many good blocks raise block_size_max again */
  uint32_t reply_timeout_ms; /* a request without a reply for so long is lost */
  uint32_t block_time_ms;    /* what a block takes: up at once, down on average */
  uint32_t window_max;       /* requests under way at a time, at most IK_BLOCKS_WINDOW */
  uint32_t distance_ms;      /* from one request to the next; 0: none */
  uint32_t calm_blocks;      /* good ones since window or distance were last changed */
  uint32_t calm_after;       /* so many of them are the next step back */
  bool stepped;              /* window or distance are what such a step has made them */
  uint64_t asked_ms;         /* when the latest request was published */
  struct ik_backoff backoff;
  struct ik_patience patience;
  uint32_t waits;            /* how often a failure was followed by a wait */
  uint32_t repeats;          /* requests that were repetitions, in all */
  uint64_t request_count;    /* in all */
  uint64_t failed_number;    /* request_count when the last failure was counted */
  uint64_t arrived_ms;       /* when the last good block arrived, or the fetch began */
  uint64_t wait_until_ms;    /* no request before */
  uint64_t offline_since_ms; /* when requests began to fail to be published; 0: they do not */
  uint32_t offline_wait_ms;  /* until the next one is attempted */
  uint64_t total_end_ms;     /* when the total time-out ends the fetch; UINT64_MAX: never */
  uint8_t *out;              /* on loan from the caller: where the next byte goes … */
  size_t room;               /* … and how many more fit */
  size_t given;              /* bytes written to `out` during this loan */
  int error;
  char detail[IOTKIT_DETAIL_MAX];
};

/* Nothing is owned before the first reply. */
void ik_blocks_init(struct ik_blocks *blocks, const struct ik_blocks_options *options,
                    uint64_t now_ms);
void ik_blocks_free(struct ik_blocks *blocks);

/* Lends the buffer that the next bytes of the image go into; held bytes are written immediately. */
void ik_blocks_lend(struct ik_blocks *blocks, void *buf, size_t len);
/* Ends the loan; returns how many bytes were written. */
size_t ik_blocks_take_back(struct ik_blocks *blocks);

/*
 * Names the block to request now; false: none. The caller then reports that the request was
 * published (asked), under an `id` never used before, or that it could not be (not_asked):
 * IK_ENOT_CONNECTED, IK_EQUEUE_FULL and IK_ENO_MEMORY are tried again, other errors end the fetch.
 * If it reports neither, the next call names the same block again.
 */
bool ik_blocks_next(struct ik_blocks *blocks, uint64_t now_ms, uint64_t *offset, uint32_t *size);
void ik_blocks_asked(struct ik_blocks *blocks, uint32_t id, uint64_t now_ms);
void ik_blocks_not_asked(struct ik_blocks *blocks, int error, uint64_t now_ms, uint32_t random);
/* A reply arrived. It is ignored if its id belongs to no request of the window. */
void ik_blocks_reply(struct ik_blocks *blocks, const uint8_t *payload, size_t len, uint64_t now_ms,
                     uint32_t random);
/* → FAILED, unless the fetch has ended. */
void ik_blocks_fail(struct ik_blocks *blocks, int error, const char *detail);
/* Time has passed: requests without a reply are lost, the total time-out ends the fetch. */
void ik_blocks_tick(struct ik_blocks *blocks, uint64_t now_ms, uint32_t random);
/* The caller took in no replies for `away_ms`: the platform was not slow meanwhile. */
void ik_blocks_extend_deadlines(struct ik_blocks *blocks, uint64_t away_ms);
/* The download was paused for `paused_ms`: the total time-out did not run either. */
void ik_blocks_paused(struct ik_blocks *blocks, uint64_t paused_ms);
/*
 * When ik_blocks_tick(), or after a wait ik_blocks_next(), must be called at the latest;
 * UINT64_MAX: never.
 */
uint64_t ik_blocks_deadline(const struct ik_blocks *blocks, uint64_t now_ms);

#endif
