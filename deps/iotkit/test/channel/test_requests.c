/*
 * The questions that wait for an answer, over a client that is never connected: who gets which
 * answer, how many may wait, and what becomes of askers that go.
 */
#include "channel/requests.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alink/notice.h"
#include "channel/client_carrier.h"
#include "support/cm.h"
#include "support/offline_client.h"

#define OWN_MD5 "0123456789abcdef0123456789abcdef"
#define OTHER_MD5 "ffffffffffffffffffffffffffffffff"

/* Who asks for the image with OWN_MD5. */
struct asker {
  struct ik_request request; /* first: a pointer to it is one to the whole */
  bool gone;
  unsigned held, released;
  unsigned answers;
  bool noticed; /* the last answer was a notice */
  int error;
  char detail[IOTKIT_DETAIL_MAX];
};

static iotkit_mqtt_t *client;
static struct ik_client_carrier carrier;
static struct ik_line line;
static struct ik_requests requests;
static struct ik_announcement own, other;

static bool try_hold(struct ik_request *request) {
  struct asker *asker = (struct asker *)request;
  if (asker->gone) return false;
  asker->held++;
  return true;
}

static void release(struct ik_request *request) {
  ((struct asker *)request)->released++;
}

static bool matches(const struct ik_request *request, const struct ik_announcement *notice) {
  (void)request;
  return ik_announcement_url_of(notice, &own) != NULL;
}

static void answer(struct ik_request *request, const struct ik_announcement *notice, int error,
                   const char *detail) {
  struct asker *asker = (struct asker *)request;
  assert_int_equal(asker->held, asker->released + 1);
  asker->answers++;
  asker->noticed = notice != NULL;
  asker->error = error;
  snprintf(asker->detail, sizeof(asker->detail), "%s", detail);
}

static struct asker make_asker(void) {
  static const struct ik_request_ops operations = {try_hold, release, matches, answer};
  return (struct asker){.request = {&operations}};
}

static void parse(uint32_t id, const char *md5, struct ik_announcement *notice) {
  char json[512];
  snprintf(json, sizeof(json),
           "{\"code\":200,\"id\":\"%" PRIu32 "\",\"data\":{\"size\":5,\"version\":\"2\","
           "\"url\":\"http://127.0.0.1/f\",\"md5\":\"%s\"}}",
           id, md5);
  assert_int_equal(ik_notice_parse(ik_str(json), notice, NULL), 0);
}

static int setup(void **state) {
  (void)state;
  client = offline_client_new();
  parse(1, OWN_MD5, &own);
  parse(1, OTHER_MD5, &other);
  ik_requests_init(&requests, &line);
  ik_client_carrier_init(&carrier, client);
  return ik_line_init(&line, &carrier.face, "pk", "dn");
}

static int teardown(void **state) {
  (void)state;
  ik_requests_deinit(&requests);
  ik_line_deinit(&line);
  ik_announcement_free(&own);
  ik_announcement_free(&other);
  return iotkit_mqtt_free(client);
}

/* Asks, and returns the id of the message: the client is offline, which the request outlives. */
static uint32_t ask(struct asker *asker) {
  uint32_t id = ik_line_next_id(&line) + 1;
  assert_int_equal(ik_requests_ask(&requests, &asker->request, "MCU"), IK_ENOT_CONNECTED);
  return id;
}

static enum ik_reply reply(uint32_t id, const char *md5, int error, const char *detail) {
  struct ik_announcement notice;
  parse(id, md5, &notice);
  enum ik_reply result = ik_requests_reply(&requests, &notice, error, detail);
  ik_announcement_free(&notice);
  return result;
}

/* ---- asking ---- */

static void bounds_its_requests(void **state) {
  struct asker askers[IK_REQUESTS_MAX + 1];
  (void)state;
  for (size_t i = 0; i < COUNT(askers); i++) {
    askers[i] = make_asker();
    int rc = ik_requests_ask(&requests, &askers[i].request, "");
    assert_int_equal(rc, i < IK_REQUESTS_MAX ? IK_ENOT_CONNECTED : IK_EQUEUE_FULL);
  }
  ask(&askers[0]); /* replaces its own */
  ik_requests_forget(&requests, &askers[1].request);
  ik_requests_forget(&requests, &askers[1].request);
  ask(&askers[IK_REQUESTS_MAX]);
  assert_int_equal(requests.count, IK_REQUESTS_MAX);
}

static void a_new_question_replaces_the_old_one(void **state) {
  struct asker asker = make_asker();
  (void)state;
  uint32_t first = ask(&asker);
  uint32_t second = ask(&asker);
  assert_int_equal(requests.count, 1);
  assert_int_equal(reply(first, OWN_MD5, 0, ""), IK_REPLY_NOT_ASKED);
  assert_int_equal(reply(second, OWN_MD5, 0, ""), IK_REPLY_TAKEN);
  assert_int_equal(asker.answers, 1);
}

static void asks_nothing_once_the_line_is_closed(void **state) {
  struct asker asker = make_asker();
  (void)state;
  ik_mutex_lock(line.mutex);
  ik_line_begin_close(&line);
  ik_mutex_unlock(line.mutex);
  assert_int_equal(ik_requests_ask(&requests, &asker.request, ""), IK_ECLOSED);
  assert_int_equal(requests.count, 0);
  ik_line_end_close(&line);
}

/* ---- replies ---- */

static void a_reply_goes_to_who_asked(void **state) {
  struct asker askers[2] = {make_asker(), make_asker()};
  (void)state;
  uint32_t first = ask(&askers[0]);
  ask(&askers[1]);
  assert_int_equal(reply(first, OWN_MD5, 0, ""), IK_REPLY_TAKEN);
  assert_int_equal(askers[0].answers, 1);
  assert_true(askers[0].noticed);
  assert_int_equal(askers[0].released, 1);
  assert_int_equal(askers[1].answers, 0);
  assert_int_equal(reply(first, OWN_MD5, 0, ""), IK_REPLY_NOT_ASKED); /* once */
}

static void a_reply_may_be_about_another_image(void **state) {
  struct asker asker = make_asker();
  (void)state;
  assert_int_equal(reply(ask(&asker), OTHER_MD5, 0, ""), IK_REPLY_ANOTHER);
  assert_true(asker.noticed); /* which the asker sees itself */
}

static void a_reply_may_be_a_refusal(void **state) {
  struct asker asker = make_asker();
  (void)state;
  assert_int_equal(reply(ask(&asker), OWN_MD5, IK_ENOTICE_FIELD, "why"), IK_REPLY_TAKEN);
  assert_false(asker.noticed);
  assert_int_equal(asker.error, IK_ENOTICE_FIELD);
  assert_string_equal(asker.detail, "why");
}

static void a_reply_may_be_that_there_is_nothing(void **state) {
  struct asker asker = make_asker();
  struct ik_announcement notice;
  (void)state;
  parse(ask(&asker), OWN_MD5, &notice);
  notice.nothing = true;
  assert_int_equal(ik_requests_reply(&requests, &notice, 0, ""), IK_REPLY_TAKEN);
  assert_int_equal(asker.error, IK_EURL_EXPIRED);
  assert_non_null(strstr(asker.detail, "no such upgrade"));
  ik_announcement_free(&notice);
}

static void a_reply_for_an_asker_that_goes_is_taken(void **state) {
  struct asker asker = make_asker();
  (void)state;
  uint32_t id = ask(&asker);
  asker.gone = true; /* its last reference is gone, its request not taken back yet */
  assert_int_equal(reply(id, OWN_MD5, 0, ""), IK_REPLY_TAKEN);
  assert_int_equal(asker.answers, 0);
  assert_int_equal(asker.released, 0);
  assert_int_equal(requests.count, 0);
}

/* ---- pushes ---- */

static void keeps_a_request_that_could_not_be_sent(void **state) {
  struct asker asker = make_asker();
  (void)state;
  ask(&asker);
  assert_int_equal(reply(7, OWN_MD5, 0, ""), IK_REPLY_NOT_ASKED);
  assert_true(ik_requests_push(&requests, &own)); /* a push answers it */
  assert_false(ik_requests_push(&requests, &own));
  assert_int_equal(asker.answers, 1);
}

static void a_push_goes_to_all_who_asked_for_its_image(void **state) {
  struct asker askers[3] = {make_asker(), make_asker(), make_asker()};
  (void)state;
  for (size_t i = 0; i < COUNT(askers); i++)
    ask(&askers[i]);
  assert_false(ik_requests_push(&requests, &other));
  assert_int_equal(requests.count, COUNT(askers));
  askers[1].gone = true;
  assert_true(ik_requests_push(&requests, &own));
  assert_int_equal(askers[0].answers, 1);
  assert_int_equal(askers[1].answers, 0);
  assert_int_equal(askers[2].answers, 1);
  assert_int_equal(requests.count, 0);
}

/* ---- closing ---- */

static void fails_what_waits_when_the_line_closes(void **state) {
  struct asker askers[2] = {make_asker(), make_asker()};
  struct ik_requests_taken taken;
  (void)state;
  for (size_t i = 0; i < COUNT(askers); i++)
    ask(&askers[i]);
  ik_mutex_lock(line.mutex);
  ik_requests_take_all(&requests, &taken);
  ik_mutex_unlock(line.mutex);
  assert_int_equal(taken.count, 2);
  ik_requests_fail(&taken, IK_ECLOSED);
  for (size_t i = 0; i < COUNT(askers); i++) {
    assert_int_equal(askers[i].error, IK_ECLOSED);
    assert_int_equal(askers[i].released, 1);
  }
  assert_false(ik_requests_push(&requests, &own));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(bounds_its_requests),
      TEST(a_new_question_replaces_the_old_one),
      TEST(asks_nothing_once_the_line_is_closed),
      TEST(a_reply_goes_to_who_asked),
      TEST(a_reply_may_be_about_another_image),
      TEST(a_reply_may_be_a_refusal),
      TEST(a_reply_may_be_that_there_is_nothing),
      TEST(a_reply_for_an_asker_that_goes_is_taken),
      TEST(keeps_a_request_that_could_not_be_sent),
      TEST(a_push_goes_to_all_who_asked_for_its_image),
      TEST(fails_what_waits_when_the_line_closes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
