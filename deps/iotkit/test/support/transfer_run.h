/*
 * transfer_run.h - the rig of the tests of policy/transfer: one transfer on a fake clock, and the
 * steps that its tests are made of. One transfer at a time, between start and stop.
 */
#ifndef TEST_TRANSFER_RUN_H
#define TEST_TRANSFER_RUN_H

#include "policy/transfer.h"

#define SIZE 1000 /* of the image, where a test does not say otherwise */
#define RUN_URL "https://h.example/f?k=secret"
#define LONGEST UINT32_MAX /* random bits: the longest wait */
#define WHOLE "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 1000\r\n\r\n"

extern uint64_t run_now_ms; /* the clock */
extern struct ik_transfer run_transfer;

/* Time-outs of 3 s (response) and 2 s (idle), three retries after waits of 100, 200, 300 ms. */
struct ik_transfer_options run_usual(void);

/* ---- start and stop ---- */

/* The usual options, URL and size, from byte 0. */
void run_start(void);
void run_start_with(const struct ik_transfer_options *options);
void run_start_url(const struct ik_transfer_options *options, const char *url);
/* An image of `size` bytes; the caller already has those before `offset`. */
void run_start_at(const struct ik_transfer_options *options, uint64_t size, uint64_t offset);
/* Asserts as well that no detail has named the secret in a URL. */
void run_stop(void);

/* ---- what happens on the network; random bits are LONGEST ---- */

/* Connects and sends the request; returns its text, valid until the next one. */
const char *run_send_request(void);
/* The same over a connection that is open already. */
const char *run_send_on(void);
/* A whole response head arrives; on Sun, 06 Nov 1994 08:49:37 by the wall clock. */
void run_respond(const char *head);
/* A 206 with bytes [first, end) of an image of `size` bytes, without an entity tag. */
void run_respond_range(uint64_t first, uint64_t end, uint64_t size);
/* Sends a request, which is redirected (302). */
void run_redirect_to(const char *location);
/* Bytes of the body arrive; returns how many of them are to be handed out. */
size_t run_receive(size_t len);
/* The body ends as framed, and the connection can carry another request. */
void run_end_body(void);
/* The connection is lost. */
void run_lose(int error);
/* A whole try: request, this head, `len` bytes that are handed out, then the connection is lost. */
void run_lose_at(const char *head, size_t len);
/* Time passes; then a tick. */
void run_pass(uint64_t ms);

/* ---- assertions ---- */

void run_assert_state(enum ik_transfer_state state);
/* The transfer waits for exactly `wait_ms`, which pass. */
void run_assert_waits(uint64_t wait_ms);
/* It has failed with `error`, and the detail names the host. */
void run_assert_failed(int error);

#endif
