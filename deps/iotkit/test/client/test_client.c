/*
 * A client's life and the calls that any thread may make: options, size, waking, publishing.
 */
#include <stdlib.h>
#include <string.h>

#include "support/client_rig.h"

static void options_are_checked(void **state) {
  (void)state;
  struct iotkit_mqtt_options good = {.host = "h", .port = 1, .client_id = "c"};
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
  REFUSED(will_topic, "a/#", IK_EMQTT_TOPIC, "will_topic");
  REFUSED(will_topic, "", IK_EMQTT_TOPIC, "will_topic");
  REFUSED(will_payload, "x", IK_EINVALID_ARGUMENT, "will_topic");
  REFUSED(will_payload_len, 1, IK_EINVALID_ARGUMENT, "will_topic");
  REFUSED(will_qos, 1, IK_EINVALID_ARGUMENT, "will_topic");
  REFUSED(will_retain, true, IK_EINVALID_ARGUMENT, "will_topic");
  good.will_topic = "a/b";
  REFUSED(will_payload_len, 1, IK_EINVALID_ARGUMENT, "will_payload");
  REFUSED(will_qos, 3, IK_EINVALID_ARGUMENT, "will_qos");
  good.will_payload = text;
  REFUSED(will_payload_len, 65536, IK_ETOO_LONG, "will_payload");
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

static void idle_clients_are_small(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  cr_settle(rig);
  assert_null(rig->client->sending.data);
  assert_null(rig->client->input.data);
  assert_null(rig->client->session.out.data);
  assert_null(rig->client->session.reader.partial.data);
  assert_true(sizeof(*rig->client) <= 3072);
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

/* ---- waking ---- */

static void count_wake(void *ctx) {
  struct client_rig *rig = ctx;
  rig->wakes++;
  (void)iotkit_mqtt_get_state(rig->client); /* no lock is held: this would never return */
}

static void wakes_only_a_sleeper(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  iotkit_mqtt_set_waker(rig->client, count_wake, rig);
  cr_settle(rig); /* ends with a question for the deadline: the caller may sleep now */
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(rig->wakes, 1);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(rig->wakes, 1); /* it has been woken already */
  cr_settle(rig);
  assert_int_equal(cr_step(rig), 0); /* the caller has not asked: it is awake */
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(rig->wakes, 1);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), 0);
  iotkit_mqtt_set_waker(rig->client, NULL, NULL);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(rig->wakes, 1);
  cr_free(rig);
}

/* Whoever waits until the socket takes bytes again is not woken by more of them. */
static void a_full_socket_wakes_nobody(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  iotkit_mqtt_set_waker(rig->client, count_wake, rig);
  rig->wire.write_room = 0;
  cr_settle(rig);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(rig->wakes, 1);
  cr_settle(rig);
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ | IOTKIT_WRITE);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "y", 1, 0, false), 0);
  assert_int_equal(rig->wakes, 1);
  rig->wire.write_room = SIZE_MAX;
  assert_int_equal(cr_step(rig), 0);
  ASSERT_WRITTEN(rig, "\x30\x04\x00\x01tx\x30\x04\x00\x01ty");
  cr_free(rig);
}

/* ---- threads ---- */

#define PUBLISHERS 3
#define EACH 2000

static void publish_many(void *arg) {
  struct client_rig *rig = arg;
  for (int i = 0; i < EACH;) {
    const int rc = iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false);
    if (rc == 0)
      i++;
    else
      assert_int_equal(rc, IK_EQUEUE_FULL);
    if (i % 100 == 0) {
      assert_true(iotkit_mqtt_subscribe(rig->client, "s", 0, cr_other_handler, arg) >=
                  IK_EQUEUE_FULL);
      assert_true(iotkit_mqtt_unsubscribe(rig->client, "s", cr_other_handler, arg) >=
                  IK_EQUEUE_FULL);
    }
  }
}

/* Under TSan this is the proof; without it, that nothing is lost or torn. */
static void threads_publish_while_one_drives(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  iotkit_thread_t *threads[PUBLISHERS];
  size_t published = 0;
  cr_go_up(rig);
  for (int i = 0; i < PUBLISHERS; i++)
    assert_int_equal(iotkit_thread_start(&threads[i], "publisher", 0, publish_many, rig), 0);
  while (published < PUBLISHERS * EACH) {
    assert_int_equal(cr_step(rig), 0);
    const uint8_t *at = ik_buf_ptr(&rig->wire.from_client);
    for (size_t left = ik_buf_size(&rig->wire.from_client); left;
         left -= 2u + at[1], at += 2 + at[1]) {
      if (at[0] == 0x30)
        published++;
      else
        assert_true(at[0] == 0x82 || at[0] == 0xa2);
    }
    fake_forget(&rig->wire);
  }
  for (int i = 0; i < PUBLISHERS; i++)
    iotkit_thread_join(threads[i]);
  assert_int_equal(published, PUBLISHERS * EACH);
  cr_free(rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(options_are_checked),
      cmocka_unit_test(idle_clients_are_small),
      cmocka_unit_test(frees_at_any_time),
      cmocka_unit_test(wakes_only_a_sleeper),
      cmocka_unit_test(a_full_socket_wakes_nobody),
      cmocka_unit_test(threads_publish_while_one_drives),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
