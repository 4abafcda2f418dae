/*
 * ota.h - a channel beyond iotkit_ota.h, for the files above it and the tests. Any thread, unless a
 * function says otherwise.
 */
#ifndef IK_CHANNEL_OTA_H
#define IK_CHANNEL_OTA_H

#include "alink/messages.h"
#include "channel/carrier.h"
#include "download/options.h"
#include "iotkit_ota.h"
#include "net/transport.h"

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
/* What carries its messages, and the options of its jobs; both are borrowed from it. */
struct ik_carrier *ik_ota_carrier(const iotkit_ota_t *ota);
struct ik_fetch_config *ik_ota_fetch_config(const iotkit_ota_t *ota);
/* Whether the calling thread is inside a callback of this channel. */
bool ik_ota_in_callback(const iotkit_ota_t *ota);

#endif
