/*
 * config.c - remote configuration: topics, the request, and announcements into jobs.
 *
 * Whoever makes one owns it. Its handlers run on the thread that steps the client; free()
 * unsubscribes them, which waits for a running one. In between nothing here changes but
 * `callback_thread`.
 */
#include "channel/config.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alink/config.h"
#include "base/limits.h"
#include "base/sized.h"
#include "channel/ota.h"
#include "download/job.h"

/* Three texts of nothing but escapes, and the fields around them. */
#define PAYLOAD_MAX (20 * IK_KIB)
#define REQUEST_ID_MAX 16
#define SUBSCRIPTIONS 2

struct iotkit_config {
  iotkit_ota_t *ota;             /* borrowed */
  struct ik_fetch_config *fetch; /* a reference */
  struct iotkit_config_options options;
  char topics[IK_CONFIG_TOPICS][IK_OTA_TOPIC_MAX];
  struct ik_line_own own[SUBSCRIPTIONS];
  size_t subscribed;
  atomic_uintptr_t callback_thread; /* 0: none runs */
};

static int publish(iotkit_config_t *config, enum ik_config_topic topic,
                   const struct ik_buf *payload) {
  return ik_ota_publish_own(config->ota, config->topics[topic], payload, 0);
}

int ik_config_ask(iotkit_config_t *config, const char *scope, const char *get_type,
                  const char *attribute_keys, char *request_id) {
  struct ik_buf payload;
  const uint32_t id = ik_ota_next_id(config->ota);
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_config_write_get(&payload, id, scope, get_type, attribute_keys);
  /* The reply may be there before publish() returns. */
  if (request_id != NULL) snprintf(request_id, REQUEST_ID_MAX, "%" PRIu32, id);
  if (rc == 0) rc = publish(config, IK_CONFIG_TOPIC_GET, &payload);
  ik_buf_free(&payload);
  return rc;
}

int iotkit_config_request(iotkit_config_t *config, char *request_id) {
  if (config == NULL) return IK_EINVALID_ARGUMENT;
  return ik_config_ask(config, "product", "file", "", request_id);
}

/* ---- answers ---- */

static int answer(iotkit_config_t *config, const char *id, int code, const char *message) {
  struct ik_buf payload;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_config_write_push_reply(&payload, id, code, message);
  if (rc == 0) rc = publish(config, IK_CONFIG_TOPIC_PUSH_REPLY, &payload);
  ik_buf_free(&payload);
  return rc;
}

int iotkit_config_answer(iotkit_config_t *config, const char *push_id, int code,
                         const char *message) {
  if (config == NULL || push_id == NULL || push_id[0] == '\0' || code <= 0)
    return IK_EINVALID_ARGUMENT;
  const char *text = message != NULL ? message : "";
  if (strlen(text) > IOTKIT_CONFIG_MESSAGE_MAX || strlen(push_id) > IOTKIT_DETAIL_MAX)
    return IK_ETOO_LONG;
  return answer(config, push_id, code, text);
}

static void answer_by_itself(iotkit_config_t *config, const char *id, int error,
                             const char *detail) {
  const int rc = answer(config, id, ik_config_code_of(error), error == 0 ? "" : detail);
  if (rc < 0) ik_log(IOTKIT_LOG_WARNING, "ota: push not answered: %s", iotkit_strerror(rc));
}

/* ---- announcements ---- */

static void report_refusal(iotkit_config_t *config, int error, const char *detail,
                           const char *request_id) {
  const struct iotkit_config_options *options = &config->options;
  ik_log(IOTKIT_LOG_WARNING, "ota: refused a configuration: %s: %s", iotkit_error_name(error),
         detail);
  if (options->on_refused != NULL)
    options->on_refused(options->ctx, config, error, detail, request_id);
}

static void report_nothing(iotkit_config_t *config, const char *request_id) {
  const struct iotkit_config_options *options = &config->options;
  if (options->on_nothing != NULL) options->on_nothing(options->ctx, config, request_id);
}

static void hand_on(iotkit_config_t *config, iotkit_job_t *job) {
  const struct iotkit_config_options *options = &config->options;
  if (options->on_config != NULL) {
    options->on_config(options->ctx, config, job);
  } else {
    iotkit_job_unref(job);
  }
}

/* Reads a message into a job, NULL: a reply that there is no configuration. Writes `id` always. */
static int read_job(const iotkit_config_t *config, const struct iotkit_mqtt_message *message,
                    enum ik_config_source source, iotkit_job_t **job, char *id, char *detail) {
  struct ik_announcement announcement;
  const struct ik_str text = {(const char *)message->payload, message->payload_len};
  *job = NULL;
  const int rc = ik_config_parse(text, source, &announcement, detail);
  ik_detail(id, "%s", announcement.upgrade.id);
  if (rc == 0 && !announcement.nothing) return ik_job_new(&announcement, config->fetch, job);
  ik_announcement_free(&announcement);
  return rc;
}

/* A push is answered before the job is handed on, so that its answer is published first. */
static void take_message(iotkit_config_t *config, const struct iotkit_mqtt_message *message,
                         enum ik_config_source source) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  char id[IOTKIT_DETAIL_MAX];
  iotkit_job_t *job;
  const bool is_push = source == IK_CONFIG_PUSH;
  const int rc = read_job(config, message, source, &job, id, detail);
  if (is_push && (rc != 0 || config->options.answer_pushes))
    answer_by_itself(config, id, rc, detail);
  if (rc != 0) {
    report_refusal(config, rc, detail, is_push ? "" : id);
  } else if (job == NULL) {
    report_nothing(config, id);
  } else {
    hand_on(config, job);
  }
}

static void run(iotkit_config_t *config, const struct iotkit_mqtt_message *message,
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
} subscriptions[SUBSCRIPTIONS] = {
    {IK_CONFIG_TOPIC_GET_REPLY, on_get_reply},
    {IK_CONFIG_TOPIC_PUSH, on_push},
};

static int make_topics(iotkit_config_t *config, char *detail) {
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < IK_CONFIG_TOPICS; i++) {
    const char *tail = ik_config_topic_tail((enum ik_config_topic)i);
    rc = ik_ota_make_own_topic(config->ota, "/sys", tail, config->topics[i]);
  }
  if (rc != 0) ik_detail(detail, "product key and device name are too long");
  return rc;
}

static int subscribe(iotkit_config_t *config, char *detail) {
  for (size_t i = 0; i < SUBSCRIPTIONS; i++) {
    struct ik_line_own *own = &config->own[i];
    *own = (struct ik_line_own){.topic = config->topics[subscriptions[i].topic],
                                .handler = subscriptions[i].handler,
                                .ctx = config};
    int rc = ik_ota_subscribe_own(config->ota, own);
    if (rc < 0) {
      return ik_refuse(detail, rc, "%s: %s", own->topic, iotkit_strerror(rc));
    }
    config->subscribed++;
  }
  return 0;
}

static void unsubscribe(iotkit_config_t *config) {
  while (config->subscribed > 0)
    ik_ota_unsubscribe_own(config->ota, &config->own[--config->subscribed]);
}

static int open_config(iotkit_ota_t *ota, const struct iotkit_config_options *options,
                       iotkit_config_t **out, char *detail) {
  iotkit_config_t *config = calloc(1, sizeof(*config));
  if (config == NULL) return IK_ENO_MEMORY;
  config->ota = ota;
  config->options = *options;
  config->fetch = ik_fetch_config_ref(ik_ota_fetch_config(ota));
  atomic_init(&config->callback_thread, 0);
  int rc = make_topics(config, detail);
  if (rc == 0) rc = subscribe(config, detail);
  if (rc == 0) {
    *out = config;
  } else {
    iotkit_config_free(config);
  }
  return rc;
}

int iotkit_config_new(iotkit_ota_t *ota, const struct iotkit_config_options *options,
                      iotkit_config_t **out, char *detail) {
  struct iotkit_config_options own = {0};
  if (out != NULL) *out = NULL;
  if (ota == NULL || options == NULL || out == NULL)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "channel, options and out are needed");
  int rc = IK_SIZED_READ(&own, options, detail);
  return rc == 0 ? open_config(ota, &own, out, detail) : rc;
}

int iotkit_config_free(iotkit_config_t *config) {
  if (config == NULL) return 0;
  if (ik_config_in_callback(config)) return IK_EIN_CALLBACK;
  unsubscribe(config);
  ik_fetch_config_unref(config->fetch);
  free(config);
  return 0;
}

bool ik_config_in_callback(const iotkit_config_t *config) {
  return config != NULL && atomic_load(&config->callback_thread) == ik_thread_self();
}
