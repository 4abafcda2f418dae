/*
 * offline_client.c - see offline_client.h.
 */
#include "support/offline_client.h"

#include "support/cm.h"

iotkit_mqtt_t *offline_client_new(void) {
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1", .port = 1, .client_id = "c"};
  iotkit_mqtt_t *client;
  assert_int_equal(iotkit_mqtt_new(&options, &client, NULL), 0);
  return client;
}
