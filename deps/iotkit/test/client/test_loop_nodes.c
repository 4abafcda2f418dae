/*
 * What a loop holds of its clients while it does not run: calls without a loop or a client, clients of
 * another loop, and those that were woken and are removed before the loop looks.
 */
#include "client/client.h"
#include "client/opening_turns.h"
#include "iotkit_loop.h"
#include "support/cm.h"
#include "support/fake_stream.h"
#include "support/offline_client.h"

#include <stdio.h>
#include <stdlib.h>

#define CLIENTS 4

static void calls_without_one_of_the_two(void **state) {
  iotkit_mqtt_t *client = offline_client_new();
  iotkit_loop_t *loop;
  (void)state;
  assert_int_equal(iotkit_loop_new(NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_loop_new(&loop), 0);
  assert_int_equal(iotkit_loop_run(NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_loop_add(NULL, client), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_loop_add(loop, NULL), IK_EINVALID_ARGUMENT);
  iotkit_loop_remove(NULL, client);
  iotkit_loop_remove(loop, NULL);
  iotkit_loop_remove(loop, client); /* it has never been there */
  iotkit_loop_pause(NULL, client, true);
  iotkit_loop_pause(loop, NULL, true);
  iotkit_loop_stop(NULL);
  iotkit_loop_free(NULL);
  assert_int_equal(iotkit_loop_add(loop, client), 0); /* none of it did any harm */
  iotkit_loop_free(loop);
  assert_int_equal(iotkit_mqtt_free(client), 0);
}

static void the_client_of_another_loop_stays_there(void **state) {
  iotkit_mqtt_t *client = offline_client_new();
  iotkit_loop_t *own, *other;
  (void)state;
  assert_int_equal(iotkit_loop_new(&own), 0);
  assert_int_equal(iotkit_loop_new(&other), 0);
  assert_int_equal(iotkit_loop_add(own, client), 0);
  assert_int_equal(iotkit_loop_add(other, client), IK_EINVALID_STATE);
  void *node = ik_mqtt_loop_node(client);
  iotkit_loop_remove(other, client);
  assert_ptr_equal(ik_mqtt_loop_node(client), node);
  iotkit_loop_free(other);
  iotkit_loop_remove(own, client);
  assert_null(ik_mqtt_loop_node(client));
  iotkit_loop_free(own);
  assert_int_equal(iotkit_mqtt_free(client), 0);
}

static void stop(void *loop) {
  iotkit_loop_stop(loop);
}

/* The first, one between others, the last: the loop then steps those that are left, and them alone. */
static void woken_clients_are_removed(void **state) {
  (void)state;
  for (int gone = 0; gone < CLIENTS; gone++) {
    iotkit_mqtt_t *clients[CLIENTS];
    iotkit_loop_t *loop;
    assert_int_equal(iotkit_loop_new(&loop), 0);
    for (int i = 0; i < CLIENTS; i++) {
      clients[i] = offline_client_new();
      assert_int_equal(iotkit_loop_add(loop, clients[i]), 0);
      (void)iotkit_mqtt_deadline(clients[i]); /* who asks wants to be woken */
      assert_int_equal(iotkit_mqtt_stop(clients[i]), 0);
    }
    iotkit_loop_remove(loop, clients[gone]);
    assert_int_equal(iotkit_loop_post(loop, stop, loop), 0);
    assert_int_equal(iotkit_loop_run(loop), 0);
    for (int i = 0; i < CLIENTS; i++) {
      assert_int_equal(iotkit_mqtt_get_state(clients[i]),
                       i == gone ? IOTKIT_MQTT_IDLE : IOTKIT_MQTT_CLOSED);
      iotkit_loop_remove(loop, clients[i]);
      assert_int_equal(iotkit_mqtt_free(clients[i]), 0);
    }
    iotkit_loop_free(loop);
  }
}

/* ---- turns to open a connection ---- */

#define MANY 600
#define ROUNDS 20 /* in each at least one takes its turn */

struct fleet {
  struct fake_wire wires[MANY];
  iotkit_mqtt_t *clients[MANY];
  iotkit_loop_t *loop;
};

/* Their streams open for ever. */
static struct fleet *fleet_new(void) {
  char client_id[16];
  struct fleet *fleet = calloc(1, sizeof *fleet);
  assert_non_null(fleet);
  assert_int_equal(iotkit_loop_new(&fleet->loop), 0);
  for (int i = 0; i < MANY; i++) {
    snprintf(client_id, sizeof client_id, "%d", i);
    const struct iotkit_mqtt_options options = {
        .host = "broker", .port = 1883, .client_id = client_id};
    fake_wire_init(&fleet->wires[i]);
    fleet->wires[i].open_error = IK_EAGAIN;
    assert_int_equal(
        ik_mqtt_new_over(&options, fake_dial, &fleet->wires[i], &fleet->clients[i], NULL), 0);
    assert_int_equal(iotkit_mqtt_start(fleet->clients[i]), 0);
    assert_int_equal(iotkit_loop_add(fleet->loop, fleet->clients[i]), 0);
  }
  return fleet;
}

static void fleet_free(struct fleet *fleet) {
  iotkit_loop_free(fleet->loop);
  for (int i = 0; i < MANY; i++) {
    assert_int_equal(iotkit_mqtt_free(fleet->clients[i]), 0);
    fake_wire_free(&fleet->wires[i]);
  }
  free(fleet);
}

/* All that can be done now. How many have been dialled; *most: what the periods that passed allow. */
static unsigned run_rounds(struct fleet *fleet, unsigned *most) {
  const uint64_t before_ms = ik_port_now_ms();
  for (int round = 0; round < ROUNDS; round++) {
    assert_int_equal(iotkit_loop_post(fleet->loop, stop, fleet->loop), 0);
    assert_int_equal(iotkit_loop_run(fleet->loop), 0);
  }
  unsigned dials = 0;
  for (int i = 0; i < MANY; i++)
    dials += fleet->wires[i].dials;
  const uint64_t periods =
      ik_port_now_ms() / IK_OPENING_PERIOD_MS - before_ms / IK_OPENING_PERIOD_MS;
  *most += (unsigned)periods * IK_OPENING_TURNS;
  return dials;
}

static void only_so_many_open_their_connections_at_once(void **state) {
  (void)state;
  struct fleet *fleet = fleet_new();
  unsigned most = IK_OPENING_TURNS;
  unsigned dials = run_rounds(fleet, &most);
  assert_in_range(dials, IK_OPENING_TURNS, most);
  fleet_free(fleet);
}

/* The first, from `from` on, that has been dialled, or has not. */
static int find_one(const struct fleet *fleet, int from, unsigned dials) {
  while (from < MANY && fleet->wires[from].dials != dials)
    from++;
  return from;
}

/* What has ended gives its turn to the one that has waited longest. */
static void the_next_one_opens_when_one_has_ended(void **state) {
  (void)state;
  struct fleet *fleet = fleet_new();
  unsigned most = IK_OPENING_TURNS;
  const unsigned before = run_rounds(fleet, &most);
  const int waits = find_one(fleet, 0, 0);
  const int waits_too = find_one(fleet, waits + 1, 0);
  int opens = find_one(fleet, 0, 1);
  iotkit_loop_remove(fleet->loop, fleet->clients[opens]);
  for (int i = 0; i < 10; i++) {
    opens = find_one(fleet, opens + 1, 1);
    assert_int_equal(iotkit_mqtt_stop(fleet->clients[opens]), 0);
  }
  if (waits_too < MANY) { /* unless so many seconds have passed that all were dialled */
    iotkit_loop_remove(fleet->loop, fleet->clients[waits]);
    assert_int_equal(iotkit_mqtt_stop(fleet->clients[waits_too]), 0);
  }
  most += 11;
  const unsigned after = run_rounds(fleet, &most);
  if (before + 11 <= MANY - 2) assert_in_range(after, before + 11, most);
  if (waits_too < MANY)
    assert_int_equal(iotkit_mqtt_get_state(fleet->clients[waits_too]), IOTKIT_MQTT_CLOSED);
  fleet_free(fleet);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(calls_without_one_of_the_two),
      cmocka_unit_test(the_client_of_another_loop_stays_there),
      cmocka_unit_test(woken_clients_are_removed),
      cmocka_unit_test(only_so_many_open_their_connections_at_once),
      cmocka_unit_test(the_next_one_opens_when_one_has_ended),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
