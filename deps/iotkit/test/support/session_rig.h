/*
 * session_rig.h - an MQTT session on a fake clock with a broker that is the test: what the session
 * sends is compared byte for byte, what it reports as text. The broker's bytes are handed in whole
 * or one at a time (session_piece).
 */
#ifndef TEST_SESSION_RIG_H
#define TEST_SESSION_RIG_H

#include "support/cm.h"

#include "iotkit_errors.h"
#include "mqtt/session.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})
#define CONNACK BYTES(0x20, 2, 0, 0)
#define CONNACK_PRESENT BYTES(0x20, 2, 1, 0)
#define T0 1000000u

extern size_t session_piece; /* bytes handed in at a time, 0: all */
/* Group set-ups, and a group run with each: the broker's bytes whole, then one at a time. */
int sr_whole(void **state);
int sr_bytewise(void **state);
#define sr_run_both_ways(tests)                                                                    \
  (cmocka_run_group_tests_name("whole", tests, sr_whole, NULL) +                                   \
   cmocka_run_group_tests_name("bytewise", tests, sr_bytewise, NULL))

struct session_rig {
  struct ik_mqtt_session session;
  uint64_t now;
  char reported[1024]; /* what receive() and sr_tick() reported since the last look */
  char detail[IOTKIT_DETAIL_MAX];
  bool hold; /* messages are not answered */
};

void sr_fn(void);
void sr_fn2(void);
struct session_rig *sr_new(const struct ik_mqtt_session_options *given);
struct session_rig *sr_clean(void);
struct session_rig *sr_persistent(void);
void sr_free(struct session_rig *rig);
void sr_note(struct session_rig *rig, const struct ik_mqtt_event *h);
int sr_broker(struct session_rig *rig, const uint8_t *data, size_t len);
void sr_assert_reported(struct session_rig *rig, const char *want);
struct ik_buf sr_sent(struct session_rig *rig);
void sr_assert_sent(struct session_rig *rig, const uint8_t *want, size_t len);
void sr_assert_silent(struct session_rig *rig);
void sr_swallow(struct session_rig *rig);
int sr_tick(struct session_rig *rig);
void sr_go_up(struct session_rig *rig);
int sr_publish(struct session_rig *rig, const char *topic, const char *payload, uint8_t qos);
int sr_subscribe(struct session_rig *rig, const char *filter, uint8_t qos);
int sr_unsubscribe(struct session_rig *rig, const char *filter);

#endif
