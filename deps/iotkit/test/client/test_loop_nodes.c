/*
 * What a loop holds of its clients while it does not run: calls without a loop or a client, clients of
 * another loop, and those that were woken and are removed before the loop looks.
 */
#include "client/client.h"
#include "iotkit_loop.h"
#include "support/cm.h"
#include "support/offline_client.h"

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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(calls_without_one_of_the_two),
      cmocka_unit_test(the_client_of_another_loop_stays_there),
      cmocka_unit_test(woken_clients_are_removed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
