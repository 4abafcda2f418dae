/*
 * Many clients whose broker restarts, on one clock that only waiting moves: how often each signs in, and that they do
 * not all come back at the same moment.
 */
#include "support/client_rig.h"

#include <stdio.h>

enum { CLIENTS = 300, MAX = 5, MINUTE_MS = 60000, SLOT_MS = 100 };

struct fleet {
  struct client_rig *rigs[CLIENTS];
  uint64_t connects_ms[CLIENTS][MAX]; /* the last ones of each; a ring */
  unsigned connects[CLIENTS];
  unsigned dials[CLIENTS];
  uint64_t now_ms;
  bool broker_is_up; /* else it takes the CONNECT, and ends the stream */
};

static void open_fleet(struct fleet *fleet) {
  char client_id[16];
  const struct iotkit_mqtt_options options = {.client_id = client_id,
                                              .max_connects_per_minute = MAX};
  *fleet = (struct fleet){.now_ms = T0, .broker_is_up = true};
  for (size_t i = 0; i < CLIENTS; i++) {
    snprintf(client_id, sizeof client_id, "%zu", i);
    fleet->rigs[i] = cr_new(&options);
    assert_int_equal(iotkit_mqtt_start(fleet->rigs[i]->client), 0);
  }
}

static void free_fleet(struct fleet *fleet) {
  for (size_t i = 0; i < CLIENTS; i++)
    cr_free(fleet->rigs[i]);
}

/* Every connect comes more than a minute after the fifth one before it. */
static void note_connect(struct fleet *fleet, size_t i) {
  const unsigned at = fleet->connects[i]++;
  uint64_t *slot = &fleet->connects_ms[i][at % MAX];
  if (at >= MAX) assert_true(fleet->now_ms - *slot > MINUTE_MS);
  *slot = fleet->now_ms;
}

static void step_client(struct fleet *fleet, size_t i) {
  struct client_rig *rig = fleet->rigs[i];
  rig->now = fleet->now_ms;
  rig->reported[0] = '\0';
  rig->wire.read_error = fleet->broker_is_up ? IK_EAGAIN : 0;
  cr_step(rig);
  if (rig->wire.dials != fleet->dials[i]) {
    fleet->dials[i] = rig->wire.dials;
    note_connect(fleet, i);
    if (rig->wire.connected) SAY(rig, "\x20\x02\x00\x00");
  }
  cr_settle(rig);
  fake_forget(&rig->wire);
}

/* Turns the clock to whoever is due first, and steps all that are due then; until `end_ms`. */
static void run_until(struct fleet *fleet, uint64_t end_ms) {
  for (;;) {
    uint64_t next_ms = UINT64_MAX;
    for (size_t i = 0; i < CLIENTS; i++) {
      const uint64_t due_ms = iotkit_mqtt_deadline(fleet->rigs[i]->client);
      if (due_ms < next_ms) next_ms = due_ms;
    }
    if (next_ms >= end_ms) break;
    if (next_ms > fleet->now_ms) fleet->now_ms = next_ms;
    for (size_t i = 0; i < CLIENTS; i++) {
      if (iotkit_mqtt_deadline(fleet->rigs[i]->client) <= fleet->now_ms) step_client(fleet, i);
    }
  }
  fleet->now_ms = end_ms;
}

static unsigned count_connected(const struct fleet *fleet) {
  unsigned connected = 0;
  for (size_t i = 0; i < CLIENTS; i++)
    connected += iotkit_mqtt_get_state(fleet->rigs[i]->client) == IOTKIT_MQTT_CONNECTED;
  return connected;
}

/* All streams end, which each client notices at once. */
static void drop_all(struct fleet *fleet, bool broker_is_up) {
  fleet->broker_is_up = false;
  for (size_t i = 0; i < CLIENTS; i++)
    step_client(fleet, i);
  fleet->broker_is_up = broker_is_up;
}

static void comes_back_spread_over_the_back_off(void **state) {
  (void)state;
  struct fleet fleet;
  open_fleet(&fleet);
  run_until(&fleet, T0 + 20000); /* longer than a connection lasts that counts as stable */
  assert_int_equal(count_connected(&fleet), CLIENTS);
  drop_all(&fleet, true);
  assert_int_equal(count_connected(&fleet), 0);
  unsigned most = 0;
  unsigned before = 0;
  for (unsigned slot = 0; slot < 10; slot++) {
    run_until(&fleet, fleet.now_ms + SLOT_MS);
    const unsigned now = count_connected(&fleet);
    if (now - before > most) most = now - before;
    before = now;
  }
  run_until(&fleet, fleet.now_ms + 1); /* the longest wait is a second */
  assert_int_equal(count_connected(&fleet), CLIENTS);
  /* Uniform over half a second: 60 of them in a tenth, and twice as many in one of 10^15 runs. */
  assert_in_range(most, 60, 120);
  free_fleet(&fleet);
}

/* The broker takes each CONNECT and ends the connection, for ten minutes. */
static void signs_in_five_times_a_minute_at_most(void **state) {
  (void)state;
  struct fleet fleet;
  open_fleet(&fleet);
  run_until(&fleet, T0 + 20000);
  drop_all(&fleet, false);
  run_until(&fleet, fleet.now_ms + 10 * MINUTE_MS);
  for (size_t i = 0; i < CLIENTS; i++)
    assert_in_range(fleet.connects[i], 10, 10 * MAX + MAX);
  fleet.broker_is_up = true;
  run_until(&fleet, fleet.now_ms + 2 * MINUTE_MS);
  assert_int_equal(count_connected(&fleet), CLIENTS);
  free_fleet(&fleet);
}

/* A connection that lasts for longer than it takes to forget the back-off, again and again. */
static void signs_in_no_more_often_when_connections_last(void **state) {
  (void)state;
  struct fleet fleet;
  open_fleet(&fleet);
  for (int i = 0; i < 40; i++) {
    run_until(&fleet, fleet.now_ms + 11000);
    drop_all(&fleet, true);
  }
  for (size_t i = 0; i < CLIENTS; i++)
    assert_in_range(fleet.connects[i], 10, 40);
  free_fleet(&fleet);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(comes_back_spread_over_the_back_off),
      cmocka_unit_test(signs_in_five_times_a_minute_at_most),
      cmocka_unit_test(signs_in_no_more_often_when_connections_last),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
