/*
 * config.h - remote configuration of a device over its MQTT client: asked for, pushed, answered. A
 * configuration becomes a job, so that it is downloaded and verified as firmware is.
 *
 * The callbacks run on the thread that drives the client, under no lock.
 */
#ifndef IK_CHANNEL_CONFIG_H
#define IK_CHANNEL_CONFIG_H

#include "iotkit_ota.h"

struct ik_config_channel;

/* Of ik_config_channel_open(). */
struct ik_config_channel_options {
  const char *product_key; /* the names are not kept */
  const char *device_name;
  /* There is a configuration to fetch; the reference of the job is the callee's. */
  void (*on_config)(void *ctx, iotkit_job_t *job);
  /* A configuration was refused: `error`, and in `detail` what is wrong, for the call only. */
  void (*on_refused)(void *ctx, int error, const char *detail);
  void *ctx; /* of both; not touched */
};

/*
 * Subscribes. Borrows the client, and the device's OTA channel, which numbers the messages; both
 * have to outlive it. Errors: those of ik_config_topic() and iotkit_mqtt_subscribe(),
 * IK_ENO_MEMORY; `detail` names what failed. Callbacks may run before it returns.
 */
int ik_config_channel_open(iotkit_mqtt_t *client, iotkit_ota_t *ota,
                           const struct ik_config_channel_options *options,
                           struct ik_config_channel **out, char *detail);
/*
 * Unsubscribes and frees; afterwards no callback runs. Any thread, not inside its callbacks; NULL
 * is allowed.
 */
void ik_config_channel_close(struct ik_config_channel *config);
/* Whether the calling thread is inside a callback of this channel. NULL: no. */
bool ik_config_channel_in_callback(const struct ik_config_channel *config);
/*
 * Asks for the configuration; the reply comes to a callback. `attribute_keys` "": none. Errors:
 * IK_EINVALID_ARGUMENT: a text is not UTF-8; those of iotkit_mqtt_publish(). Any thread.
 */
int ik_config_channel_get(struct ik_config_channel *config, const char *scope, const char *get_type,
                          const char *attribute_keys);

#endif
