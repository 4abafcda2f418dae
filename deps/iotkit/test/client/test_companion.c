/*
 * What lives on a client: stepped with it, at its time, until it is taken away.
 */
#include "client/companion.h"

#include "support/client_rig.h"

struct guest {
  struct ik_mqtt_companion companion; /* first: a pointer to it is one to the whole */
  unsigned steps;
  unsigned connects;
  uint64_t due_ms; /* what it asks for */
  bool wakes;      /* itself, inside its step */
};

static uint64_t on_step(struct ik_mqtt_companion *companion, iotkit_mqtt_t *client, uint64_t now_ms,
                        bool *handled) {
  struct guest *guest = (struct guest *)companion;
  (void)now_ms;
  guest->steps++;
  guest->connects = ik_mqtt_count_connects(client);
  *handled = true;
  if (guest->wakes) ik_mqtt_wake_companion(client, companion);
  guest->wakes = false;
  return guest->due_ms;
}

static struct guest make_guest(uint64_t due_ms) {
  return (struct guest){.companion.on_step = on_step, .due_ms = due_ms};
}

static void is_stepped_at_its_time(void **state) {
  struct client_rig *rig = cr_new(NULL);
  struct guest guest = make_guest(UINT64_MAX);
  (void)state;
  cr_go_up(rig);
  const uint64_t own_ms = iotkit_mqtt_deadline(rig->client);
  ik_mqtt_add_companion(rig->client, &guest.companion);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), 0);
  cr_settle(rig);
  assert_int_equal(guest.steps, 1);
  assert_int_equal(guest.connects, 1);
  assert_true(iotkit_mqtt_deadline(rig->client) == own_ms);
  guest.due_ms = rig->now + 7;
  ik_mqtt_wake_companion(rig->client, &guest.companion);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), 0);
  cr_settle(rig);
  assert_true(iotkit_mqtt_deadline(rig->client) == rig->now + 7);
  assert_int_equal(guest.steps, 2);
  ik_mqtt_remove_companion(rig->client, &guest.companion);
  cr_settle(rig);
  assert_int_equal(guest.steps, 2);
  assert_true(iotkit_mqtt_deadline(rig->client) == own_ms);
  cr_free(rig);
}

static void one_that_wakes_itself_is_stepped_again(void **state) {
  struct client_rig *rig = cr_new(NULL);
  struct guest first = make_guest(UINT64_MAX);
  struct guest second = make_guest(UINT64_MAX);
  (void)state;
  cr_go_up(rig);
  ik_mqtt_add_companion(rig->client, &first.companion);
  ik_mqtt_add_companion(rig->client, &second.companion);
  first.wakes = true;
  cr_settle(rig);
  assert_int_equal(first.steps, 2);
  assert_int_equal(second.steps, 2); /* each step is everybody's */
  ik_mqtt_remove_companion(rig->client, &first.companion);
  ik_mqtt_remove_companion(rig->client, &second.companion);
  ik_mqtt_remove_companion(rig->client, &second.companion); /* is not there any more */
  cr_free(rig);
}

static void hears_of_each_connection_and_of_the_end(void **state) {
  struct client_rig *rig = cr_new(NULL);
  struct guest guest = make_guest(UINT64_MAX);
  (void)state;
  ik_mqtt_add_companion(rig->client, &guest.companion);
  cr_go_up(rig);
  assert_int_equal(guest.connects, 1);
  rig->wire.read_error = IK_ECONNECTION_RESET;
  cr_step(rig);
  rig->wire.read_error = IK_EAGAIN;
  rig->now = iotkit_mqtt_deadline(rig->client);
  cr_go_up(rig);
  assert_int_equal(guest.connects, 2);
  rig->wire.read_error = 0;
  assert_int_equal(iotkit_mqtt_stop(rig->client), 0);
  const unsigned steps = guest.steps;
  guest.due_ms = rig->now;
  cr_step(rig);
  cr_step(rig);
  assert_int_equal(iotkit_mqtt_get_state(rig->client), IOTKIT_MQTT_CLOSED);
  assert_true(guest.steps > steps);
  assert_true(iotkit_mqtt_deadline(rig->client) == UINT64_MAX); /* nobody is stepped any more */
  ik_mqtt_remove_companion(rig->client, &guest.companion);
  cr_free(rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_stepped_at_its_time),
      cmocka_unit_test(one_that_wakes_itself_is_stepped_again),
      cmocka_unit_test(hears_of_each_connection_and_of_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
