/*
 * blocks_run.h - one download in blocks on a fake clock with a platform that is the test, and the
 * steps that its tests are made of.
 */
#ifndef TEST_BLOCKS_RUN_H
#define TEST_BLOCKS_RUN_H

#include "ota/blocks.h"

#define IMAGE_MAX (600 * 1024)
#define LONGEST UINT32_MAX /* random bits: the longest wait */

struct request {
  uint32_t id;
  uint64_t offset;
  uint32_t size;
};

extern uint8_t br_image[IMAGE_MAX], br_got[IMAGE_MAX]; /* the platform's, and what was fetched */
extern struct ik_blocks br_blocks;
extern uint64_t br_now_ms;
extern struct request br_asked[]; /* not answered yet */
extern size_t br_asked_count;

/* Four tries, three of them repetitions, after waits of 100 ms to 1 s. */
struct ik_blocks_options br_usual(uint64_t size);
void br_start(const struct ik_blocks_options *options);
void br_stop(void);
/* Sends all that is wanted now. How many that was. */
size_t br_ask(void);
struct request br_take_asked(size_t index);

/* ---- replies, composed in a buffer; they return their length ---- */

size_t br_put_json(const char *json);
size_t br_compose(uint32_t id, uint64_t offset, uint32_t size, uint64_t file_length,
                  uint16_t crc_change);
/* What was composed arrives. */
void br_deliver(size_t len);
void br_answer(const struct request *request);
void br_answer_first(void);
void br_refuse(const struct request *request, unsigned code);

/* Lets the time pass until something is due. */
void br_pass(void);
void br_assert_failed(int error);

#endif
