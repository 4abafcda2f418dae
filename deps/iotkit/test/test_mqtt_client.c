/*
 * test_mqtt_client.c - the client over a stream in memory and a fake clock: options, states,
 * back-off, stopping.
 */
#include <stdlib.h>
#include <string.h>

#include "support/client_rig.h"

/* ---- options ---- */

static void options_are_checked(void **state) {
  (void)state;
  const struct iotkit_mqtt_options good = {.host = "h", .port = 1, .client_id = "c"};
  struct iotkit_mqtt_options bad;
  iotkit_mqtt_t *client = NULL;
  char detail[IOTKIT_DETAIL_MAX];
  char host[300];
  memset(host, 'h', sizeof(host) - 1);
  host[sizeof(host) - 1] = '\0';
  char *text = malloc(70000);
  assert_non_null(text);
  memset(text, 'x', 69999);
  text[69999] = '\0';
#define REFUSED(field, value, error, name)                                                         \
  bad = good;                                                                                      \
  bad.field = value;                                                                               \
  assert_int_equal(iotkit_mqtt_new(&bad, &client, detail), error);                                 \
  assert_string_equal(detail, name);                                                               \
  assert_null(client)
  REFUSED(host, NULL, IK_EINVALID_ARGUMENT, "host");
  REFUSED(host, "", IK_EINVALID_ARGUMENT, "host");
  REFUSED(host, host, IK_ETOO_LONG, "host");
  REFUSED(port, 0, IK_EINVALID_ARGUMENT, "port");
  REFUSED(client_id, NULL, IK_EINVALID_ARGUMENT, "client_id");
  REFUSED(client_id, "\xff", IK_EINVALID_ARGUMENT, "client_id");
  REFUSED(client_id, text, IK_ETOO_LONG, "client_id");
  REFUSED(username, text, IK_ETOO_LONG, "username");
  REFUSED(username, "\xff", IK_EINVALID_ARGUMENT, "username");
  REFUSED(password, "p", IK_EINVALID_ARGUMENT, "password");
  REFUSED(max_packet, 17u << 20, IK_EINVALID_ARGUMENT, "max_packet");
  REFUSED(max_packet, 10, IK_EINVALID_ARGUMENT, "max_packet");
  REFUSED(reconnect_min_ms, 70000, IK_EINVALID_ARGUMENT, "reconnect_min_ms");
#undef REFUSED
  assert_int_equal(iotkit_mqtt_new(NULL, &client, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_new(&good, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_new(&good, &client, NULL), 0);
  assert_int_equal(iotkit_mqtt_get_state(client), IOTKIT_MQTT_IDLE);
  assert_int_equal(iotkit_mqtt_fd(client), -1);
  assert_int_equal(iotkit_mqtt_free(client), 0);
  assert_int_equal(iotkit_mqtt_free(NULL), 0);
  free(text);
}

/* ---- states ---- */

static void connects(void **state) {
  (void)state;
  struct client_rig *rig =
      cr_new(&(struct iotkit_mqtt_options){.username = "u", .password = "p", .keep_alive_s = 60});
  assert_true(iotkit_mqtt_deadline(rig->client) == UINT64_MAX);
  assert_int_equal(cr_step(rig), 0);
  cr_assert_told(rig, "");
  assert_int_equal(iotkit_mqtt_start(rig->client), 0);
  assert_int_equal(iotkit_mqtt_start(rig->client), IK_EINVALID_STATE);
  assert_true(iotkit_mqtt_deadline(rig->client) == 0);
  rig->wire.open_error = IK_EAGAIN;
  cr_settle(rig);
  cr_assert_told(rig, "connecting ");
  assert_true(iotkit_mqtt_deadline(rig->client) == T0 + 30000);
  rig->wire.open_error = 0;
  cr_settle(rig);
  ASSERT_WRITTEN(rig, "\x10\x13\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01"
                      "c\x00\x01u\x00\x01p");
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ);
  SAY(rig, "\x20\x02\x00\x00");
  cr_settle(rig);
  cr_assert_told(rig, "connected ");
  assert_true(iotkit_mqtt_deadline(rig->client) == T0 + 57000);
  cr_free(rig);
}

static void does_not_wait_for_ever(void **state) {
  (void)state;
  for (int opened = 0; opened < 2; opened++) {
    struct client_rig *rig = cr_new(&(struct iotkit_mqtt_options){.connect_timeout_ms = 5000});
    rig->wire.open_error = opened ? 0 : IK_EAGAIN;
    iotkit_mqtt_start(rig->client);
    cr_settle(rig);
    rig->now = T0 + 4999;
    cr_settle(rig);
    cr_assert_told(rig, "connecting ");
    rig->now = iotkit_mqtt_deadline(rig->client);
    assert_int_equal(rig->now, T0 + 5000);
    cr_settle(rig);
    cr_assert_told(rig, "waiting-1106 ");
    cr_free(rig);
  }
}

/*
 * Drops one after another: the waits grow, stay within their bounds, and begin anew after a stable
 * connection.
 */
static void backs_off(void **state) {
  (void)state;
  struct client_rig *rig =
      cr_new(&(struct iotkit_mqtt_options){.reconnect_min_ms = 1000, .reconnect_max_ms = 16000});
  rig->wire.dial_error = IK_ECONNECT;
  iotkit_mqtt_start(rig->client);
  uint64_t ceiling = 1000;
  for (int i = 0; i < 10; i++) {
    cr_settle(rig);
    cr_assert_told(rig, "connecting waiting-1102 ");
    const uint64_t wait = iotkit_mqtt_deadline(rig->client) - rig->now;
    ceiling = ceiling * 2 > 16000 ? 16000 : ceiling * 2;
    assert_true(wait >= 500 && wait <= ceiling);
    rig->now += wait - 1;
    assert_int_equal(cr_step(rig), 0);
    cr_assert_told(rig, "");
    rig->now++;
  }
  rig->wire.dial_error = 0;
  cr_go_up(rig);
  rig->now += 10000;
  rig->wire.read_error = 0;
  cr_settle(rig);
  cr_assert_told(rig, "waiting-1104 ");
  assert_true(iotkit_mqtt_deadline(rig->client) - rig->now <= 2000);
  rig->wire.read_error = IK_EAGAIN;
  cr_free(rig);
}

/* What will not be cured by waiting is tried at the long end of the back-off. */
static void a_refusal_is_not_hammered_at(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(&(struct iotkit_mqtt_options){.reconnect_max_ms = 60000});
  iotkit_mqtt_start(rig->client);
  cr_settle(rig);
  SAY(rig, "\x20\x02\x00\x04");
  cr_settle(rig);
  cr_assert_told(rig, "connecting waiting-1306 ");
  assert_true(iotkit_mqtt_deadline(rig->client) - rig->now >= 30000);
  assert_true(iotkit_mqtt_deadline(rig->client) - rig->now <= 60000);
  cr_free(rig);
}

static void no_reconnect_closes(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(&(struct iotkit_mqtt_options){.no_reconnect = true});
  cr_go_up(rig);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 1, false), 1);
  SAY(rig, "\xf0\x00");
  cr_settle(rig);
  cr_assert_told(rig, "published:1:-1004 closed-1301 ");
  assert_true(rig->detail[0]);
  assert_int_equal(cr_step(rig), IK_ECLOSED);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 1, false), IK_ECLOSED);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "t", 1, cr_handler, rig), IK_ECLOSED);
  assert_int_equal(iotkit_mqtt_start(rig->client), IK_EINVALID_STATE);
  assert_true(iotkit_mqtt_deadline(rig->client) == UINT64_MAX);
  cr_free(rig);
}

static void stops_orderly(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(iotkit_mqtt_stop(rig->client), 0);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), IK_ECLOSED);
  assert_true(iotkit_mqtt_deadline(rig->client) == 0);
  assert_int_equal(cr_step(rig), IK_ECLOSED);
  ASSERT_WRITTEN(rig, "\x30\x04\x00\x01tx\xe0\x00");
  cr_assert_told(rig, "closed ");
  cr_free(rig);
}

static void stops_in_two_seconds_at_most(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  rig->wire.write_room = 0;
  iotkit_mqtt_stop(rig->client);
  cr_settle(rig);
  cr_assert_told(rig, "");
  assert_int_equal(iotkit_mqtt_deadline(rig->client), T0 + 2000);
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ | IOTKIT_WRITE);
  rig->now = T0 + 2000;
  assert_int_equal(cr_step(rig), IK_ECLOSED);
  cr_assert_told(rig, "closed ");
  cr_free(rig);
}

static void stops_from_every_state(void **state) {
  (void)state;
  for (int at = 0; at < 4; at++) {
    struct client_rig *rig = cr_new(NULL);
    if (at == 1) rig->wire.open_error = IK_EAGAIN;
    if (at == 3) rig->wire.dial_error = IK_ERESOLVE;
    if (at > 0) iotkit_mqtt_start(rig->client);
    cr_settle(rig);
    iotkit_mqtt_stop(rig->client);
    assert_int_equal(cr_step(rig), IK_ECLOSED);
    assert_non_null(strstr(rig->told, "closed "));
    cr_free(rig);
  }
}

static void stop_when_dropped(struct client_rig *rig, const struct iotkit_mqtt_event *event) {
  if (event->type == IOTKIT_MQTT_EVENT_STATE && event->state == IOTKIT_MQTT_WAITING)
    iotkit_mqtt_stop(rig->client);
}

/* What a callback asks for at the end of a step is due at once, though nobody is woken for it. */
static void a_stop_in_the_last_callback_is_due(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  rig->wire.dial_error = IK_ECONNECT;
  rig->on_told = stop_when_dropped;
  iotkit_mqtt_start(rig->client);
  assert_int_equal(cr_step(rig), 0);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), 0);
  assert_int_equal(cr_step(rig), IK_ECLOSED);
  cr_assert_told(rig, "connecting waiting-1102 closed ");
  cr_free(rig);
}

static void frees_at_any_time(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  iotkit_mqtt_subscribe(rig->client, "a/#", 1, cr_handler, rig);
  iotkit_mqtt_publish(rig->client, "t", "x", 1, 1, false);
  SAY(rig, "\x30\x20\x00"); /* half a packet */
  cr_settle(rig);
  cr_free(rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(options_are_checked),
      cmocka_unit_test(connects),
      cmocka_unit_test(does_not_wait_for_ever),
      cmocka_unit_test(backs_off),
      cmocka_unit_test(a_refusal_is_not_hammered_at),
      cmocka_unit_test(no_reconnect_closes),
      cmocka_unit_test(stops_orderly),
      cmocka_unit_test(stops_in_two_seconds_at_most),
      cmocka_unit_test(stops_from_every_state),
      cmocka_unit_test(a_stop_in_the_last_callback_is_due),
      cmocka_unit_test(frees_at_any_time),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
