/*
 * client_rig.h - an MQTT client over a stream in memory and a fake clock; what it reports is noted
 * as text.
 */
#ifndef TEST_CLIENT_RIG_H
#define TEST_CLIENT_RIG_H

#include "support/cm.h"

#include "client/client.h"
#include "iotkit_mqtt.h"
#include "support/fake_stream.h"

#define T0 1000000u

struct client_rig {
  struct fake_wire wire;
  iotkit_mqtt_t *client;
  uint64_t now;
  char reported[2048];
  char detail[IOTKIT_DETAIL_MAX]; /* of the last change of state */
  unsigned messages;
  unsigned wakes;
  void (*on_message)(struct client_rig *rig, const struct iotkit_mqtt_message *message);
  void (*on_report)(struct client_rig *rig, const struct iotkit_mqtt_event *event);
};

void cr_handler(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_message *message);
void cr_other_handler(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_message *message);
struct client_rig *cr_new(const struct iotkit_mqtt_options *given);
void cr_free(struct client_rig *rig);
int cr_step(struct client_rig *rig);
void cr_settle(struct client_rig *rig);
void cr_assert_reported(struct client_rig *rig, const char *want);
void cr_say(struct client_rig *rig, const char *bytes, size_t len);
void cr_assert_written(struct client_rig *rig, const char *want, size_t len);
void cr_go_up(struct client_rig *rig);

#define SAY(rig, literal) cr_say(rig, literal, sizeof(literal) - 1)
#define ASSERT_WRITTEN(rig, literal) cr_assert_written(rig, literal, sizeof(literal) - 1)

#endif
