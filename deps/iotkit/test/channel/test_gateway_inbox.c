/*
 * What the platform says to a gateway by itself, over a client on a fake clock: sub-devices that are
 * disabled, enabled, deleted, kicked, proposed; and calls from inside the events.
 */
#include "iotkit_gateway.h"

#include <stdio.h>
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

static void follows_the_platform(void **state) {
  static const struct {
    const char *topic;
    const char *payload;
    const char *heard;
    const char *said;
    bool in;
  } rows[] = {
      {ERROR_TOPIC, ERROR("520", "a"), "out:a in:a ", "login:a ", true}, /* the session was lost */
      {CHANGE_TOPIC, CHANGE("8", "a"), "disabled:a ", "", false},
      {ERROR_TOPIC, ERROR("522", "a"), "", "", false}, /* the same once more */
      {CHANGE_TOPIC, CHANGE("2", "a"), "enabled:a in:a ", "login:a ", true},
      {"/sys/pk/a/thing/disable", "{\"id\":\"5\",\"params\":{}}", "disabled:a ", "disable_reply ",
       false},
      {"/sys/pk/a/thing/enable", "{\"id\":\"6\",\"params\":{}}", "enabled:a in:a ",
       "enable_reply login:a ", true},
      {"/sys/pk/a/thing/disable", "no JSON", "", "", true},
      {ERROR_TOPIC, ERROR("427", "a"), "kicked:a:-1809:427:no ", "", false},
      {CHANGE_TOPIC, CHANGE("2", "a"), "enabled:a ", "", false}, /* nobody wants it any more */
      {CHANGE_TOPIC, CHANGE("0", "n"), "created:n ", "", false},
      {CHANGE_TOPIC, CHANGE("1", "n"), "deleted:n ", "", false},
      {CHANGE_TOPIC, "{}", "", "", false},
      {ERROR_TOPIC, ERROR("6401", "n"), "refused:n:-1806:6401:no ", "", false},
      {"/sys/gpk/gdn/thing/topo/add/notify",
       "{\"id\":\"7\",\"params\":[" ONE("x") "," ONE("y") "]}", "wanted:x wanted:y ",
       "notify_reply ", false},
  };
  struct gateway_rig *rig = *state;
  login(rig, &a, 1);
  gr_pass(rig, 100);
  rig->heard[0] = rig->said[0] = '\0';
  for (size_t i = 0; i < COUNT(rows); i++) {
    gr_push(rig, rows[i].topic, rows[i].payload);
    gr_pass(rig, 100);
    if (strcmp(rig->heard, rows[i].heard) != 0 || strcmp(rig->said, rows[i].said) != 0 ||
        is_in(rig, "a") != rows[i].in)
      fail_msg("row %zu: heard \"%s\", said \"%s\"", i, rig->heard, rig->said);
    rig->heard[0] = rig->said[0] = '\0';
  }
}

static void a_deleted_one_is_not_logged_in_again(void **state) {
  static const struct {
    const char *topic;
    const char *payload;
  } rows[] = {
      {CHANGE_TOPIC, CHANGE("1", "a")},
      {ERROR_TOPIC, ERROR("521", "a")},
      {"/sys/pk/a/thing/delete", "{\"id\":\"5\"}"},
  };
  struct gateway_rig *rig = *state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    login(rig, &a, 1);
    gr_pass(rig, 100);
    gr_assert_heard(rig, "in:a ");
    gr_push(rig, rows[i].topic, rows[i].payload);
    gr_assert_heard(rig, "deleted:a ");
    rig->said[0] = '\0';
    gr_drop(rig);
    gr_connect(rig);
    gr_pass(rig, 1000);
    gr_assert_said(rig, "");
  }
}

static void what_it_deletes_is_logged_in_no_longer(void **state) {
  struct gateway_rig *rig = *state;
  login(rig, &a, 1);
  rig->data = "[" ONE("a") "]";
  assert_int_equal(iotkit_gateway_delete(rig->gateway, &a, 1, gr_on_answer, "r", NULL), 0);
  gr_run(rig);
  gr_assert_heard(rig, "in:a r:0:200:pk/a ");
  assert_false(is_in(rig, "a"));
}

/* Lost sessions are said once, and whoever logs out meanwhile need not wait for more. */
static void a_lost_session_is_said_once(void **state) {
  struct gateway_rig *rig = *state;
  login(rig, &a, 1);
  gr_pass(rig, 100);
  gr_assert_heard(rig, "in:a ");
  rig->code = 0; /* the next login is not answered */
  gr_push(rig, ERROR_TOPIC, ERROR("520", "a"));
  gr_push(rig, ERROR_TOPIC, ERROR("520", "a"));
  gr_assert_heard(rig, "out:a ");
  assert_false(is_in(rig, "a"));
  assert_int_equal(iotkit_gateway_logout(rig->gateway, &a, 1), 0);
  gr_push(rig, ERROR_TOPIC, ERROR("520", "a"));
  gr_push(rig, ERROR_TOPIC, ERROR("520", "n"));
  gr_assert_heard(rig, "");
}

/* ---- inside callbacks ---- */

static void log_in_inside(struct gateway_rig *rig, const struct iotkit_gateway_event *event) {
  assert_int_equal(iotkit_gateway_free(rig->gateway), IK_EIN_CALLBACK);
  if (event->type == IOTKIT_GATEWAY_ADD_WANTED)
    assert_int_equal(iotkit_gateway_login(rig->gateway, &a, 1, NULL), 0);
  if (event->type == IOTKIT_GATEWAY_LOGGED_IN)
    assert_int_equal(iotkit_gateway_logout(rig->gateway, &a, 1), 0);
}

static void may_be_called_inside_its_events(void **state) {
  struct gateway_rig *rig = *state;
  rig->on_event = log_in_inside;
  gr_push(rig, "/sys/gpk/gdn/thing/topo/add/notify", "{\"id\":\"7\",\"params\":" ONE("a") "}");
  gr_pass(rig, 200);
  gr_assert_heard(rig, "wanted:a in:a out:a ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(follows_the_platform),
      TEST(a_deleted_one_is_not_logged_in_again),
      TEST(what_it_deletes_is_logged_in_no_longer),
      TEST(a_lost_session_is_said_once),
      TEST(may_be_called_inside_its_events),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
