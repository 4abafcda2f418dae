/*
 * A program's connection as a carrier: what of the transport is called when, what is kept for the next
 * connection, who hears a message.
 */
#include "channel/over.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "alink/messages.h"
#include "support/cm.h"

#define NOTES_MAX 4096

/* What the transport was asked to do: "+a" subscribe, "-a" unsubscribe, "a:x" publish; ends with ' '. */
static char notes[NOTES_MAX];
static int publish_rc, subscribe_rc;
static struct ik_over *over;
static struct ik_carrier *carrier;

static void note(const char *before, const char *topic, const char *after, size_t len) {
  const size_t at = strlen(notes);
  snprintf(notes + at, sizeof(notes) - at, "%s%s%.*s ", before, topic, (int)len, after);
}

static int publish(void *ctx, const char *topic, const void *payload, size_t len, uint8_t qos) {
  char text[64];
  (void)ctx;
  snprintf(text, sizeof(text), "%s%.*s", qos > 0 ? "!" : ":", (int)len, (const char *)payload);
  note("", topic, text, strlen(text));
  return publish_rc;
}

static int subscribe(void *ctx, const char *topic, uint8_t qos) {
  (void)ctx;
  note("+", topic, qos > 0 ? "!" : "", 1);
  return subscribe_rc;
}

static int unsubscribe(void *ctx, const char *topic) {
  (void)ctx;
  note("-", topic, "", 0);
  return 0;
}

static void assert_notes(const char *expected) {
  assert_string_equal(notes, expected);
  notes[0] = '\0';
}

static int setup(void **state) {
  (void)state;
  const struct iotkit_transport transport = {
      .publish = publish, .subscribe = subscribe, .unsubscribe = unsubscribe};
  notes[0] = '\0';
  publish_rc = subscribe_rc = 0;
  assert_int_equal(ik_over_new(&transport, &over), 0);
  carrier = ik_over_face(over);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  ik_over_free(over);
  return 0;
}

static int send(const char *text, uint8_t qos) {
  return carrier->ops->publish(carrier, "t", text, strlen(text), qos);
}

static int feed(const char *topic) {
  return ik_over_feed(over, topic, strlen(topic), (const uint8_t *)"x", 1, false);
}

/* ---- handlers ---- */

struct hearer {
  unsigned heard;
  bool removes;         /* itself, when it hears something */
  struct hearer *other; /* which it removes, unless NULL */
  int nested;           /* what a feed inside returned */
};

static void hear(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_message *message);

static int add(const char *topic, uint8_t qos, struct hearer *hearer) {
  return carrier->ops->subscribe(carrier, topic, qos, hear, hearer);
}

static void take(const char *topic, struct hearer *hearer) {
  assert_int_equal(carrier->ops->unsubscribe(carrier, topic, hear, hearer), 0);
}

static void hear(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_message *message) {
  struct hearer *hearer = ctx;
  assert_null(client);
  assert_int_equal(message->payload_len, 1);
  hearer->heard++;
  hearer->nested = feed("a");
  if (hearer->other != NULL) take(message->topic, hearer->other);
  if (hearer->removes) take(message->topic, hearer);
}

/* ---- subscriptions ---- */

static void subscribes_each_topic_with_each_connection(void **state) {
  struct hearer one = {0}, two = {0}, three = {0};
  (void)state;
  assert_int_equal(add("a", 1, &one), 0);
  assert_int_equal(add("b", 0, &two), 0);
  assert_int_equal(add("b", 0, &three), 0);
  assert_notes("");
  assert_int_equal(ik_over_connected(over), 0);
  assert_notes("+b +a! ");
  ik_over_disconnected(over);
  assert_int_equal(ik_over_connected(over), 0);
  assert_notes("+b +a! ");
  assert_int_equal(ik_over_connected(over), 0); /* the program has not noticed the end */
  assert_notes("+b +a! ");
  take("a", &one);
  take("b", &two);
  take("b", &three);
  assert_notes("-a -b ");
}

static void subscribes_and_unsubscribes_while_connected(void **state) {
  struct hearer one = {0}, two = {0};
  (void)state;
  assert_int_equal(ik_over_connected(over), 0);
  assert_int_equal(add("a", 0, &one), 0);
  assert_int_equal(add("a", 0, &two), 0);
  assert_notes("+a ");
  take("a", &one);
  take("a", &one); /* is no longer there */
  assert_notes("");
  take("a", &two);
  assert_notes("-a ");
  assert_int_equal(add("a", 0, &one), 0);
  assert_notes("+a ");
  ik_over_disconnected(over);
  take("a", &one);
  assert_notes("");
}

static void a_refused_subscription_leaves_nothing(void **state) {
  struct hearer one = {0};
  (void)state;
  assert_int_equal(ik_over_connected(over), 0);
  subscribe_rc = IK_EMQTT_SUBSCRIBE;
  assert_int_equal(add("a", 0, &one), IK_EMQTT_SUBSCRIBE);
  subscribe_rc = -1; /* none of ours */
  assert_int_equal(add("a", 0, &one), IK_ENETWORK);
  assert_int_equal(feed("a"), 0);
  subscribe_rc = 0;
  assert_notes("+a +a ");
  assert_int_equal(ik_over_connected(over), 0);
  assert_notes("");
}

static void a_subscription_waits_for_the_next_connection(void **state) {
  struct hearer one = {0};
  (void)state;
  assert_int_equal(ik_over_connected(over), 0);
  subscribe_rc = IK_ENOT_CONNECTED; /* the program knows it already */
  assert_int_equal(add("a", 0, &one), 0);
  subscribe_rc = IK_EQUEUE_FULL;
  assert_int_equal(ik_over_connected(over), IK_EQUEUE_FULL);
  subscribe_rc = 7; /* a packet id */
  assert_int_equal(ik_over_connected(over), 0);
  assert_notes("+a +a +a ");
  take("a", &one);
  assert_notes("-a ");
}

/* ---- messages out ---- */

static void publishes_while_connected(void **state) {
  (void)state;
  assert_int_equal(ik_over_connected(over), 0);
  publish_rc = 12;
  assert_int_equal(send("x", 1), 12);
  publish_rc = IK_EQUEUE_FULL;
  assert_int_equal(send("y", 1), IK_EQUEUE_FULL);
  publish_rc = -5;
  assert_int_equal(send("z", 0), IK_ENETWORK);
  assert_notes("t!x t!y t:z ");
}

static void keeps_what_has_to_arrive(void **state) {
  struct hearer one = {0};
  (void)state;
  assert_int_equal(add("a", 0, &one), 0);
  assert_int_equal(send("lost", 0), IK_ENOT_CONNECTED);
  assert_notes("");
  publish_rc = IK_ENOT_CONNECTED;
  assert_int_equal(send("x", 1), 0);
  assert_int_equal(send("y", 1), 0);
  publish_rc = 3; /* a client that keeps it */
  assert_int_equal(send("z", 1), 3);
  assert_notes("t!x t!y t!z ");
  publish_rc = IK_EQUEUE_FULL; /* at this moment */
  assert_int_equal(ik_over_connected(over), 0);
  publish_rc = 0;
  assert_notes("+a t!x t!y ");
  assert_int_equal(ik_over_connected(over), 0);
  assert_notes("+a t!x t!y ");
  assert_int_equal(ik_over_connected(over), 0);
  assert_notes("+a ");
  take("a", &one);
}

static void keeps_a_limited_number(void **state) {
  (void)state;
  publish_rc = IK_ENOT_CONNECTED;
  for (unsigned i = 0; i < 32; i++)
    assert_int_equal(send("x", 1), 0);
  assert_int_equal(send("y", 1), IK_EQUEUE_FULL);
  notes[0] = '\0';
  publish_rc = IK_EMQTT_PACKET_TOO_LARGE; /* will never do */
  assert_int_equal(ik_over_connected(over), IK_EMQTT_PACKET_TOO_LARGE);
  notes[0] = '\0';
  assert_int_equal(ik_over_connected(over), 0);
  assert_notes("");
}

/* ---- messages in ---- */

static void hands_on_what_is_subscribed(void **state) {
  struct hearer one = {0}, two = {0}, other = {0};
  (void)state;
  add("a", 0, &one);
  add("a", 0, &two);
  add("ab", 0, &other);
  assert_int_equal(feed("a"), 1);
  assert_int_equal(one.heard, 1);
  assert_int_equal(two.heard, 1);
  assert_int_equal(other.heard, 0);
  assert_int_equal(one.nested, IK_EIN_CALLBACK);
  assert_int_equal(ik_over_feed(over, "abc", 2, (const uint8_t *)"x", 1, true), 1);
  assert_int_equal(other.heard, 1);
  take("a", &one);
  take("a", &two);
  take("ab", &other);
  assert_int_equal(feed("a"), 0);
}

static void leaves_what_it_does_not_know(void **state) {
  char name[2 * IK_OTA_TOPIC_MAX];
  struct hearer one = {0};
  (void)state;
  add("a", 0, &one);
  memset(name, 'a', sizeof(name));
  assert_int_equal(feed("b"), 0);
  assert_int_equal(feed(""), 0);
  assert_int_equal(ik_over_feed(over, name, sizeof(name), (const uint8_t *)"x", 1, false), 0);
  assert_int_equal(ik_over_feed(over, "a\0b", 3, (const uint8_t *)"x", 1, false), 0);
  assert_int_equal(one.heard, 0);
  take("a", &one);
}

static void handlers_may_go_while_they_run(void **state) {
  struct hearer last = {0}, middle = {0}, first = {.removes = true, .other = &middle};
  (void)state;
  add("a", 0, &last);
  add("a", 0, &middle);
  add("a", 0, &first); /* the newest hears it first */
  assert_int_equal(feed("a"), 1);
  assert_int_equal(first.heard, 1);
  assert_int_equal(middle.heard, 0);
  assert_int_equal(last.heard, 1);
  take("a", &last);
}

/* ---- other threads ---- */

struct slow {
  struct ik_wake *begun, *go_on;
  atomic_bool ended;
};

static void await(const struct ik_wake *wake) {
  struct ik_pollfd fd = {.fd = ik_wake_fd(wake), .interest = IOTKIT_READ};
  assert_true(ik_port_poll(&fd, 1, UINT32_MAX) > 0);
}

static void slow_init(struct slow *slow) {
  *slow = (struct slow){0};
  assert_int_equal(ik_wake_new(&slow->begun), 0);
  assert_int_equal(ik_wake_new(&slow->go_on), 0);
}

static void slow_deinit(struct slow *slow) {
  ik_wake_free(slow->begun);
  ik_wake_free(slow->go_on);
}

static void hear_slowly(void *ctx, iotkit_mqtt_t *client,
                        const struct iotkit_mqtt_message *message) {
  struct slow *slow = ctx;
  (void)client;
  (void)message;
  ik_wake_signal(slow->begun);
  await(slow->go_on);
  atomic_store(&slow->ended, true);
}

static void *feed_elsewhere(void *arg) {
  assert_int_equal(feed(arg), 1);
  return NULL;
}

static void *go_on(void *arg) {
  struct slow *slow = arg;
  ik_wake_signal(slow->go_on);
  return NULL;
}

static void unsubscribing_awaits_the_handler(void **state) {
  struct slow slow;
  struct hearer other = {0};
  pthread_t feeder, waker;
  (void)state;
  slow_init(&slow);
  assert_int_equal(carrier->ops->subscribe(carrier, "a", 0, hear_slowly, &slow), 0);
  add("b", 0, &other);
  assert_int_equal(pthread_create(&feeder, NULL, feed_elsewhere, (void *)(uintptr_t) "a"), 0);
  await(slow.begun);
  take("b", &other); /* does not wait: another one runs */
  assert_false(atomic_load(&slow.ended));
  assert_int_equal(pthread_create(&waker, NULL, go_on, &slow), 0);
  assert_int_equal(carrier->ops->unsubscribe(carrier, "a", hear_slowly, &slow), 0);
  assert_true(atomic_load(&slow.ended));
  pthread_join(feeder, NULL);
  pthread_join(waker, NULL);
  slow_deinit(&slow);
}

static void a_second_feeder_waits_for_the_first(void **state) {
  struct slow slow;
  struct hearer other = {0};
  pthread_t first, second;
  (void)state;
  slow_init(&slow);
  assert_int_equal(carrier->ops->subscribe(carrier, "a", 0, hear_slowly, &slow), 0);
  add("b", 0, &other);
  assert_int_equal(pthread_create(&first, NULL, feed_elsewhere, (void *)(uintptr_t) "a"), 0);
  await(slow.begun);
  assert_int_equal(pthread_create(&second, NULL, feed_elsewhere, (void *)(uintptr_t) "b"), 0);
  assert_false(atomic_load(&slow.ended));
  go_on(&slow);
  pthread_join(first, NULL);
  pthread_join(second, NULL);
  assert_int_equal(other.heard, 1);
  take("b", &other);
  assert_int_equal(carrier->ops->unsubscribe(carrier, "a", hear_slowly, &slow), 0);
  slow_deinit(&slow);
}

static void says_how_much_can_arrive(void **state) {
  (void)state;
  assert_int_equal(carrier->ops->max_packet(carrier), 257 * 1024);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(subscribes_each_topic_with_each_connection),
      TEST(subscribes_and_unsubscribes_while_connected),
      TEST(a_refused_subscription_leaves_nothing),
      TEST(a_subscription_waits_for_the_next_connection),
      TEST(publishes_while_connected),
      TEST(keeps_what_has_to_arrive),
      TEST(keeps_a_limited_number),
      TEST(hands_on_what_is_subscribed),
      TEST(leaves_what_it_does_not_know),
      TEST(handlers_may_go_while_they_run),
      TEST(unsubscribing_awaits_the_handler),
      TEST(a_second_feeder_waits_for_the_first),
      TEST(says_how_much_can_arrive),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
