/*
 * subchannels.h - the OTA channels of a gateway's sub-devices: made by the program, subscribed after
 * each login, shut while the sub-device is not logged in.
 *
 * Everything here is guarded by the mutex of the gateway's line. "Driver": on the thread that steps the
 * client, without the mutex; such a function may run the program's callbacks.
 *
 * Order of locks: this mutex, then that of a channel's line, then the client's.
 */
#ifndef IK_CHANNEL_SUBCHANNELS_H
#define IK_CHANNEL_SUBCHANNELS_H

#include "channel/line.h"
#include "channel/ota.h"
#include "channel/shared_configs.h"
#include "channel/subdevices.h"

struct ik_subchannels {
  struct ik_line *line;  /* the gateway's, whose carrier the channels share; borrowed */
  iotkit_mqtt_t *client; /* likewise */
  struct ik_mqtt_companion *companion; /* the gateway's: woken when there is something to do */
  struct ik_subdevices *subs;          /* whose channels they are; borrowed */
  /* with the mutex */
  struct ik_subdevice *delivering; /* whose channel the driver is in */
  struct ik_subdevice *reports, **reports_end;
  uint64_t report_ms;   /* when the next report may be sent */
  uint32_t interval_ms; /* between two of them; 0: at what is sure to be taken */
  bool sends_at_qos0;   /* the next of those */
  struct ik_shared_configs configs;
};

/* Zeroed before. A sub-device's `owner` is this struct. */
void ik_subchannels_init(struct ik_subchannels *channels, struct ik_line *line,
                         iotkit_mqtt_t *client, struct ik_mqtt_companion *companion,
                         struct ik_subdevices *subs);
/* How many reports a second; 0: what is sure to be taken. Before the first channel. */
void ik_subchannels_set_rate(struct ik_subchannels *channels, uint32_t reports_per_s);
/* No channel may be left. */
void ik_subchannels_deinit(struct ik_subchannels *channels);
/* Whether a sub-device still has a channel. Takes the mutex. */
bool ik_subchannels_exist(struct ik_subchannels *channels);
/* As iotkit_gateway_ota_new(), of our own size. Takes the mutex. Any thread. */
int ik_subchannels_new(struct ik_subchannels *channels, const struct iotkit_ota_options *options,
                       iotkit_ota_t **out, char *detail);
/* A message on a topic of a sub-device's channel. Driver. */
void ik_subchannels_deliver(struct ik_subchannels *channels, enum ik_ota_topic topic,
                            struct ik_str product_key, struct ik_str device_name,
                            const struct iotkit_mqtt_message *message);
/* The sub-device is logged in: what concerns it is subscribed. With the mutex held, inside a step. */
void ik_subchannels_enter(struct ik_subchannels *channels, struct ik_subdevice *sub);
/* Before the sub-device gets another state. With the mutex held. */
void ik_subchannels_leave(struct ik_subdevice *sub);
/* Sends the reports that are due; returns when the next is. With the mutex held, inside a step. */
uint64_t ik_subchannels_report(struct ik_subchannels *channels, uint64_t now_ms);

#endif
