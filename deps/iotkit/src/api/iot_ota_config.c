/*
 * iot_ota_config.c - remote configuration of a handle: asked for, pushed, and answered. A
 * configuration becomes a job of the handle as firmware does.
 *
 * The handlers run on the thread that steps the client; close takes them off, which waits for a
 * running one. Nothing here is changed between open and close but the thread that runs one.
 */
#include <string.h>

#include "api/iot_ota.h"
#include "api/ota.h"
#include "base/limits.h"

#define PAYLOAD_MAX (20 * IK_KIB) /* three texts of escapes only, and the rest */

static int publish(struct iot_ota *ota, enum ik_config_topic topic, const struct ik_buf *payload) {
  return iotkit_mqtt_publish(ota->client, ota->config.topics[topic], ik_buf_ptr(payload),
                             ik_buf_size(payload), 0, false);
}

/* ---- asking ---- */

static int publish_get(struct iot_ota *ota, const char *scope, const char *get_type,
                       const char *attribute_keys) {
  struct ik_buf payload;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc =
      ik_config_write_get(&payload, ik_ota_next_id(ota->channel), scope, get_type, attribute_keys);
  if (rc == 0) rc = publish(ota, IK_CONFIG_TOPIC_GET, &payload);
  ik_buf_free(&payload);
  return rc;
}

int iotx_ota_get_config(void *handle, const char *configScope, const char *getType,
                        const char *attributeKeys) {
  struct iot_ota *ota = handle;
  if (ota == NULL || configScope == NULL || getType == NULL || attributeKeys == NULL) {
    return IOT_OTAE_INVALID_PARAM;
  }
  if (IOT_OTA_IsFetching(ota)) {
    return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED, IOT_OTAE_INVALID_STATE);
  }
  if (strlen(configScope) > IK_CONFIG_TEXT_MAX || strlen(getType) > IK_CONFIG_TEXT_MAX ||
      strlen(attributeKeys) > IK_CONFIG_TEXT_MAX) {
    return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED, IOT_OTAE_STR_TOO_LONG);
  }
  int rc = publish_get(ota, configScope, getType, attributeKeys);
  if (rc >= 0) return 0;
  return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED,
                         rc == IK_EINVALID_ARGUMENT ? IOT_OTAE_INVALID_PARAM : IOT_OTAE_OSC_FAILED);
}

/* ---- being told ---- */

static void answer_push(struct iot_ota *ota, const char *id, int error, const char *detail) {
  struct ik_buf payload;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_config_write_push_reply(&payload, id, error, detail);
  if (rc == 0) rc = publish(ota, IK_CONFIG_TOPIC_PUSH_REPLY, &payload);
  if (rc < 0) ik_log(IOTKIT_LOG_WARNING, "ota: push not answered: %s", iotkit_strerror(rc));
  ik_buf_free(&payload);
}

static void take(struct iot_ota *ota, const struct iotkit_mqtt_message *message,
                 enum ik_config_source source) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  char id[IOTKIT_DETAIL_MAX];
  struct ik_notice notice;
  iotkit_job_t *job = NULL;
  const struct ik_str text = {(const char *)message->payload, message->payload_len};
  int rc = ik_config_parse(text, source, &notice, detail);
  bool nothing = notice.nothing;
  ik_detail(id, "%s", notice.upgrade.id);
  if (rc == 0 && !nothing) {
    rc = ik_job_new(&notice, NULL, &job);
  } else {
    ik_notice_free(&notice);
  }
  if (rc != 0) {
    ik_log(IOTKIT_LOG_WARNING, "ota: refused a configuration: %s: %s", iotkit_error_name(rc),
           detail);
    ik_iot_ota_refused(ota, rc);
  }
  if (source == IK_CONFIG_PUSH) answer_push(ota, id, rc, detail);
  if (job != NULL) ik_iot_ota_offer(ota, job);
}

static void run(struct iot_ota *ota, const struct iotkit_mqtt_message *message,
                enum ik_config_source source) {
  atomic_store(&ota->config.callback_thread, ik_thread_self());
  take(ota, message, source);
  atomic_store(&ota->config.callback_thread, 0);
}

static void on_get_reply(void *ctx, iotkit_mqtt_t *client,
                         const struct iotkit_mqtt_message *message) {
  (void)client;
  run(ctx, message, IK_CONFIG_REPLY);
}

static void on_push(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_message *message) {
  (void)client;
  run(ctx, message, IK_CONFIG_PUSH);
}

/* ---- life ---- */

static const struct {
  enum ik_config_topic topic;
  iotkit_mqtt_message_fn handler;
} subscriptions[] = {
    {IK_CONFIG_TOPIC_GET_REPLY, on_get_reply},
    {IK_CONFIG_TOPIC_PUSH, on_push},
};

int ik_iot_ota_config_open(struct iot_ota *ota, const char *product_key, const char *device_name,
                           char *detail) {
  struct ik_iot_ota_config *config = &ota->config;
  for (size_t i = 0; i < IK_CONFIG_TOPICS; i++) {
    int rc = ik_config_topic((enum ik_config_topic)i, product_key, device_name, config->topics[i]);
    if (rc == 0) continue;
    ik_detail(detail, "product key and device name make no topic");
    return rc;
  }
  for (size_t i = 0; i < sizeof(subscriptions) / sizeof(subscriptions[0]); i++) {
    const char *topic = config->topics[subscriptions[i].topic];
    int rc = iotkit_mqtt_subscribe(ota->client, topic, 0, subscriptions[i].handler, ota);
    if (rc < 0) {
      ik_detail(detail, "%s: %s", topic, iotkit_strerror(rc));
      return rc;
    }
    config->subscribed++;
  }
  return 0;
}

void ik_iot_ota_config_close(struct iot_ota *ota) {
  struct ik_iot_ota_config *config = &ota->config;
  while (config->subscribed > 0) {
    config->subscribed--;
    iotkit_mqtt_unsubscribe(ota->client, config->topics[subscriptions[config->subscribed].topic],
                            subscriptions[config->subscribed].handler, ota);
  }
}

bool ik_iot_ota_config_in_callback(const struct iot_ota *ota) {
  return atomic_load(&ota->config.callback_thread) == ik_thread_self();
}
