/*
 * One connection of a download, step by step, against servers in memory.
 * test_http_connection_proxy.c has proxies over real sockets.
 */
#include "download/http_connection.h"

#include <string.h>

#include "iotkit_mqtt.h"
#include "support/cm.h"
#include "support/fake_web.h"
#include "support/http_server.h"

#define SIZE 1000u
#define STEPS_MAX 100

static uint8_t image[SIZE];
static uint8_t got[SIZE];
static struct fake_web web;
static struct ik_throttle throttle;
static struct ik_http_environment environment;
static struct ik_http_connection connection;
static uint64_t now_ms;

/* What was repeated, and what the comparison says. */
static struct {
  uint64_t bytes;
  int add_result;
  int result;
} repeated;

static int add_repeated(void *ctx, const uint8_t *data, size_t len, uint64_t body_offset) {
  assert_ptr_equal(ctx, &repeated);
  assert_int_equal(body_offset, repeated.bytes);
  assert_memory_equal(data, image + body_offset, len);
  repeated.bytes += len;
  return repeated.add_result;
}

static int compare_repeated(void *ctx, uint64_t offset) {
  assert_ptr_equal(ctx, &repeated);
  assert_int_equal(offset, repeated.bytes); /* not a byte more has come */
  return repeated.result;
}

static void always_whole(struct fake_web *to, const struct fake_request *request,
                         struct fake_answer *answer) {
  struct fake_request whole = *request;
  whole.has_range = false;
  fake_web_serve(to, &whole, answer);
}

static int setup(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE; i++)
    image[i] = http_image_byte(i);
  web = (struct fake_web){.image = image, .size = SIZE, .answer = fake_web_serve, .rng = {1}};
  memset(&throttle, 0, sizeof(throttle));
  memset(&connection, 0, sizeof(connection));
  memset(&repeated, 0, sizeof(repeated));
  memset(got, 0, sizeof(got));
  now_ms = 5000;
  environment = (struct ik_http_environment){.dial = fake_web_dial,
                                             .dial_ctx = &web,
                                             .throttle = &throttle,
                                             .add_repeated = add_repeated,
                                             .compare_repeated = compare_repeated,
                                             .ctx = &repeated};
  assert_int_equal(
      ik_fetch_config_new(&(struct iotkit_fetch_options){.proxy = ""}, &environment.config, NULL),
      0);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  ik_http_connection_deinit(&connection);
  ik_transfer_free(&connection.transfer);
  ik_throttle_deinit(&throttle);
  ik_fetch_config_unref(environment.config);
  assert_int_equal(web.open, 0);
  return 0;
}

static void start_at(uint64_t offset) {
  const struct ik_transfer_options options = {.response_timeout_ms = 3000,
                                              .idle_timeout_ms = 2000,
                                              .patience_ms = UINT32_MAX,
                                              .max_retries = 3,
                                              .max_tries = UINT32_MAX,
                                              .renew_timeout_ms = UINT32_MAX,
                                              .retry_min_ms = 100,
                                              .retry_max_ms = 300,
                                              .max_redirects = 5,
                                              .no_rewind = true};
  assert_int_equal(
      ik_transfer_init(&connection.transfer, &options, "http://h.example/f", SIZE, NULL), 0);
  ik_transfer_begin(&connection.transfer, offset, now_ms);
  ik_http_connection_init(&connection, &environment);
}

/* One step; the bytes of the body land at their place. */
static bool step(void) {
  uint64_t at = connection.transfer.offset;
  struct ik_http_step one = {got + at, (size_t)(SIZE - at), 0, now_ms};
  bool done = ik_http_connection_step(&connection, &one);
  if (connection.transfer.state != IK_TRANSFER_FAILED)
    assert_int_equal(connection.transfer.offset, at + one.got);
  return done;
}

/* Steps until the transfer is in that state. */
static void step_to(enum ik_transfer_state state) {
  for (int i = 0; connection.transfer.state != state; i++) {
    if (i == STEPS_MAX)
      fail_msg("state %d: %s", connection.transfer.state, connection.transfer.detail);
    step();
  }
}

/* ---- states ---- */

static void fetches_an_image_and_closes(void **state) {
  (void)state;
  start_at(0);
  assert_false(ik_http_connection_is_open(&connection));
  step_to(IK_TRANSFER_REQUEST);
  assert_true(ik_http_connection_is_open(&connection));
  step_to(IK_TRANSFER_HEAD);
  step_to(IK_TRANSFER_BODY);
  step_to(IK_TRANSFER_DONE);
  assert_memory_equal(got, image, SIZE);
  assert_false(ik_http_connection_is_open(&connection));
  assert_int_equal(web.open, 0);
  assert_int_equal(web.connections, 1);
}

static void comes_in_the_smallest_parts(void **state) {
  (void)state;
  web.read_most = 1;
  start_at(0);
  for (int i = 0; connection.transfer.state != IK_TRANSFER_DONE; i++) {
    assert_true(i < 10 * (int)SIZE);
    step();
  }
  assert_memory_equal(got, image, SIZE);
}

static void says_what_it_waits_for(void **state) {
  (void)state;
  web.busy_one_in = 1; /* always */
  start_at(0);
  assert_false(step());
  assert_true((connection.interest & IK_PENDING) != 0);
  web.busy_one_in = 0;
  step_to(IK_TRANSFER_REQUEST);
  web.busy_one_in = 1;
  assert_false(step());
  assert_true((connection.interest & IOTKIT_WRITE) != 0);
  web.busy_one_in = 0;
  step_to(IK_TRANSFER_HEAD);
  web.busy_one_in = 1;
  assert_false(step());
  assert_true((connection.interest & IOTKIT_READ) != 0);
}

/* ---- errors and time ---- */

static void tries_again_where_it_cannot_dial(void **state) {
  (void)state;
  web.dial_error = IK_ECONNECT;
  start_at(0);
  assert_true(step());
  assert_int_equal(connection.transfer.state, IK_TRANSFER_WAIT);
  assert_non_null(strstr(connection.transfer.detail, "cannot be dialled"));
  web.dial_error = 0;
  now_ms = ik_http_connection_deadline(&connection);
  ik_http_connection_tick(&connection, now_ms);
  step_to(IK_TRANSFER_DONE);
  assert_memory_equal(got, image, SIZE);
}

static void cut_in_half(struct fake_web *to, const struct fake_request *request,
                        struct fake_answer *answer) {
  fake_web_serve(to, request, answer);
  if (request->index == 0) answer->cut = SIZE / 2;
}

static void a_lost_connection_is_closed_and_its_bytes_are_kept(void **state) {
  (void)state;
  web.answer = cut_in_half;
  start_at(0);
  step_to(IK_TRANSFER_WAIT);
  assert_int_equal(web.open, 0);
  assert_int_equal(connection.transfer.offset, SIZE / 2);
  now_ms = ik_http_connection_deadline(&connection);
  ik_http_connection_tick(&connection, now_ms);
  step_to(IK_TRANSFER_DONE);
  assert_memory_equal(got, image, SIZE);
  assert_int_equal(web.sent, SIZE);
}

static void stall(struct fake_web *to, const struct fake_request *request,
                  struct fake_answer *answer) {
  fake_web_serve(to, request, answer);
  answer->stall = 10;
}

static void a_time_out_closes_it(void **state) {
  (void)state;
  web.answer = stall;
  start_at(0);
  step_to(IK_TRANSFER_BODY);
  while (step())
    continue;
  assert_int_equal(ik_http_connection_deadline(&connection), now_ms + 2000);
  ik_http_connection_tick(&connection, now_ms + 1999);
  assert_int_equal(web.open, 1);
  ik_http_connection_tick(&connection, now_ms + 2000);
  assert_int_equal(connection.transfer.state, IK_TRANSFER_WAIT);
  assert_int_equal(web.open, 0);
}

static void a_limit_makes_it_wait(void **state) {
  iotkit_limiter_t *limiters[IK_LIMITERS_MAX] = {NULL};
  uint64_t until_ms;
  (void)state;
  assert_int_equal(iotkit_limiter_new(1, &limiters[0]), 0);
  ik_throttle_init(&throttle, limiters);
  iotkit_limiter_unref(limiters[0]);
  while (ik_throttle_take(&throttle, SIZE, now_ms, &until_ms) > 0) /* what is allowed at once */
    continue;
  start_at(0);
  while (connection.throttled_until_ms == 0) {
    assert_true(connection.transfer.state < IK_TRANSFER_DONE);
    step();
  }
  assert_int_equal(connection.interest, 0); /* it does not wait for the server */
  assert_true(connection.throttled_until_ms > now_ms);
  assert_int_equal(ik_http_connection_deadline(&connection), connection.throttled_until_ms);
}

/* ---- bytes that come again ---- */

static void skips_what_was_handed_out(void **state) {
  (void)state;
  web.answer = always_whole;
  memcpy(got, image, 300);
  repeated.result = 1;
  start_at(300);
  step_to(IK_TRANSFER_DONE);
  assert_int_equal(repeated.bytes, 300);
  assert_memory_equal(got, image, SIZE);
}

/* With external_digest: another thread has not digested all that was handed out. */
static void waits_for_the_digest(void **state) {
  (void)state;
  web.answer = always_whole;
  memcpy(got, image, 300);
  repeated.result = IK_EAGAIN;
  start_at(300);
  while (connection.compare_at_ms == 0)
    step();
  assert_false(step());
  assert_int_equal(connection.interest, 0); /* it does not wait for the server */
  assert_int_equal(connection.compare_at_ms, ik_http_connection_deadline(&connection));
  repeated.result = 1;
  step_to(IK_TRANSFER_DONE);
  assert_int_equal(connection.compare_at_ms, 0);
  assert_memory_equal(got, image, SIZE);
}

static void other_bytes_end_the_transfer(void **state) {
  (void)state;
  web.answer = always_whole;
  start_at(300);
  step_to(IK_TRANSFER_FAILED);
  assert_int_equal(connection.transfer.error, IK_ECHANGED);
  assert_int_equal(web.open, 0);
}

static void so_does_a_digest_that_cannot_be_computed(void **state) {
  (void)state;
  web.answer = always_whole;
  repeated.add_result = IK_ENO_MEMORY;
  start_at(300);
  step_to(IK_TRANSFER_FAILED);
  assert_int_equal(connection.transfer.error, IK_ENO_MEMORY);
  teardown(state);
  setup(state);
  web.answer = always_whole;
  repeated.result = IK_ENO_MEMORY;
  start_at(300);
  step_to(IK_TRANSFER_FAILED);
  assert_int_equal(connection.transfer.error, IK_ENO_MEMORY);
}

/* ---- closing and moving ---- */

static void may_be_closed_at_any_time(void **state) {
  static const enum ik_transfer_state states[] = {IK_TRANSFER_CONNECT, IK_TRANSFER_REQUEST,
                                                  IK_TRANSFER_HEAD, IK_TRANSFER_BODY};
  for (size_t i = 0; i < COUNT(states); i++) {
    start_at(0);
    step_to(states[i]);
    ik_http_connection_disconnect(&connection);
    ik_http_connection_disconnect(&connection);
    assert_int_equal(web.open, 0);
    assert_int_equal(ik_buf_size(&connection.request), 0);
    teardown(state);
    setup(state);
  }
}

static void gives_its_transport_to_another(void **state) {
  struct ik_http_connection to;
  (void)state;
  memset(&to, 0, sizeof(to));
  ik_http_connection_init(&to, &environment);
  start_at(0);
  step_to(IK_TRANSFER_BODY);
  const struct ik_transport *transport = connection.transport;
  assert_non_null(transport);
  ik_http_connection_move(&connection, &to);
  assert_null(connection.transport);
  assert_ptr_equal(to.transport, transport);
  assert_int_equal(to.exchange.length, SIZE); /* of the head that was received on it */
  ik_http_connection_deinit(&to);
  assert_int_equal(web.open, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(fetches_an_image_and_closes),
      TEST(comes_in_the_smallest_parts),
      TEST(says_what_it_waits_for),
      TEST(tries_again_where_it_cannot_dial),
      TEST(a_lost_connection_is_closed_and_its_bytes_are_kept),
      TEST(a_time_out_closes_it),
      TEST(a_limit_makes_it_wait),
      TEST(skips_what_was_handed_out),
      TEST(waits_for_the_digest),
      TEST(other_bytes_end_the_transfer),
      TEST(so_does_a_digest_that_cannot_be_computed),
      TEST(may_be_closed_at_any_time),
      TEST(gives_its_transport_to_another),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
