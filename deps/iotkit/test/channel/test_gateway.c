/*
 * A gateway over a client on a fake clock: topology, logins and logouts, connections that break,
 * and the end. What the platform says by itself: test_gateway_inbox.c.
 */
#include "iotkit_gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cm.h"
#include "support/gateway_rig.h"

#define ONE(name) "{\"productKey\":\"pk\",\"deviceName\":\"" name "\"}"
#define ERROR_TOPIC "/ext/error/gpk/gdn"
#define CHANGE_TOPIC "/sys/gpk/gdn/thing/topo/change"
#define ERROR(code, name)                                                                          \
  "{\"id\":\"1\",\"code\":" code ",\"message\":\"no\",\"data\":" ONE(name) "}"
#define CHANGE(status, name)                                                                       \
  "{\"id\":\"1\",\"params\":{\"status\":" status ",\"subList\":[" ONE(name) "]}}"

static const struct iotkit_subdevice a = {
    .product_key = "pk", .device_name = "a", .device_secret = "sa"};
static const struct iotkit_subdevice three[] = {
    {.product_key = "pk", .device_name = "a", .device_secret = "sa"},
    {.product_key = "pk", .device_name = "b", .device_secret = "sb"},
    {.product_key = "pk", .device_name = "c", .device_secret = "sc"},
};

static int setup(void **state) {
  struct gateway_rig *rig = gr_new(NULL);
  gr_connect(rig);
  rig->said[0] = '\0';
  *state = rig;
  return 0;
}

static int teardown(void **state) {
  gr_free(*state);
  return 0;
}

static void login(struct gateway_rig *rig, const struct iotkit_subdevice *devices, size_t count) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  if (iotkit_gateway_login(rig->gateway, devices, count, detail) != 0) fail_msg("%s", detail);
  gr_run(rig);
}

static bool is_in(struct gateway_rig *rig, const char *name) {
  return iotkit_gateway_is_logged_in(rig->gateway, "pk", name);
}

/* ---- topology ---- */

static void subscribes_its_topics(void **state) {
  struct gateway_rig *rig = *state;
  static const char *const topics[] = {
      "/sys/gpk/gdn/thing/topo/add_reply",
      "/sys/gpk/gdn/thing/topo/delete_reply",
      "/sys/gpk/gdn/thing/topo/get_reply",
      "/sys/gpk/gdn/thing/list/found_reply",
      "/sys/gpk/gdn/thing/sub/register_reply",
      "/ext/session/gpk/gdn/combine/login_reply",
      "/ext/session/gpk/gdn/combine/batch_login_reply",
      "/ext/session/gpk/gdn/combine/logout_reply",
      "/ext/session/gpk/gdn/combine/batch_logout_reply",
      "/sys/gpk/gdn/thing/topo/add/notify",
      "/sys/gpk/gdn/thing/topo/change",
      "/ext/error/gpk/gdn",
      "/sys/gpk/gdn/thing/proxy/provisioning/product_register_reply",
      "/sys/gpk/gdn/thing/gateway/permit",
  };
  for (size_t i = 0; i < COUNT(topics); i++)
    if (strstr(rig->filters, topics[i]) == NULL) fail_msg("%s is missing", topics[i]);
  assert_null(strchr(rig->filters, '+')); /* what sub-devices get is not asked for by wildcards */
}

typedef int (*request_fn)(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                          size_t count, iotkit_gateway_answer_fn on_answer, void *ctx,
                          char *detail);

static int get(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices, size_t count,
               iotkit_gateway_answer_fn on_answer, void *ctx, char *detail) {
  (void)devices;
  (void)count;
  (void)detail;
  return iotkit_gateway_get(gateway, on_answer, ctx);
}

static int provision(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                     size_t count, iotkit_gateway_answer_fn on_answer, void *ctx, char *detail) {
  return iotkit_gateway_provision(gateway, "product secret", devices, count, on_answer, ctx,
                                  detail);
}

static void answers_each_request(void **state) {
  static const struct {
    request_fn request;
    const char *said;
    unsigned code;
    const char *data;
    const char *heard;
  } rows[] = {
      {iotkit_gateway_add, "add:a ", 200, "[" ONE("a") "]", "r:0:200:pk/a "},
      {iotkit_gateway_add, "add:a ", 401, "{}", "r:-1803:401 "},
      {iotkit_gateway_add, "add:a ", 6402, "{}", "r:-1801:6402 "},
      {iotkit_gateway_add, "add:a ", 429, "{}", "r:-1802:429 "},
      {iotkit_gateway_delete, "delete:a ", 200, "[" ONE("a") "]", "r:0:200:pk/a "},
      {iotkit_gateway_delete, "delete:a ", 6401, "{}", "r:-1806:6401 "},
      {iotkit_gateway_found, "found:a ", 200, "{}", "r:0:200 "},
      {iotkit_gateway_register, "register:a ", 200,
       "[{\"iotId\":\"i\",\"productKey\":\"pk\",\"deviceName\":\"a\",\"deviceSecret\":\"s1\"}]",
       "r:0:200:pk/a/s1 "},
      {provision, "product_register:a ", 200,
       "{\"successes\":[{\"productKey\":\"pk\",\"deviceName\":\"a\",\"deviceSecret\":\"s1\"}]}",
       "r:0:200:pk/a/s1 "},
      {iotkit_gateway_register, "register:a ", 6619, "{}", "r:-1807:6619 "},
      {get, "get ", 200, "[" ONE("a") "," ONE("b") "]", "r:0:200:pk/a:pk/b "},
      {get, "get ", 200, "{\"productKey\":1}", "r:-1502:0 "},
  };
  struct gateway_rig *rig = *state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    rig->code = rows[i].code;
    rig->data = rows[i].data;
    assert_int_equal(rows[i].request(rig->gateway, &a, 1, gr_on_answer, "r", NULL), 0);
    gr_run(rig);
    gr_assert_said(rig, rows[i].said);
    gr_assert_heard(rig, rows[i].heard);
  }
}

static void refuses_requests_that_cannot_be(void **state) {
  struct gateway_rig *rig = *state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct iotkit_subdevice bad = a;
  bad.device_secret = NULL;
  assert_int_equal(iotkit_gateway_add(rig->gateway, &bad, 1, gr_on_answer, "r", detail),
                   IK_EINVALID_ARGUMENT);
  assert_string_equal(detail, "device_secret is missing or empty");
  assert_int_equal(iotkit_gateway_delete(rig->gateway, &bad, 0, gr_on_answer, "r", detail),
                   IK_EINVALID_ARGUMENT);
  assert_string_equal(detail, "0 sub-devices, not 1 to 30");
  assert_int_equal(iotkit_gateway_add(NULL, &bad, 1, gr_on_answer, "r", detail),
                   IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_gateway_login(rig->gateway, &bad, 1, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_gateway_logout(rig->gateway, NULL, 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_gateway_get(NULL, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_false(iotkit_gateway_is_logged_in(NULL, "pk", "a"));
  gr_drop(rig);
  assert_int_equal(iotkit_gateway_get(rig->gateway, gr_on_answer, "r"), IK_ENOT_CONNECTED);
  gr_assert_heard(rig, "");
}

static void refuses_a_gateway_that_cannot_be(void **state) {
  struct gateway_rig *rig = *state;
  iotkit_gateway_t *gateway;
  char detail[IOTKIT_DETAIL_MAX] = "";
  const struct iotkit_gateway_options options = {.product_key = "pk", .device_name = "a/b"};
  assert_int_equal(iotkit_gateway_new(rig->client->client, &options, &gateway, detail),
                   IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "device_name has a character"));
  assert_null(gateway);
  assert_int_equal(iotkit_gateway_new(NULL, &options, &gateway, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_gateway_free(NULL), 0);
}

static void answers_what_is_lost_once(void **state) {
  struct gateway_rig *rig = *state;
  rig->code = 0;
  assert_int_equal(iotkit_gateway_get(rig->gateway, gr_on_answer, "late"), 0);
  gr_run(rig);
  gr_pass(rig, 9999);
  gr_assert_heard(rig, "");
  gr_pass(rig, 1);
  gr_assert_heard(rig, "late:-1009:0 ");
  assert_int_equal(iotkit_gateway_get(rig->gateway, gr_on_answer, "lost"), 0);
  gr_run(rig);
  gr_drop(rig);
  gr_assert_heard(rig, "lost:-1108:0 ");
  gr_connect(rig);
  assert_int_equal(iotkit_gateway_get(rig->gateway, gr_on_answer, "stopped"), 0);
  gr_run(rig);
  assert_int_equal(iotkit_mqtt_stop(rig->client->client), 0);
  gr_pass(rig, 5000);
  gr_assert_heard(rig, "stopped:-1004:0 ");
  assert_int_equal(iotkit_gateway_get(rig->gateway, gr_on_answer, "r"), IK_ECLOSED);
}

static void bounds_what_waits(void **state) {
  struct gateway_rig *rig = *state;
  rig->code = 0;
  for (int i = 0; i < 48; i++)
    assert_int_equal(iotkit_gateway_get(rig->gateway, NULL, NULL), 0);
  assert_int_equal(iotkit_gateway_get(rig->gateway, gr_on_answer, "r"), IK_EQUEUE_FULL);
  gr_run(rig);
  rig->code = 200;
  login(rig, &a, 1); /* has room of its own */
  assert_true(is_in(rig, "a"));
}

static void answers_at_its_end(void **state) {
  struct gateway_rig *rig = gr_new(NULL);
  char heard[64];
  (void)state;
  gr_connect(rig);
  rig->code = 0;
  assert_int_equal(iotkit_gateway_get(rig->gateway, gr_on_answer, "r"), 0);
  assert_int_equal(iotkit_gateway_free(rig->gateway), 0);
  snprintf(heard, sizeof(heard), "r:%d:0 ", IK_ECLOSED);
  gr_assert_heard(rig, heard);
  rig->gateway = NULL;
  gr_free(rig);
}

/* ---- logins ---- */

static void logs_in_one_and_many(void **state) {
  struct gateway_rig *rig = *state;
  login(rig, &a, 1);
  gr_assert_said(rig, "login:a ");
  gr_assert_heard(rig, "in:a ");
  assert_true(is_in(rig, "a"));
  assert_false(is_in(rig, "b"));
  assert_non_null(strstr(rig->filters, "/sys/pk/a/thing/disable "));
  assert_non_null(strstr(rig->filters, "/sys/pk/a/thing/delete "));
  assert_null(strstr(rig->filters, "/ota/device/upgrade/pk/a ")); /* it has no channel */
  login(rig, three, 3);
  gr_pass(rig, 100);
  assert_non_null(strstr(rig->said, "batch_login:b:c"));
  gr_assert_heard(rig, "in:b in:c ");
}

static void logs_in_again_after_each_reconnect(void **state) {
  struct gateway_rig *rig = *state;
  login(rig, three, 3);
  gr_run(rig);
  gr_pass(rig, 100);
  rig->heard[0] = rig->said[0] = '\0';
  for (int i = 0; i < 3; i++) {
    gr_drop(rig);
    assert_false(is_in(rig, "a"));
    rig->filters[0] = '\0';
    gr_connect(rig);
    gr_pass(rig, 100);
    assert_true(is_in(rig, "a") && is_in(rig, "b") && is_in(rig, "c"));
    assert_non_null(strstr(rig->said, "batch_login:"));
    assert_non_null(strstr(rig->filters, "/sys/pk/b/thing/disable "));
    rig->heard[0] = rig->said[0] = '\0';
  }
}

/* A login that was asked for when the connection broke counts for nothing. */
static void a_login_that_breaks_off_is_repeated(void **state) {
  struct gateway_rig *rig = *state;
  rig->code = 0;
  login(rig, &a, 1);
  gr_drop(rig);
  rig->code = 200;
  gr_assert_heard(rig, "");
  gr_connect(rig);
  gr_pass(rig, 100);
  gr_assert_heard(rig, "in:a ");
}

static void reports_why_one_is_refused(void **state) {
  static const struct {
    unsigned code;
    const char *heard;
  } rows[] = {
      {460, "refused:a:-1801:460:no "},   {428, "refused:a:-1808:428:no "},
      {6401, "refused:a:-1806:6401:no "}, {6100, "refused:a:-1804:6100:no "},
      {521, "refused:a:-1804:521:no "},   {522, "refused:a:-1805:522:no "},
      {6287, "refused:a:-1803:6287:no "},
  };
  struct gateway_rig *rig = *state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    rig->code = rows[i].code;
    login(rig, &a, 1);
    gr_pass(rig, 100000); /* it is not tried again by itself */
    gr_assert_said(rig, "login:a ");
    gr_assert_heard(rig, rows[i].heard);
  }
  rig->code = 200;
  gr_drop(rig);
  gr_connect(rig); /* but in another connection */
  gr_assert_heard(rig, "in:a ");
}

static void a_failed_batch_that_names_who_is_at_fault(void **state) {
  struct gateway_rig *rig = *state;
  rig->code = 6401;
  rig->culprit = "\"b\"";
  rig->data = "[" ONE("b") "]";
  login(rig, three, 3);
  gr_pass(rig, 1000);
  gr_assert_said(rig, "batch_login:a:b:c batch_login:a:c ");
  gr_assert_heard(rig, "refused:b:-1806:6401:no in:a in:c ");
}

static void a_failed_batch_that_names_several(void **state) {
  struct gateway_rig *rig = *state;
  rig->code = 6401;
  rig->culprit = "\"b\"";
  rig->data = "[" ONE("b") "," ONE("c") "]";
  login(rig, three, 3);
  gr_pass(rig, 1000);
  gr_assert_said(rig, "batch_login:a:b:c login:b login:a login:c ");
}

static void a_failed_batch_that_does_not_say_who_is_at_fault(void **state) {
  static const char *const rows[] = {"{}", "[" ONE("a") "," ONE("b") "," ONE("c") "]",
                                     "[" ONE("z") "]", "[1]", "\"b\""};
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct gateway_rig *rig = gr_new(NULL);
    gr_connect(rig);
    rig->code = 6401;
    rig->culprit = "\"b\"";
    rig->data = rows[i];
    login(rig, three, 3);
    gr_pass(rig, 1000);
    assert_non_null(strstr(rig->said, "batch_login:a:b:c login:"));
    assert_non_null(strstr(rig->heard, "refused:b:-1806:6401:no "));
    assert_true(is_in(rig, "a") && is_in(rig, "c") && !is_in(rig, "b"));
    assert_int_equal(rig->messages, 4);
    gr_free(rig);
  }
}

static void backs_off_when_it_is_throttled(void **state) {
  static const unsigned codes[] = {429, 500, 0}; /* 0: no answer */
  struct gateway_rig *rig = *state;
  for (size_t i = 0; i < COUNT(codes); i++) {
    rig->code = codes[i];
    login(rig, &three[i], 1);
    gr_pass(rig, 60000);
    /* Not at once, and ever later: 0.5 to 1 s, then up to 2, 4, 8, 16, 32 s. */
    assert_in_range(rig->messages, codes[i] == 0 ? 3 : 4, 20);
    assert_string_equal(rig->heard, "");
    rig->code = 200;
    gr_pass(rig, 80000);
    assert_true(is_in(rig, three[i].device_name));
    rig->heard[0] = '\0';
    rig->messages = 0;
  }
}

static void logs_out(void **state) {
  struct gateway_rig *rig = *state;
  login(rig, three, 3);
  gr_pass(rig, 100);
  rig->heard[0] = rig->said[0] = '\0';
  assert_int_equal(iotkit_gateway_logout(rig->gateway, &three[1], 1), 0);
  gr_run(rig);
  gr_assert_said(rig, "logout:b ");
  gr_assert_heard(rig, "out:b ");
  gr_pass(rig, 100);
  rig->code = 520; /* there is no session: as was wanted */
  assert_int_equal(iotkit_gateway_logout(rig->gateway, three, 3), 0);
  gr_pass(rig, 100);
  gr_assert_said(rig, "batch_logout:a:c ");
  gr_assert_heard(rig, "out:a out:c ");
  rig->code = 200;
  gr_drop(rig);
  gr_connect(rig);
  gr_pass(rig, 1000);
  gr_assert_said(rig, "");
  login(rig, &a, 1);
  gr_assert_heard(rig, "in:a ");
}

static void logs_out_what_is_being_logged_in(void **state) {
  struct gateway_rig *rig = *state;
  rig->code = 0;
  login(rig, &a, 1);
  assert_int_equal(iotkit_gateway_logout(rig->gateway, &a, 1), 0);
  gr_run(rig);
  gr_assert_said(rig, "login:a ");
  char reply[128];
  const unsigned id = gr_id(rig->payload);
  snprintf(reply, sizeof(reply), "{\"id\":%u,\"code\":\"200\",\"data\":" ONE("a") "}", id);
  rig->code = 200;
  gr_push(rig, "/ext/session/gpk/gdn/combine/login_reply", reply);
  gr_pass(rig, 100);
  gr_assert_said(rig, "logout:a ");
  gr_assert_heard(rig, "out:a ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(subscribes_its_topics),
      TEST(answers_each_request),
      TEST(refuses_requests_that_cannot_be),
      TEST(refuses_a_gateway_that_cannot_be),
      TEST(answers_what_is_lost_once),
      TEST(bounds_what_waits),
      cmocka_unit_test(answers_at_its_end),
      TEST(logs_in_one_and_many),
      TEST(logs_in_again_after_each_reconnect),
      TEST(a_login_that_breaks_off_is_repeated),
      TEST(reports_why_one_is_refused),
      TEST(a_failed_batch_that_names_who_is_at_fault),
      TEST(a_failed_batch_that_names_several),
      cmocka_unit_test(a_failed_batch_that_does_not_say_who_is_at_fault),
      TEST(backs_off_when_it_is_throttled),
      TEST(logs_out),
      TEST(logs_out_what_is_being_logged_in),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
