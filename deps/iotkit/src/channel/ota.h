/*
 * ota.h - a channel beyond iotkit_ota.h, for the files above it and the tests. Any thread, unless a
 * function says otherwise.
 */
#ifndef IK_CHANNEL_OTA_H
#define IK_CHANNEL_OTA_H

#include "alink/messages.h"
#include "channel/line.h"
#include "download/options.h"
#include "iotkit_ota.h"
#include "net/transport.h"

/*
 * Whoever logs a sub-device in, as the sub-device's channel sees it. Each is called on any thread, with
 * no lock of the channel held.
 */
struct ik_ota_gate {
  /* A report waits: call ik_ota_send_report() when the sub-device is logged in. */
  void (*on_report)(void *ctx);
  /* The channel is being freed: after the return nothing of the gate calls it any more. */
  void (*on_free)(void *ctx);
};
/*
 * As iotkit_ota_new for a sub-device: subscribes nothing and is not logged in. The options are of our
 * own size. `carrier` is borrowed. `config` is referenced; NULL: made of the options' `fetch`. `ctx` is
 * the gate's.
 */
int ik_ota_new_gated(struct ik_carrier *carrier, const struct iotkit_ota_options *options,
                     struct ik_fetch_config *config, const struct ik_ota_gate *gate, void *ctx,
                     iotkit_ota_t **out, char *detail);
/* The sub-device is logged in, again: all its versions are to be reported; or it is not any more. */
void ik_ota_set_logged_in(iotkit_ota_t *ota, bool logged_in);
/*
 * Calls `each` for the topics of blocks, if a download waits for some, and of ik_ota_subscribe_own(): they
 * have handlers, but a broker refuses them before the login and forgets them with the session. With the
 * line's mutex held.
 */
void ik_ota_each_handled(const iotkit_ota_t *ota,
                         void (*each)(void *ctx, const char *topic, uint8_t qos), void *ctx);
/* Publishes one report that waits. 1: it is sent; 0: none waits; else it waits on. Inside a step. */
int ik_ota_send_report(iotkit_ota_t *ota, uint8_t qos);
/* A message on the topic of IK_OTA_UPGRADE or IK_OTA_GET_REPLY. On the thread that steps. */
void ik_ota_take(iotkit_ota_t *ota, enum ik_ota_topic topic,
                 const struct iotkit_mqtt_message *message);
/* The config of a channel's jobs, see make_config(): a copy that several channels may share. */
int ik_ota_config_new(const struct iotkit_ota_options *options, struct ik_fetch_config **out,
                      char *detail);

/* For the jobs to come: another way to open connections. Before the client is stepped. */
void ik_ota_set_dial(iotkit_ota_t *ota, ik_dial_fn dial, void *ctx);
/*
 * As iotkit_ota_report_version, to the topic of IK_OTA_INFORM or IK_OTA_REQUEST and for any text of
 * 1-64 bytes.
 */
int ik_ota_publish_version(iotkit_ota_t *ota, enum ik_ota_topic topic, const char *version,
                           const char *module);
/* The id of the device's next message. */
uint32_t ik_ota_next_id(iotkit_ota_t *ota);
/* Another topic of the device: see ik_line_make_topic(). */
int ik_ota_make_own_topic(const iotkit_ota_t *ota, const char *head, const char *tail,
                          char out[IK_OTA_TOPIC_MAX]);
/* As ik_line_subscribe_own() and ik_line_unsubscribe_own(). */
int ik_ota_subscribe_own(iotkit_ota_t *ota, struct ik_line_own *own);
void ik_ota_unsubscribe_own(iotkit_ota_t *ota, struct ik_line_own *own);
/* Publishes to such a topic. IK_ENOT_CONNECTED: also while a sub-device is not logged in. */
int ik_ota_publish_own(const iotkit_ota_t *ota, const char *topic, const struct ik_buf *payload,
                       uint8_t qos);
/* What carries its messages, and the options of its jobs; both are borrowed from it. */
struct ik_carrier *ik_ota_carrier(const iotkit_ota_t *ota);
struct ik_fetch_config *ik_ota_fetch_config(const iotkit_ota_t *ota);
/* Whether the calling thread is inside a callback of this channel. */
bool ik_ota_in_callback(const iotkit_ota_t *ota);

#endif
