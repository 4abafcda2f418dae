/*
 * blocks.h - an image that is asked for in blocks over MQTT: told what arrives, it says what to ask
 * for next.
 *
 * Several requests are in flight, each for the bytes behind those of the one before. A block that
 * arrives early is held until those before it are there, so bytes leave in order and without gaps.
 * The blocks grow while replies are quick, and shrink when they are slow, lost or refused. No I/O,
 * no clock, no randomness: times and random bits are arguments.
 */
#ifndef IK_OTA_BLOCKS_H
#define IK_OTA_BLOCKS_H

#include "base/backoff.h"
#include "base/limits.h"
#include "iotkit_errors.h"
#include "ota/block_reply.h"

#define IK_BLOCKS_WINDOW 4u  /* requests in flight, and pieces in memory */
#define IK_BLOCK_MIN 256u    /* the platform takes no smaller one but the last */
#define IK_BLOCK_MAX 131072u /* nor a larger one */
#define IK_BLOCK_FIRST 16384u
#define IK_BLOCK_REPLY_MAX (IK_BLOCK_MAX + IK_BLOCK_REPLY_OVERHEAD)

struct ik_blocks_options {
  uint64_t size;                /* of the image */
  uint64_t offset;              /* the first byte wanted */
  uint32_t block_max;           /* what the client can receive; IK_BLOCK_MIN to IK_BLOCK_MAX */
  uint32_t response_timeout_ms; /* the longest wait for one reply */
  uint32_t idle_timeout_ms;     /* likewise; offline as long is a failed try */
  uint32_t max_retries;         /* failures in a row; UINT32_MAX: any number */
  uint32_t max_tries;           /* requests that were repetitions; UINT32_MAX: any number */
  uint32_t retry_min_ms;
  uint32_t retry_max_ms;
  uint32_t total_timeout_ms; /* 0: none */
};

enum ik_blocks_state {
  IK_BLOCKS_FETCHING, /*                              → DONE, FAILED */
  IK_BLOCKS_DONE,     /* every byte was handed out; final */
  IK_BLOCKS_FAILED    /* `error` and `detail` say why; final */
};

enum ik_piece_state {
  IK_PIECE_WANTED, /* to be asked for → ASKED */
  IK_PIECE_ASKED,  /* a request is under way → WANTED, HELD */
  IK_PIECE_HELD    /* all of it is here */
};

struct ik_ask {
  uint32_t id;
  uint32_t size; /* 0: none */
};

/* A part of the image; its bytes [taken, got) are in memory. */
struct ik_piece {
  enum ik_piece_state state;
  uint64_t offset;
  uint32_t size;
  uint32_t got;
  uint32_t taken; /* handed out */
  uint32_t tries;
  struct ik_ask asks[2]; /* the last request for the bytes behind `got`, and the one before */
  uint64_t asked_ms;
  uint64_t number; /* of the last request, in the order of all */
  uint8_t *data;   /* owned; NULL: nothing had to be kept */
};

struct ik_blocks {
  enum ik_blocks_state state;
  struct ik_blocks_options options;
  uint64_t offset;                          /* the next byte to hand out */
  uint64_t end;                             /* the window's: the next byte that no piece has */
  struct ik_piece window[IK_BLOCKS_WINDOW]; /* by offset, without gaps */
  size_t count;
  size_t next;        /* index of what ik_blocks_next() said last */
  uint32_t block;     /* what is asked for at a time, now */
  uint32_t ceiling;   /* what it may grow to */
  uint32_t good;      /* blocks since a refusal lowered the ceiling, or since it was raised again */
  uint32_t probation; /* how many of them raise it */
  uint32_t patience;  /* ms; a reply that takes longer is lost */
  uint32_t service;   /* ms that a block takes, on average */
  struct ik_backoff backoff;
  uint32_t repeats;
  uint64_t number;        /* of requests so far */
  uint64_t failed_number; /* … when the last failure was counted */
  uint64_t arrived_ms;    /* the last good block, or the beginning */
  uint64_t wait_until;    /* nothing is asked for before */
  uint64_t offline_since; /* 0: not */
  uint32_t offline_wait_ms;
  uint64_t total_end_ms;
  uint8_t *out; /* lent by the caller */
  size_t room;
  size_t given; /* bytes put to `out` since it was lent */
  int error;
  char detail[IOTKIT_DETAIL_MAX];
};

/* Owns nothing yet. */
void ik_blocks_init(struct ik_blocks *blocks, const struct ik_blocks_options *options,
                    uint64_t now_ms);
void ik_blocks_free(struct ik_blocks *blocks);

/* Where bytes that are next in the image go; what is held is put there at once. */
void ik_blocks_lend(struct ik_blocks *blocks, void *buf, size_t len);
/* Ends the loan; returns how many bytes were put there. */
size_t ik_blocks_take_back(struct ik_blocks *blocks);

/*
 * What to ask for now; false: nothing. Then the caller says that it was asked for under an `id` not
 * used before, or that the request could not be published: IK_ENOT_CONNECTED, IK_EQUEUE_FULL and
 * IK_ENO_MEMORY are tried again, other errors end the fetch. Or neither: it is said again.
 */
bool ik_blocks_next(struct ik_blocks *blocks, uint64_t now_ms, uint64_t *offset, uint32_t *size);
void ik_blocks_asked(struct ik_blocks *blocks, uint32_t id, uint64_t now_ms);
void ik_blocks_not_asked(struct ik_blocks *blocks, int error, uint64_t now_ms, uint32_t random);
/* A reply arrived. One that answers nothing asked for is ignored. */
void ik_blocks_reply(struct ik_blocks *blocks, const uint8_t *payload, size_t len, uint64_t now_ms,
                     uint32_t random);
/* Fails for good, unless it has ended. */
void ik_blocks_fail(struct ik_blocks *blocks, int error, const char *detail);
/* Time has passed. */
void ik_blocks_tick(struct ik_blocks *blocks, uint64_t now_ms, uint32_t random);
/* Nobody looked for `away_ms`, or, if `paused`, the fetch stood still: no time-out ran. */
void ik_blocks_resume(struct ik_blocks *blocks, uint64_t away_ms, bool paused);
/* When to tick, or to ask what is next after a wait, at the latest; UINT64_MAX: never. */
uint64_t ik_blocks_deadline(const struct ik_blocks *blocks, uint64_t now_ms);

#endif
