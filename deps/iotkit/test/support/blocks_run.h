/*
 * blocks_run.h - the rig of the tests of policy/blocks: one download on a fake clock, the test as
 * its platform, and the steps that the tests are made of. One download at a time, between start and
 * stop.
 */
#ifndef TEST_BLOCKS_RUN_H
#define TEST_BLOCKS_RUN_H

#include "policy/blocks.h"

#define IMAGE_MAX (600 * 1024)
#define LONGEST UINT32_MAX /* random bits: the longest wait */

struct request {
  uint32_t id;
  uint64_t offset;
  uint32_t size;
};

extern uint8_t br_image[IMAGE_MAX],
    br_got[IMAGE_MAX]; /* the platform's image, and the bytes fetched */
extern struct ik_blocks br_blocks;
extern uint64_t br_now_ms;
extern struct request br_asked[]; /* requests without a reply, in their order */
extern size_t br_asked_count;

/* Three retries, after waits of 100 ms to 1 s; any size of block. */
struct ik_blocks_options br_usual(uint64_t size);
/* Lends no buffer yet. */
void br_start(const struct ik_blocks_options *options);
/* Lends all of br_got as well. */
void br_start_lent(const struct ik_blocks_options *options);
void br_stop(void);

/* ---- requests ---- */

/* Publishes each request that is wanted now; returns how many. */
size_t br_ask(void);
/* Takes a request out of br_asked. */
struct request br_take_asked(size_t index);
/*
 * Publishes requests, and lets time pass while none is without a reply; then takes the first out of
 * br_asked. False: the fetch has ended.
 */
bool br_await_request(struct request *request);

/* ---- replies ---- */

/* Compose a reply in a buffer and return its length. */

size_t br_put_json(const char *json);
size_t br_compose(uint32_t id, uint64_t offset, uint32_t size, uint64_t file_length,
                  uint16_t crc_change);
/* The first `len` bytes of the buffer arrive. */
void br_deliver(size_t len);
/* A good reply arrives. */
void br_reply(const struct request *request);
/* Likewise, to the first request of br_asked, which it takes out. */
void br_reply_first(void);
void br_refuse(const struct request *request, unsigned code);

/* ---- time and assertions ---- */

/* Time passes until something is due; then a tick. */
void br_pass(void);
/* DONE, and the bytes from the first that was wanted are those of the image. */
void br_assert_done(void);
void br_assert_failed(int error);

#endif
