/*
 * ota.c - a device's OTA channel on an MQTT client: subscriptions, reports, notices into jobs.
 *
 * The channel belongs to whoever made it and borrows the client. Its handlers run on the thread
 * that steps the client; free() first takes them off, which waits for a running one, so nothing
 * here is touched afterwards. It keeps a reference of the last few jobs, to tell a notice that is
 * delivered again from a new one.
 */
#include "api/ota.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job.h"
#include "api/link.h"
#include "base/limits.h"
#include "ota/notice.h"
#include "port/port.h"

#define RECENT_MAX 8
#define PAYLOAD_MAX (8 * IK_KIB) /* a desc of escapes only, and the rest */
#define REQUEST_ID_MAX 16

struct iotkit_ota {
  iotkit_mqtt_t *client;             /* borrowed */
  struct iotkit_ota_options options; /* its names and `fetch` are not kept */
  struct ik_fetch_config *config;    /* of the jobs */
  struct ik_link *link;              /* owned; the jobs' way back */
  size_t subscribed;
  atomic_uintptr_t callback_thread; /* 0: none runs */
  ik_dial_fn dial;                  /* NULL: the network */
  void *dial_ctx;
  /* The stepping thread only. */
  iotkit_job_t *recent[RECENT_MAX];
  size_t recent_next;
};

/* ---- reports ---- */

uint32_t ik_ota_next_id(iotkit_ota_t *ota) {
  return ik_link_next_id(ota->link);
}

static int publish(iotkit_ota_t *ota, enum ik_ota_topic topic, const struct ik_buf *payload,
                   uint8_t qos) {
  return iotkit_mqtt_publish(ota->client, ik_link_topic(ota->link, topic), ik_buf_ptr(payload),
                             ik_buf_size(payload), qos, false);
}

static bool module_valid(const char *module) {
  return module == NULL || module[0] == '\0' || ik_ota_name_valid(ik_str(module));
}

int ik_ota_publish_version(iotkit_ota_t *ota, enum ik_ota_topic topic, const char *version,
                           const char *module) {
  struct ik_buf payload;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_ota_write_inform(&payload, ik_ota_next_id(ota), version, module);
  if (rc == 0) rc = publish(ota, topic, &payload, 1);
  ik_buf_free(&payload);
  return rc;
}

int iotkit_ota_report_version(iotkit_ota_t *ota, const char *version, const char *module) {
  if (ota == NULL || version == NULL || !ik_ota_name_valid(ik_str(version)) ||
      !module_valid(module)) {
    return IK_EINVALID_ARGUMENT;
  }
  return ik_ota_publish_version(ota, IK_OTA_INFORM, version, module);
}

int iotkit_ota_report_progress(iotkit_ota_t *ota, int step, const char *desc, const char *module) {
  struct ik_buf payload;
  if (ota == NULL || step < -4 || step > 100 || !module_valid(module)) return IK_EINVALID_ARGUMENT;
  if (desc != NULL && strlen(desc) > IK_DESC_MAX) return IK_ETOO_LONG;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_ota_write_progress(&payload, ik_ota_next_id(ota), step, desc, module);
  if (rc == 0) rc = publish(ota, IK_OTA_PROGRESS, &payload, 0);
  ik_buf_free(&payload);
  return rc;
}

int iotkit_ota_request(iotkit_ota_t *ota, const char *module, char *request_id) {
  struct ik_buf payload;
  if (ota == NULL || !module_valid(module)) return IK_EINVALID_ARGUMENT;
  uint32_t id = ik_ota_next_id(ota);
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_ota_write_get(&payload, id, module);
  /* The reply may be there before publish() returns. */
  if (request_id != NULL) snprintf(request_id, REQUEST_ID_MAX, "%" PRIu32, id);
  if (rc == 0) rc = publish(ota, IK_OTA_GET, &payload, 0);
  ik_buf_free(&payload);
  return rc;
}

/* ---- notices ---- */

static void refuse(iotkit_ota_t *ota, const struct ik_notice *notice, bool is_reply, int error,
                   const char *detail) {
  char desc[IOTKIT_DETAIL_MAX];
  ik_log(IOTKIT_LOG_WARNING, "ota: refused a notice: %s: %s", iotkit_error_name(error), detail);
  ik_detail(desc, "%s: %s", iotkit_error_name(error), detail);
  /* A code from the platform is an answer to us, not an upgrade that failed. */
  if (error != IK_ENOTICE_CODE) {
    int rc = iotkit_ota_report_progress(ota, -1, desc, notice->upgrade.module);
    if (rc < 0) ik_log(IOTKIT_LOG_WARNING, "ota: refusal not reported: %s", iotkit_strerror(rc));
  }
  if (ota->options.on_refused != NULL) {
    ota->options.on_refused(ota->options.ctx, ota, error, detail,
                            is_reply ? notice->upgrade.id : "");
  }
}

/*
 * The same notice once more: the broker delivers again after a reconnect, and the platform pushes
 * again what it has not seen reported. As long as its job is in use, or on a mere redelivery, it is
 * not a new upgrade.
 */
static bool is_repeated(const iotkit_ota_t *ota, const struct ik_notice *notice, bool dup) {
  if (notice->upgrade.id[0] == '\0') return false;
  for (size_t i = 0; i < RECENT_MAX; i++) {
    const iotkit_job_t *job = ota->recent[i];
    if (job == NULL || !ik_notice_equal(&job->notice, notice)) continue;
    enum iotkit_job_state state = iotkit_job_get_state(job);
    bool unfinished = state == IOTKIT_JOB_READY || state == IOTKIT_JOB_FETCHING;
    if (dup || (unfinished && ik_job_is_shared(job))) return true;
  }
  return false;
}

static void remember(iotkit_ota_t *ota, iotkit_job_t *job) {
  iotkit_job_t **slot = &ota->recent[ota->recent_next];
  iotkit_job_unref(*slot);
  *slot = iotkit_job_ref(job);
  ota->recent_next = (ota->recent_next + 1) % RECENT_MAX;
}

/* Takes over the notice. */
static void offer(iotkit_ota_t *ota, struct ik_notice *notice) {
  iotkit_job_t *job;
  int rc = ik_job_new(notice, ota->config, &job);
  if (rc != 0) {
    ik_log(IOTKIT_LOG_ERROR, "ota: %s", iotkit_strerror(rc));
    return;
  }
  ik_job_set_link(job, ota->link);
  if (ota->dial != NULL) ik_job_set_dial(job, ota->dial, ota->dial_ctx);
  remember(ota, job);
  if (ota->options.on_upgrade != NULL) {
    ota->options.on_upgrade(ota->options.ctx, ota, job);
  } else {
    iotkit_job_unref(job);
  }
}

static void take_good(iotkit_ota_t *ota, struct ik_notice *notice, bool is_reply, bool dup) {
  if (notice->nothing) {
    if (ota->options.on_nothing != NULL) {
      ota->options.on_nothing(ota->options.ctx, ota, notice->upgrade.id);
    }
  } else if (!is_reply && ik_link_renew(ota->link, notice)) {
    ik_log(IOTKIT_LOG_INFO, "ota: notice %s has what a download waits for", notice->upgrade.id);
  } else if (!is_reply && is_repeated(ota, notice, dup)) {
    ik_log(IOTKIT_LOG_INFO, "ota: notice %s came again", notice->upgrade.id);
  } else {
    offer(ota, notice);
    return;
  }
  ik_notice_free(notice);
}

static void take_notice(iotkit_ota_t *ota, const struct iotkit_mqtt_message *message,
                        bool is_reply) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_notice notice;
  const struct ik_str text = {(const char *)message->payload, message->payload_len};
  int rc = ik_notice_parse(text, &notice, detail);
  /* What a job has asked for is no news, unless it is about another image. */
  if (is_reply && ik_link_answer(ota->link, &notice, rc, detail) == IK_LINK_TAKEN) {
    ik_notice_free(&notice);
    return;
  }
  if (rc == 0 && notice.nothing && !is_reply) {
    ik_detail(detail, "data: is missing or empty");
    rc = IK_ENOTICE_FIELD;
  }
  if (rc == 0) {
    take_good(ota, &notice, is_reply, message->dup);
    return;
  }
  refuse(ota, &notice, is_reply, rc, detail);
  ik_notice_free(&notice);
}

static void run(iotkit_ota_t *ota, const struct iotkit_mqtt_message *message, bool is_reply) {
  atomic_store(&ota->callback_thread, ik_thread_self());
  take_notice(ota, message, is_reply);
  atomic_store(&ota->callback_thread, 0);
}

static void on_upgrade_topic(void *ctx, iotkit_mqtt_t *client,
                             const struct iotkit_mqtt_message *message) {
  (void)client;
  run(ctx, message, false);
}

static void on_get_reply(void *ctx, iotkit_mqtt_t *client,
                         const struct iotkit_mqtt_message *message) {
  (void)client;
  run(ctx, message, true);
}

/*
 * The old pull uses one topic both ways: a broker that does not know it gives us back our own
 * request.
 */
static void on_request_topic(void *ctx, iotkit_mqtt_t *client,
                             const struct iotkit_mqtt_message *message) {
  static const char mark[] = "\"url\"";
  (void)client;
  for (size_t i = 0; i + sizeof(mark) - 1 <= message->payload_len; i++) {
    if (memcmp(message->payload + i, mark, sizeof(mark) - 1) != 0) continue;
    run(ctx, message, false);
    return;
  }
}

/* ---- life ---- */

static const struct {
  enum ik_ota_topic topic;
  uint8_t qos;
  iotkit_mqtt_message_fn handler;
} subscriptions[] = {
    {IK_OTA_REQUEST, 1, on_request_topic},
    {IK_OTA_UPGRADE, 1, on_upgrade_topic},
    {IK_OTA_GET_REPLY, 1, on_get_reply},
};

static void unsubscribe(iotkit_ota_t *ota) {
  while (ota->subscribed > 0) {
    ota->subscribed--;
    iotkit_mqtt_unsubscribe(ota->client,
                            ik_link_topic(ota->link, subscriptions[ota->subscribed].topic),
                            subscriptions[ota->subscribed].handler, ota);
  }
}

static int subscribe(iotkit_ota_t *ota, char *detail) {
  for (size_t i = 0; i < sizeof(subscriptions) / sizeof(subscriptions[0]); i++) {
    const char *topic = ik_link_topic(ota->link, subscriptions[i].topic);
    int rc = iotkit_mqtt_subscribe(ota->client, topic, subscriptions[i].qos,
                                   subscriptions[i].handler, ota);
    if (rc < 0) {
      ik_detail(detail, "%s: %s", topic, iotkit_strerror(rc));
      return rc;
    }
    ota->subscribed++;
  }
  return 0;
}

static int make_link(iotkit_ota_t *ota, const struct iotkit_ota_options *options, char *detail) {
  int rc = ik_link_new(ota->client, options->product_key, options->device_name, &ota->link);
  if (rc == IK_ETOO_LONG) ik_detail(detail, "product key and device name are too long");
  if (rc == IK_EINVALID_ARGUMENT) {
    ik_detail(detail, "product key or device name is empty or has '/', '+', '#'");
  }
  return rc;
}

int iotkit_ota_new(iotkit_mqtt_t *client, const struct iotkit_ota_options *options,
                   iotkit_ota_t **out, char *detail) {
  if (client == NULL || options == NULL || out == NULL || options->product_key == NULL ||
      options->device_name == NULL) {
    ik_detail(detail, "client, product key and device name are needed");
    return IK_EINVALID_ARGUMENT;
  }
  *out = NULL;
  iotkit_ota_t *ota = calloc(1, sizeof(*ota));
  if (ota == NULL) return IK_ENO_MEMORY;
  ota->client = client;
  int rc = make_link(ota, options, detail);
  if (rc != 0) {
    free(ota);
    return rc;
  }
  ota->options = *options;
  ota->options.product_key = NULL;
  ota->options.device_name = NULL;
  memset(&ota->options.fetch, 0, sizeof(ota->options.fetch));
  atomic_init(&ota->callback_thread, 0);
  rc = ik_fetch_config_new(&options->fetch, &ota->config, detail);
  if (rc == 0) rc = subscribe(ota, detail);
  if (rc != 0) {
    iotkit_ota_free(ota);
    return rc;
  }
  *out = ota;
  return 0;
}

void ik_ota_set_dial(iotkit_ota_t *ota, ik_dial_fn dial, void *ctx) {
  ota->dial = dial;
  ota->dial_ctx = ctx;
}

bool ik_ota_in_callback(const iotkit_ota_t *ota) {
  return atomic_load(&ota->callback_thread) == ik_thread_self();
}

int iotkit_ota_free(iotkit_ota_t *ota) {
  if (ota == NULL) return 0;
  if (ik_ota_in_callback(ota)) return IK_EIN_CALLBACK;
  unsubscribe(ota);
  ik_link_close(ota->link);
  for (size_t i = 0; i < RECENT_MAX; i++)
    iotkit_job_unref(ota->recent[i]);
  ik_fetch_config_unref(ota->config);
  ik_link_unref(ota->link);
  free(ota);
  return 0;
}
