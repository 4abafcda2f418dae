/*
 * config.c - remote configuration: topics, the request, and announcements into jobs.
 *
 * Whoever opens a channel owns it. Its handlers run on the thread that drives the client; close
 * unsubscribes them, which waits for a running one. Between open and close nothing here changes but
 * `callback_thread`.
 */
#include "channel/config.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "alink/config.h"
#include "alink/messages.h"
#include "base/limits.h"
#include "channel/ota.h"
#include "download/job.h"

/* Three texts of nothing but escapes, and the fields around them. */
#define PAYLOAD_MAX (20 * IK_KIB)

struct ik_config_channel {
  iotkit_mqtt_t *client;                    /* borrowed */
  iotkit_ota_t *ota;                        /* borrowed */
  struct ik_config_channel_options options; /* its names are not kept */
  /* Of jobs whose user sets no others; made by the thread that opens, which reads the environment. */
  struct ik_fetch_config *fetch;
  char topics[IK_CONFIG_TOPICS][IK_OTA_TOPIC_MAX];
  size_t subscribed;
  atomic_uintptr_t callback_thread; /* 0: none runs */
};

static int publish(struct ik_config_channel *config, enum ik_config_topic topic,
                   const struct ik_buf *payload) {
  return iotkit_mqtt_publish(config->client, config->topics[topic], ik_buf_ptr(payload),
                             ik_buf_size(payload), 0, false);
}

int ik_config_channel_get(struct ik_config_channel *config, const char *scope, const char *get_type,
                          const char *attribute_keys) {
  struct ik_buf payload;
  const uint32_t id = ik_ota_next_id(config->ota);
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_config_write_get(&payload, id, scope, get_type, attribute_keys);
  if (rc == 0) rc = publish(config, IK_CONFIG_TOPIC_GET, &payload);
  ik_buf_free(&payload);
  return rc;
}

/* ---- announcements ---- */

static void answer_push(struct ik_config_channel *config, const char *id, int error,
                        const char *detail) {
  struct ik_buf payload;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_config_write_push_reply(&payload, id, error, detail);
  if (rc == 0) rc = publish(config, IK_CONFIG_TOPIC_PUSH_REPLY, &payload);
  if (rc < 0) ik_log(IOTKIT_LOG_WARNING, "ota: push not answered: %s", iotkit_strerror(rc));
  ik_buf_free(&payload);
}

static void report_refusal(struct ik_config_channel *config, int error, const char *detail) {
  ik_log(IOTKIT_LOG_WARNING, "ota: refused a configuration: %s: %s", iotkit_error_name(error),
         detail);
  config->options.on_refused(config->options.ctx, error, detail);
}

/* Reads a message into a job, NULL: a reply that there is no configuration. Writes `id` always. */
static int read_job(const struct ik_config_channel *config,
                    const struct iotkit_mqtt_message *message, enum ik_config_source source,
                    iotkit_job_t **job, char *id, char *detail) {
  struct ik_announcement announcement;
  const struct ik_str text = {(const char *)message->payload, message->payload_len};
  *job = NULL;
  const int rc = ik_config_parse(text, source, &announcement, detail);
  ik_detail(id, "%s", announcement.upgrade.id);
  if (rc == 0 && !announcement.nothing) return ik_job_new(&announcement, config->fetch, job);
  ik_announcement_free(&announcement);
  return rc;
}

/* The push is answered before the job is handed on, so that its answer is published first. */
static void take_message(struct ik_config_channel *config,
                         const struct iotkit_mqtt_message *message, enum ik_config_source source) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  char id[IOTKIT_DETAIL_MAX];
  iotkit_job_t *job;
  const int rc = read_job(config, message, source, &job, id, detail);
  if (rc != 0) report_refusal(config, rc, detail);
  if (source == IK_CONFIG_PUSH) answer_push(config, id, rc, detail);
  if (job != NULL) config->options.on_config(config->options.ctx, job);
}

static void run(struct ik_config_channel *config, const struct iotkit_mqtt_message *message,
                enum ik_config_source source) {
  atomic_store(&config->callback_thread, ik_thread_self());
  take_message(config, message, source);
  atomic_store(&config->callback_thread, 0);
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
#define SUBSCRIPTIONS (sizeof(subscriptions) / sizeof(subscriptions[0]))

static int make_topics(struct ik_config_channel *config,
                       const struct ik_config_channel_options *options, char *detail) {
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < IK_CONFIG_TOPICS; i++)
    rc = ik_config_topic((enum ik_config_topic)i, options->product_key, options->device_name,
                         config->topics[i]);
  if (rc != 0) ik_detail(detail, "product key and device name make no topic");
  return rc;
}

static int subscribe(struct ik_config_channel *config, char *detail) {
  for (size_t i = 0; i < SUBSCRIPTIONS; i++) {
    const char *topic = config->topics[subscriptions[i].topic];
    int rc = iotkit_mqtt_subscribe(config->client, topic, 0, subscriptions[i].handler, config);
    if (rc < 0) {
      return ik_refuse(detail, rc, "%s: %s", topic, iotkit_strerror(rc));
    }
    config->subscribed++;
  }
  return 0;
}

int ik_config_channel_open(iotkit_mqtt_t *client, iotkit_ota_t *ota,
                           const struct ik_config_channel_options *options,
                           struct ik_config_channel **out, char *detail) {
  *out = NULL;
  struct ik_config_channel *config = calloc(1, sizeof(*config));
  if (config == NULL) return IK_ENO_MEMORY;
  config->client = client;
  config->ota = ota;
  config->options = *options;
  config->options.product_key = NULL;
  config->options.device_name = NULL;
  atomic_init(&config->callback_thread, 0);
  int rc = make_topics(config, options, detail);
  if (rc == 0) rc = ik_fetch_config_new(NULL, &config->fetch, detail);
  if (rc == 0) rc = subscribe(config, detail);
  if (rc == 0) {
    *out = config;
  } else {
    ik_config_channel_close(config);
  }
  return rc;
}

void ik_config_channel_close(struct ik_config_channel *config) {
  if (config == NULL) return;
  while (config->subscribed > 0) {
    config->subscribed--;
    iotkit_mqtt_unsubscribe(config->client, config->topics[subscriptions[config->subscribed].topic],
                            subscriptions[config->subscribed].handler, config);
  }
  ik_fetch_config_unref(config->fetch);
  free(config);
}

bool ik_config_channel_in_callback(const struct ik_config_channel *config) {
  return config != NULL && atomic_load(&config->callback_thread) == ik_thread_self();
}
