/*
 * Another URL for a download, over an uplink that the test plays, on a fake clock.
 */
#include "download/renewal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alink/notice.h"
#include "support/cm.h"

#define OWN_MD5 "0123456789abcdef0123456789abcdef"
#define OTHER_MD5 "ffffffffffffffffffffffffffffffff"

/* How long renewal.c waits for an answer, and until it asks again where it could not ask. */
#define NO_ANSWER_MS 10000
#define ASK_AGAIN_MS 2000

/* The channel: counts what is asked, and keeps the request that is pending. */
struct fake_uplink {
  struct ik_uplink face; /* first: a pointer to it is one to the whole */
  int ask_result;
  unsigned asked;
  unsigned forgotten;
  char module[32];
  struct ik_request *pending;
};

/* Who owns the renewal. */
struct holder {
  bool gone;
  unsigned held;
  unsigned released;
};

static struct fake_uplink uplink;
static struct holder holder;
static struct ik_fetch_setup setup_of;
static struct ik_control control;
static struct ik_renewal renewal;
static struct ik_renewal_step step;

static int ask(struct ik_uplink *face, struct ik_request *request, const char *module) {
  assert_ptr_equal(face, &uplink.face);
  uplink.asked++;
  uplink.pending = request;
  snprintf(uplink.module, sizeof(uplink.module), "%s", module);
  return uplink.ask_result;
}

static void forget(struct ik_uplink *face, struct ik_request *request) {
  assert_ptr_equal(face, &uplink.face);
  assert_ptr_equal(request, &renewal.request);
  uplink.forgotten++;
  uplink.pending = NULL;
}

static bool try_hold(void *ctx) {
  struct holder *it = ctx;
  if (it->gone) return false;
  it->held++;
  return true;
}

static void release(void *ctx) {
  struct holder *it = ctx;
  it->released++;
}

static void parse(const char *url, const char *md5, struct ik_announcement *announcement) {
  char json[512];
  snprintf(json, sizeof(json),
           "{\"code\":200,\"id\":\"1\",\"data\":{\"size\":5,\"version\":\"2\",\"module\":\"MCU\","
           "\"url\":\"%s\",\"md5\":\"%s\"}}",
           url, md5);
  assert_int_equal(ik_notice_parse(ik_str(json), announcement, NULL), 0);
}

static int setup(void **state) {
  static const struct ik_uplink_ops operations = {.ask = ask, .forget = forget};
  const struct ik_renewal_owner owner = {try_hold, release, &holder};
  (void)state;
  uplink = (struct fake_uplink){.face = {&operations}};
  holder = (struct holder){0};
  setup_of = (struct ik_fetch_setup){.uplink = &uplink.face};
  control = (struct ik_control){0};
  renewal = (struct ik_renewal){0};
  parse("http://h.example/old", OWN_MD5, &setup_of.announcement);
  assert_int_equal(ik_fetch_config_new(NULL, &setup_of.config, NULL), 0);
  assert_int_equal(ik_control_init(&control), 0);
  assert_int_equal(ik_control_make_wake(&control), 0);
  return ik_renewal_init(&renewal, &owner, &setup_of, &control);
}

static int teardown(void **state) {
  (void)state;
  ik_renewal_deinit(&renewal);
  ik_control_deinit(&control);
  ik_fetch_config_unref(setup_of.config);
  ik_announcement_free(&setup_of.announcement);
  return 0;
}

static char *copy_of(const char *url) {
  char *copy = ik_str_dup(ik_str(url));
  assert_non_null(copy);
  return copy;
}

/* The platform answers with a notice. */
static void answer(const char *url, const char *md5) {
  struct ik_announcement notice;
  parse(url, md5, &notice);
  renewal.request.ops->answer(&renewal.request, &notice, 0, "");
  ik_announcement_free(&notice);
}

static void answer_error(int error, const char *detail) {
  renewal.request.ops->answer(&renewal.request, NULL, error, detail);
}

static void assert_waits(uint64_t first_ms, uint64_t now_ms, uint64_t until_ms) {
  assert_int_equal(ik_renewal_advance(&renewal, first_ms, now_ms, &step), IK_RENEWAL_WAITS);
  assert_true(step.until_ms == until_ms);
  assert_null(step.url);
}

static void assert_url(const char *url) {
  assert_int_equal(ik_renewal_advance(&renewal, 100, 100, &step), IK_RENEWAL_URL);
  assert_string_equal(step.url, url);
  free(step.url);
  assert_false(ik_renewal_is_wanted(&renewal));
}

static void assert_refused(uint64_t now_ms, const char *why) {
  assert_int_equal(ik_renewal_advance(&renewal, 100, now_ms, &step), IK_RENEWAL_REFUSED);
  assert_string_equal(step.detail, why);
  assert_false(ik_renewal_is_wanted(&renewal));
}

static bool signalled(void) {
  struct ik_pollfd fd = {.fd = ik_wake_fd(control.wake), .interest = IOTKIT_READ};
  return ik_port_poll(&fd, 1, 0) > 0;
}

/* ---- asking ---- */

static void asks_when_it_is_due(void **state) {
  (void)state;
  assert_false(ik_renewal_is_wanted(&renewal));
  assert_waits(100, 50, 100);
  assert_true(ik_renewal_is_wanted(&renewal));
  assert_int_equal(uplink.asked, 0);
  assert_waits(100, 100, 100 + NO_ANSWER_MS);
  assert_int_equal(uplink.asked, 1);
  assert_string_equal(uplink.module, "MCU");
  assert_ptr_equal(uplink.pending, &renewal.request);
}

static void asks_again_without_an_answer(void **state) {
  (void)state;
  assert_waits(100, 100, 100 + NO_ANSWER_MS);
  assert_waits(100, 99 + NO_ANSWER_MS, 100 + NO_ANSWER_MS);
  assert_int_equal(uplink.asked, 1);
  assert_waits(100, 100 + NO_ANSWER_MS, 100 + 2 * NO_ANSWER_MS);
  assert_int_equal(uplink.asked, 2);
}

static void asks_again_soon_where_it_could_not_ask(void **state) {
  static const int results[] = {IK_ENOT_CONNECTED, IK_EQUEUE_FULL};
  uint64_t now_ms = 100;
  (void)state;
  for (size_t i = 0; i < COUNT(results); i++) {
    uplink.ask_result = results[i];
    assert_waits(100, now_ms, now_ms + ASK_AGAIN_MS);
    now_ms += ASK_AGAIN_MS;
  }
  uplink.ask_result = 0;
  assert_waits(100, now_ms, now_ms + NO_ANSWER_MS);
  assert_int_equal(uplink.asked, 3);
}

static void is_refused_where_the_channel_is_closed(void **state) {
  (void)state;
  uplink.ask_result = IK_ECLOSED;
  assert_refused(100, "the channel is closed");
  assert_int_equal(uplink.forgotten, 1);
}

static void is_refused_where_there_is_no_channel(void **state) {
  (void)state;
  setup_of.uplink = NULL;
  assert_refused(100, "");
}

static void waits_for_a_caller_who_wants_to_answer(void **state) {
  (void)state;
  setup_of.config->renew_by_caller = true;
  setup_of.uplink = NULL;
  assert_waits(100, 100, UINT64_MAX);
  ik_renewal_post_url(&renewal, copy_of("http://h.example/mine"));
  assert_false(ik_renewal_is_wanted(&renewal)); /* it is given, though not taken yet */
  assert_url("http://h.example/mine");
}

/* ---- answers ---- */

static void takes_the_url_of_the_answer(void **state) {
  (void)state;
  assert_waits(100, 100, 100 + NO_ANSWER_MS);
  assert_false(signalled());
  answer("http://h.example/new", OWN_MD5);
  assert_true(signalled());
  assert_url("http://h.example/new");
  assert_int_equal(uplink.forgotten, 1);
  assert_int_equal(uplink.asked, 1);
}

static void another_image_is_no_answer(void **state) {
  (void)state;
  assert_waits(100, 100, 100 + NO_ANSWER_MS);
  answer("http://h.example/new", OTHER_MD5);
  assert_refused(101, "the platform announces another image");
}

static void matches_its_own_image_alone(void **state) {
  struct ik_announcement notice;
  (void)state;
  parse("http://h.example/new", OWN_MD5, &notice);
  assert_true(renewal.request.ops->matches(&renewal.request, &notice));
  ik_announcement_free(&notice);
  parse("http://h.example/new", OTHER_MD5, &notice);
  assert_false(renewal.request.ops->matches(&renewal.request, &notice));
  ik_announcement_free(&notice);
}

static void says_why_it_was_refused(void **state) {
  (void)state;
  assert_waits(100, 100, 100 + NO_ANSWER_MS);
  answer_error(IK_EURL_EXPIRED, "there is none");
  assert_refused(101, "there is none");
  assert_waits(200, 150, 200); /* a new renewal: the old answer is gone */
  answer_error(IK_EURL_EXPIRED, NULL);
  assert_refused(201, iotkit_strerror(IK_EURL_EXPIRED));
}

/* The channel went while its answer was awaited: whether there is another way is seen by asking. */
static void asks_at_once_when_the_channel_closes(void **state) {
  (void)state;
  assert_waits(100, 100, 100 + NO_ANSWER_MS);
  answer_error(IK_ECLOSED, "");
  uplink.ask_result = IK_ECLOSED;
  assert_refused(101, "the channel is closed");
  assert_int_equal(uplink.asked, 2);
}

/* ---- URLs that are posted ---- */

static void a_url_that_nobody_wanted_is_kept(void **state) {
  (void)state;
  ik_renewal_post_url(&renewal, copy_of("http://h.example/first"));
  ik_renewal_post_url(&renewal, copy_of("http://h.example/second"));
  assert_false(ik_renewal_is_wanted(&renewal));
  assert_url("http://h.example/second");
  assert_int_equal(uplink.asked, 0);
  assert_waits(100, 50, 100); /* it was taken */
}

static void a_url_replaces_a_refusal(void **state) {
  (void)state;
  assert_waits(100, 100, 100 + NO_ANSWER_MS);
  answer_error(IK_EURL_EXPIRED, "there is none");
  ik_renewal_post_url(&renewal, copy_of("http://h.example/new"));
  assert_url("http://h.example/new");
}

static void what_is_never_taken_is_freed(void **state) {
  (void)state;
  ik_renewal_post_url(&renewal, copy_of("http://h.example/new"));
}

/* ---- its end and its owner ---- */

static void forgets_what_it_asked_when_it_ends(void **state) {
  (void)state;
  ik_renewal_end(&renewal);
  assert_int_equal(uplink.forgotten, 0); /* nothing was wanted */
  assert_waits(100, 100, 100 + NO_ANSWER_MS);
  ik_renewal_end(&renewal);
  ik_renewal_end(&renewal);
  assert_int_equal(uplink.forgotten, 1);
  assert_null(uplink.pending);
  assert_false(ik_renewal_is_wanted(&renewal));
}

static void is_held_by_its_owner(void **state) {
  struct ik_request *request = &renewal.request;
  (void)state;
  assert_true(request->ops->try_hold(request));
  request->ops->release(request);
  assert_int_equal(holder.held, 1);
  assert_int_equal(holder.released, 1);
  holder.gone = true;
  assert_false(request->ops->try_hold(request));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(asks_when_it_is_due),
      TEST(asks_again_without_an_answer),
      TEST(asks_again_soon_where_it_could_not_ask),
      TEST(is_refused_where_the_channel_is_closed),
      TEST(is_refused_where_there_is_no_channel),
      TEST(waits_for_a_caller_who_wants_to_answer),
      TEST(takes_the_url_of_the_answer),
      TEST(another_image_is_no_answer),
      TEST(matches_its_own_image_alone),
      TEST(says_why_it_was_refused),
      TEST(asks_at_once_when_the_channel_closes),
      TEST(a_url_that_nobody_wanted_is_kept),
      TEST(a_url_replaces_a_refusal),
      TEST(what_is_never_taken_is_freed),
      TEST(forgets_what_it_asked_when_it_ends),
      TEST(is_held_by_its_owner),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
