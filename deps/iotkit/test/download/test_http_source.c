/*
 * An image over HTTP as the fetch loop sees it, call by call of its contract, against servers in
 * memory. The other test_http_source_*.c fetch through a job.
 */
#include "download/http_source.h"

#include <stdio.h>
#include <string.h>

#include "support/cm.h"
#include "support/fake_web.h"
#include "support/http_server.h"

#define SIZE 1000u
#define STEPS_MAX 100

static uint8_t image[SIZE];
static uint8_t got[SIZE];
static struct fake_web web;
static struct ik_fetch_setup setup_of;
static struct ik_control control;
static struct ik_running_digest digest;
static struct ik_renewal renewal;
static struct ik_source *source;
static struct ik_call call;
static struct ik_outlet outlet;

/* ---- the rig ---- */

static void hand_out(void *ctx, struct ik_call *to, uint64_t offset, size_t len) {
  (void)ctx;
  assert_int_equal(offset, to->start + to->got);
  assert_int_equal(ik_running_digest_update(&digest, offset, to->buf + to->got, len), 0);
  to->got += len;
}

static bool never_held(void *ctx) {
  (void)ctx;
  return false;
}

static void released(void *ctx) {
  (void)ctx;
  fail();
}

static char url[] = "http://h.example/f";

static int setup(void **state) {
  const struct ik_renewal_owner owner = {never_held, released, NULL};
  const struct iotkit_fetch_options options = {.proxy = "", .retry_min_ms = 1, .retry_max_ms = 1};
  (void)state;
  for (size_t i = 0; i < SIZE; i++)
    image[i] = http_image_byte(i);
  web = (struct fake_web){.image = image, .size = SIZE, .answer = fake_web_serve, .rng = {1}};
  setup_of = (struct ik_fetch_setup){.dial = fake_web_dial, .dial_ctx = &web};
  setup_of.announcement.upgrade.url = url;
  setup_of.announcement.upgrade.size = SIZE;
  setup_of.announcement.upgrade.module = "";
  control = (struct ik_control){0};
  digest = (struct ik_running_digest){0};
  renewal = (struct ik_renewal){0};
  outlet = (struct ik_outlet){.hand_out = hand_out};
  assert_int_equal(ik_fetch_config_new(&options, &setup_of.config, NULL), 0);
  assert_int_equal(ik_control_init(&control), 0);
  assert_int_equal(ik_control_make_wake(&control), 0);
  assert_int_equal(ik_running_digest_init(&digest, IOTKIT_DIGEST_SHA256), 0);
  return ik_renewal_init(&renewal, &owner, &setup_of, &control);
}

static int teardown(void **state) {
  (void)state;
  if (source != NULL) source->ops->free(source);
  source = NULL;
  assert_int_equal(web.open, 0);
  ik_renewal_deinit(&renewal);
  ik_running_digest_deinit(&digest);
  ik_control_deinit(&control);
  ik_fetch_config_unref(setup_of.config);
  return 0;
}

static void open_at(uint64_t offset) {
  uint64_t now_ms = ik_port_now_ms();
  assert_int_equal(
      ik_http_source_new(&setup_of, &control, &digest, &renewal, offset, now_ms, &source, NULL), 0);
  call = (struct ik_call){.buf = got + offset,
                          .len = (size_t)(SIZE - offset),
                          .start = offset,
                          .now_ms = now_ms,
                          .deadline_ms = UINT64_MAX,
                          .outlet = &outlet};
}

static struct ik_source_status status(void) {
  struct ik_source_status now;
  source->ops->status(source, &now);
  return now;
}

/* As the fetch loop does. */
static void go_on(void) {
  uint64_t until_ms = call.deadline_ms;
  if (!source->ops->advance(source, &call, &until_ms)) source->ops->wait(source, &call, until_ms);
  source->ops->tick(source, call.now_ms);
}

static void go_to_the_end(void) {
  for (int i = 0; status().state == IK_SOURCE_OPEN; i++) {
    assert_true(i < STEPS_MAX);
    go_on();
  }
}

/* ---- fetching ---- */

static void brings_the_image(void **state) {
  (void)state;
  open_at(0);
  assert_int_equal(status().state, IK_SOURCE_OPEN);
  assert_int_equal(status().offset, 0);
  go_to_the_end();
  assert_int_equal(status().state, IK_SOURCE_DONE);
  assert_int_equal(status().offset, SIZE);
  assert_int_equal(call.got, SIZE);
  assert_memory_equal(got, image, SIZE);
}

static void goes_on_at_an_offset(void **state) {
  (void)state;
  assert_int_equal(ik_running_digest_update(&digest, 0, image, 400), 0);
  memcpy(got, image, 400);
  open_at(400);
  assert_int_equal(status().offset, 400);
  go_to_the_end();
  assert_int_equal(call.got, SIZE - 400);
  assert_memory_equal(got, image, SIZE);
  assert_int_equal(web.sent, SIZE - 400);
}

static void without_length(struct fake_web *to, const struct fake_request *request,
                           struct fake_answer *answer) {
  fake_web_serve(to, request, answer);
  snprintf(answer->head, sizeof(answer->head), "HTTP/1.1 200 OK\r\n\r\n");
  answer->close = true;
}

static void reports_that_only_the_end_is_missing(void **state) {
  (void)state;
  web.answer = without_length;
  open_at(0);
  while (call.got < SIZE) {
    assert_false(status().end_missing);
    go_on();
  }
  assert_true(status().end_missing);
  assert_int_equal(status().state, IK_SOURCE_OPEN);
  go_to_the_end();
  assert_int_equal(status().state, IK_SOURCE_DONE);
}

static void again_from_the_start(struct fake_web *to, const struct fake_request *request,
                                 struct fake_answer *answer) {
  struct fake_request whole = *request;
  whole.has_range = false;
  fake_web_serve(to, &whole, answer);
  if (request->index == 0) answer->cut = SIZE / 2;
}

/* The bytes that are there come again: they are compared, and it goes on after them. */
static void goes_on_after_a_body_from_the_start(void **state) {
  (void)state;
  web.answer = again_from_the_start;
  open_at(0);
  while (call.got < SIZE / 2)
    go_on();
  while (!status().compares)
    go_on();
  assert_int_equal(status().offset, SIZE / 2);
  go_to_the_end();
  assert_int_equal(status().state, IK_SOURCE_DONE);
  assert_memory_equal(got, image, SIZE);
}

static void reports_that_the_image_begins_again(void **state) {
  (void)state;
  web.answer = again_from_the_start;
  open_at(0);
  while (call.got < SIZE / 2)
    go_on();
  assert_int_equal(status().offset, SIZE / 2);
  image[0] ^= 1; /* another image at that URL */
  while (status().offset != 0)
    go_on();
  call.got = 0; /* the next call */
  go_to_the_end();
  assert_int_equal(status().state, IK_SOURCE_DONE);
  assert_memory_equal(got, image, SIZE);
}

/* ---- failing ---- */

static void is_not_made_against_the_policy(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  setup_of.config->options.https_only = true;
  assert_int_equal(
      ik_http_source_new(&setup_of, &control, &digest, &renewal, 0, 0, &source, detail),
      IK_ETLS_REQUIRED);
  assert_non_null(strstr(detail, "h.example"));
}

static void not_found(struct fake_web *to, const struct fake_request *request,
                      struct fake_answer *answer) {
  (void)to;
  (void)request;
  fake_web_status(answer, "404 Not Found", "");
}

static void reports_why_it_failed(void **state) {
  (void)state;
  web.answer = not_found;
  open_at(0);
  go_to_the_end();
  assert_int_equal(status().state, IK_SOURCE_FAILED);
  assert_int_equal(status().error, IK_EHTTP_STATUS);
  assert_non_null(strstr(status().detail, "404 Not Found"));
  assert_int_equal(call.got, 0);
}

static void expired(struct fake_web *to, const struct fake_request *request,
                    struct fake_answer *answer) {
  (void)to;
  (void)request;
  fake_web_status(answer, "403 Expired", "");
}

static void frees_a_renewal_that_it_waits_for(void **state) {
  (void)state;
  web.answer = expired;
  setup_of.config->renew_by_caller = true;
  open_at(0);
  for (int i = 0; !ik_renewal_is_wanted(&renewal); i++) {
    uint64_t until_ms = call.deadline_ms;
    assert_true(i < STEPS_MAX);
    source->ops->advance(source, &call, &until_ms);
  }
  source->ops->free(source);
  source = NULL;
  assert_false(ik_renewal_is_wanted(&renewal));
}

/* ---- pauses ---- */

static void a_pause_drops_what_is_being_opened(void **state) {
  (void)state;
  web.busy_one_in = 1; /* always */
  open_at(0);
  uint64_t until_ms = UINT64_MAX;
  assert_false(source->ops->advance(source, &call, &until_ms));
  assert_int_equal(web.open, 1);
  call.deadline_ms = 0;
  assert_int_equal(source->ops->wait_while_paused(source, &call), 0);
  assert_int_equal(web.open, 0);
  web.busy_one_in = 0;
  call.deadline_ms = UINT64_MAX;
  go_to_the_end();
  assert_memory_equal(got, image, SIZE);
}

static void a_pause_keeps_what_is_open(void **state) {
  (void)state;
  open_at(0);
  call.len = 10;
  while (call.got < 10)
    go_on();
  call.deadline_ms = 0;
  assert_int_equal(source->ops->wait_while_paused(source, &call), 0);
  assert_int_equal(web.open, 1);
  call.len = SIZE;
  call.deadline_ms = UINT64_MAX;
  go_to_the_end();
  assert_int_equal(web.connections, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(brings_the_image),
      TEST(goes_on_at_an_offset),
      TEST(reports_that_only_the_end_is_missing),
      TEST(goes_on_after_a_body_from_the_start),
      TEST(reports_that_the_image_begins_again),
      TEST(is_not_made_against_the_policy),
      TEST(reports_why_it_failed),
      TEST(frees_a_renewal_that_it_waits_for),
      TEST(a_pause_drops_what_is_being_opened),
      TEST(a_pause_keeps_what_is_open),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
