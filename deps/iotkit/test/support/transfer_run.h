/*
 * transfer_run.h - one transfer on a fake clock, and the steps that its tests are made of.
 */
#ifndef TEST_TRANSFER_RUN_H
#define TEST_TRANSFER_RUN_H

#include "ota/transfer.h"

#define SIZE 1000
#define LONGEST UINT32_MAX /* random bits: the longest wait */
#define WHOLE "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 1000\r\n\r\n"

extern uint64_t run_now_ms; /* the clock */
extern struct ik_transfer run_transfer;

/* Time-outs of 3 s (response) and 2 s (idle), three tries after waits of 100, 200, 300 ms. */
struct ik_transfer_options run_usual(void);
void run_start_with(const struct ik_transfer_options *options, const char *url);
/* With an image of `size` bytes, of which `offset` are there. */
void run_start_at(const struct ik_transfer_options *options, const char *url, uint64_t size,
                  uint64_t offset);
void run_start(void);
void run_stop(void);
/* Connects and sends; the request's text, for a look at it. */
const char *run_send_request(void);
/* The same on a connection that is open already. */
const char *run_send_on(void);
/* A whole response head arrives; on Sun, 06 Nov 1994 08:49:37 by the wall clock. */
void run_answer(const char *head);
/* Bytes of the body arrive; how many of them are handed out. */
size_t run_receive(size_t len);
/* The connection is lost. */
void run_lose(int error);
/* The transfer waits, exactly `wait_ms`; they pass. */
void run_assert_waits(uint64_t wait_ms);
void run_assert_failed(int error);

#endif
