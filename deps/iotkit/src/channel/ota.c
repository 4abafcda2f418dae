/*
 * ota.c - a device's OTA channel on a carrier: subscriptions, reports, notices into jobs.
 *
 * The channel belongs to whoever made it and borrows the client or the transport. Its handlers run on
 * the thread that steps the client, or feeds; free() first unsubscribes them, which waits for a running one, so nothing
 * here is touched afterwards. It keeps a reference of the last few jobs, so that it recognises a
 * notice that is delivered again.
 */
#include "channel/ota.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alink/notice.h"
#include "alink/statement.h"
#include "base/limits.h"
#include "base/sized.h"
#include "channel/client_carrier.h"
#include "channel/over.h"
#include "channel/reports.h"
#include "channel/uplink.h"
#include "download/job.h"
#include "port/port.h"

#define RECENT_MAX 8
#define REQUEST_ID_MAX 16

struct iotkit_ota {
  struct ik_carrier *carrier; /* by_client's, over's, or a gateway's */
  struct ik_client_carrier by_client;
  struct ik_over *over; /* owned; NULL: the carrier is not its */
  void (*on_upgrade)(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job);
  void (*on_refused)(void *ctx, iotkit_ota_t *ota, int error, const char *detail,
                     const char *request_id);
  void (*on_nothing)(void *ctx, iotkit_ota_t *ota, const char *request_id);
  void *ctx;
  const struct ik_ota_gate *gate; /* of a sub-device; else NULL */
  void *gate_ctx;
  struct ik_reports reports;        /* of a sub-device; with the line's mutex */
  struct ik_fetch_config *config;   /* of the jobs */
  struct ik_channel_uplink *uplink; /* a reference; the jobs' way back */
  size_t subscribed;
  atomic_uintptr_t callback_thread; /* 0: none runs */
  ik_dial_fn dial;                  /* NULL: the network */
  void *dial_ctx;
  /* The stepping thread only. */
  iotkit_job_t *recent[RECENT_MAX];
  size_t recent_next;
};

/* ---- reports ---- */

static struct ik_line *line_of(const iotkit_ota_t *ota) {
  return ik_channel_uplink_line(ota->uplink);
}

uint32_t ik_ota_next_id(iotkit_ota_t *ota) {
  return ik_line_next_id(line_of(ota));
}

int ik_ota_make_own_topic(const iotkit_ota_t *ota, const char *head, const char *tail,
                          char out[IK_OTA_TOPIC_MAX]) {
  return ik_line_make_topic(line_of(ota), head, tail, out);
}

int ik_ota_subscribe_own(iotkit_ota_t *ota, struct ik_line_own *own) {
  return ik_line_subscribe_own(line_of(ota), ota->carrier, own);
}

void ik_ota_unsubscribe_own(iotkit_ota_t *ota, struct ik_line_own *own) {
  ik_line_unsubscribe_own(line_of(ota), ota->carrier, own);
}

int ik_ota_publish_own(const iotkit_ota_t *ota, const char *topic, const struct ik_buf *payload,
                       uint8_t qos) {
  return ik_line_publish_to(line_of(ota), ota->carrier, topic, payload, qos);
}

struct ik_carrier *ik_ota_carrier(const iotkit_ota_t *ota) {
  return ota->carrier;
}

struct ik_fetch_config *ik_ota_fetch_config(const iotkit_ota_t *ota) {
  return ota->config;
}

static bool module_valid(const char *module) {
  return module == NULL || module[0] == '\0' || ik_ota_name_valid(ik_str(module));
}

int ik_ota_publish_version(iotkit_ota_t *ota, enum ik_ota_topic topic, const char *version,
                           const char *module) {
  return ik_report_version(line_of(ota), ota->carrier, topic, version, module, 1);
}

/* ---- a sub-device ---- */

int ik_ota_send_report(iotkit_ota_t *ota, uint8_t qos) {
  return ik_reports_send(&ota->reports, line_of(ota), ota->carrier, qos);
}

void ik_ota_set_logged_in(iotkit_ota_t *ota, bool logged_in) {
  ik_reports_repeat(&ota->reports, line_of(ota));
  ik_channel_uplink_set_shut(ota->uplink, !logged_in);
}

/* The gate sends it, when the sub-device is logged in. */
static int hold_report(iotkit_ota_t *ota, const char *version, const char *module) {
  int rc = ik_reports_hold(&ota->reports, line_of(ota), version, module != NULL ? module : "");
  if (rc == 0) ota->gate->on_report(ota->gate_ctx);
  return rc;
}

void ik_ota_each_handled(const iotkit_ota_t *ota,
                         void (*each)(void *ctx, const char *topic, uint8_t qos), void *ctx) {
  char topic[IK_OTA_TOPIC_MAX];
  if (ik_channel_uplink_awaits_blocks(ota->uplink))
    each(ctx, ik_line_topic(line_of(ota), IK_OTA_FILE_REPLY, topic), 0);
  ik_line_each_own(line_of(ota), each, ctx);
}

int iotkit_ota_report_version(iotkit_ota_t *ota, const char *version, const char *module) {
  if (ota == NULL || version == NULL || !ik_ota_name_valid(ik_str(version)) ||
      !module_valid(module)) {
    return IK_EINVALID_ARGUMENT;
  }
  if (ota->gate != NULL) return hold_report(ota, version, module);
  return ik_ota_publish_version(ota, IK_OTA_INFORM, version, module);
}

int iotkit_ota_report_progress(iotkit_ota_t *ota, int step, const char *desc, const char *module) {
  if (ota == NULL || step < -4 || step > 100 || !module_valid(module)) return IK_EINVALID_ARGUMENT;
  if (desc != NULL && strlen(desc) > IK_DESC_MAX) return IK_ETOO_LONG;
  return ik_report_progress(line_of(ota), ota->carrier, step, desc, module);
}

int iotkit_ota_request(iotkit_ota_t *ota, const char *module, char *request_id) {
  if (ota == NULL || !module_valid(module)) return IK_EINVALID_ARGUMENT;
  uint32_t id = ik_ota_next_id(ota);
  /* The reply may be there before publish() returns. */
  if (request_id != NULL) snprintf(request_id, REQUEST_ID_MAX, "%" PRIu32, id);
  return ik_report_get(line_of(ota), ota->carrier, id, module);
}

/* ---- notices ---- */

/* `request_id`: of the request that the notice answers; "": of none. */
static void refuse(iotkit_ota_t *ota, const char *module, const char *request_id, int error,
                   const char *detail) {
  char desc[IOTKIT_DETAIL_MAX];
  ik_log(IOTKIT_LOG_WARNING, "ota: refused a notice: %s: %s", iotkit_error_name(error), detail);
  ik_detail(desc, "%s: %s", iotkit_error_name(error), detail);
  /* A code from the platform is an answer to us, not an upgrade that failed. */
  if (error != IK_ENOTICE_CODE) {
    int rc = iotkit_ota_report_progress(ota, -1, desc, module);
    if (rc < 0) ik_log(IOTKIT_LOG_WARNING, "ota: refusal not reported: %s", iotkit_strerror(rc));
  }
  if (ota->on_refused != NULL) ota->on_refused(ota->ctx, ota, error, detail, request_id);
}

/*
 * The same notice once more: the broker delivers again after a reconnect, and the platform pushes
 * again what it has not seen reported. As long as its job is in use, or on a mere redelivery, it is
 * not a new upgrade.
 */
static bool is_repeated(const iotkit_ota_t *ota, const struct ik_announcement *notice, bool dup) {
  if (notice->upgrade.id[0] == '\0') return false;
  for (size_t i = 0; i < RECENT_MAX; i++) {
    const iotkit_job_t *job = ota->recent[i];
    if (job == NULL || !ik_announcement_equal(ik_job_announcement(job), notice)) continue;
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

/* Takes over the notice. Without memory for its job it is refused: nobody else would hear of it. */
static void offer(iotkit_ota_t *ota, struct ik_announcement *notice, bool is_reply) {
  iotkit_job_t *job;
  char module[IK_MODULE_MAX + 1];
  char id[IOTKIT_DETAIL_MAX];
  snprintf(module, sizeof(module), "%s", notice->upgrade.module);
  snprintf(id, sizeof(id), "%s", is_reply ? notice->upgrade.id : "");
  int rc = ik_job_new(notice, ota->config, &job);
  if (rc != 0) {
    refuse(ota, module, id, rc, iotkit_strerror(rc));
    return;
  }
  ik_job_set_uplink(job, ik_channel_uplink_face(ota->uplink));
  if (ota->dial != NULL) ik_job_set_dial(job, ota->dial, ota->dial_ctx);
  remember(ota, job);
  if (ota->on_upgrade != NULL) {
    ota->on_upgrade(ota->ctx, ota, job);
  } else {
    iotkit_job_unref(job);
  }
}

static void take_good(iotkit_ota_t *ota, struct ik_announcement *notice, bool is_reply, bool dup) {
  if (notice->nothing) {
    if (ota->on_nothing != NULL) ota->on_nothing(ota->ctx, ota, notice->upgrade.id);
  } else if (!is_reply && ik_channel_uplink_push(ota->uplink, notice)) {
    ik_log(IOTKIT_LOG_INFO, "ota: notice %s has what a download waits for", notice->upgrade.id);
  } else if (!is_reply && is_repeated(ota, notice, dup)) {
    ik_log(IOTKIT_LOG_INFO, "ota: notice %s came again", notice->upgrade.id);
  } else {
    offer(ota, notice, is_reply);
    return;
  }
  ik_announcement_free(notice);
}

static void take_notice(iotkit_ota_t *ota, const struct iotkit_mqtt_message *message,
                        bool is_reply) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_announcement notice;
  const struct ik_str text = {(const char *)message->payload, message->payload_len};
  int rc = ik_notice_parse(text, &notice, detail);
  /* A reply to a job is no new upgrade, unless it is about another image. */
  if (is_reply && ik_channel_uplink_reply(ota->uplink, &notice, rc, detail) == IK_REPLY_TAKEN) {
    ik_announcement_free(&notice);
    return;
  }
  if (rc == 0 && notice.nothing && !is_reply) {
    rc = ik_refuse(detail, IK_ENOTICE_FIELD, "data: is missing or empty");
  }
  if (rc == 0) {
    take_good(ota, &notice, is_reply, message->dup);
    return;
  }
  refuse(ota, notice.upgrade.module, is_reply ? notice.upgrade.id : "", rc, detail);
  ik_announcement_free(&notice);
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
 * The topic of the old pull, ota/device/request, carries requests and replies: a broker that does
 * not know it delivers our own request back to us. Only a message with a URL is a notice.
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

void ik_ota_take(iotkit_ota_t *ota, enum ik_ota_topic topic,
                 const struct iotkit_mqtt_message *message) {
  run(ota, message, topic == IK_OTA_GET_REPLY);
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
    char topic[IK_OTA_TOPIC_MAX];
    ota->subscribed--;
    ota->carrier->ops->unsubscribe(
        ota->carrier, ik_line_topic(line_of(ota), subscriptions[ota->subscribed].topic, topic),
        subscriptions[ota->subscribed].handler, ota);
  }
}

static int subscribe(iotkit_ota_t *ota, char *detail) {
  for (size_t i = 0; i < sizeof(subscriptions) / sizeof(subscriptions[0]); i++) {
    char memory[IK_OTA_TOPIC_MAX];
    const char *topic = ik_line_topic(line_of(ota), subscriptions[i].topic, memory);
    int rc = ota->carrier->ops->subscribe(ota->carrier, topic, subscriptions[i].qos,
                                          subscriptions[i].handler, ota);
    if (rc < 0) {
      return ik_refuse(detail, rc, "%s: %s", topic, iotkit_strerror(rc));
    }
    ota->subscribed++;
  }
  return 0;
}

static int make_uplink(iotkit_ota_t *ota, const struct iotkit_ota_options *options, char *detail) {
  int rc =
      ik_channel_uplink_new(ota->carrier, options->product_key, options->device_name, &ota->uplink);
  if (rc == IK_ETOO_LONG) ik_detail(detail, "product key and device name are too long");
  if (rc == IK_EINVALID_ARGUMENT) {
    ik_detail(detail, "product key or device name is empty or has '/', '+', '#'");
  }
  return rc;
}

/* Of the jobs: statements name the channel's own product, unless the options say another. */
int ik_ota_config_new(const struct iotkit_ota_options *options, struct ik_fetch_config **out,
                      char *detail) {
  struct iotkit_fetch_options fetch = options->fetch;
  int rc = ik_sized_check_embedded(fetch.struct_size, sizeof(fetch), "fetch", detail);
  if (rc != 0) return rc;
  if (fetch.product_key == NULL && ik_statement_product_valid(ik_str(options->product_key))) {
    fetch.product_key = options->product_key;
  }
  return ik_fetch_config_new(&fetch, out, detail);
}

/*
 * Completes a channel that has a carrier, or frees it. Not subscribed yet. `config` NULL: made of the
 * options.
 */
static int set_up(iotkit_ota_t *ota, const struct iotkit_ota_options *options,
                  struct ik_fetch_config *config, char *detail) {
  ota->on_upgrade = options->on_upgrade;
  ota->on_refused = options->on_refused;
  ota->on_nothing = options->on_nothing;
  ota->ctx = options->ctx;
  atomic_init(&ota->callback_thread, 0);
  int rc = make_uplink(ota, options, detail);
  if (rc == 0 && config != NULL)
    ota->config = ik_fetch_config_ref(config);
  else if (rc == 0)
    rc = ik_ota_config_new(options, &ota->config, detail);
  if (rc != 0) iotkit_ota_free(ota);
  return rc;
}

/* As set_up, and subscribes. */
static int open_channel(iotkit_ota_t *ota, const struct iotkit_ota_options *options,
                        iotkit_ota_t **out, char *detail) {
  int rc = set_up(ota, options, NULL, detail);
  if (rc != 0) return rc;
  rc = subscribe(ota, detail);
  if (rc == 0)
    *out = ota;
  else
    iotkit_ota_free(ota);
  return rc;
}

int ik_ota_new_gated(struct ik_carrier *carrier, const struct iotkit_ota_options *options,
                     struct ik_fetch_config *config, const struct ik_ota_gate *gate, void *ctx,
                     iotkit_ota_t **out, char *detail) {
  iotkit_ota_t *ota = calloc(1, sizeof(*ota));
  if (ota == NULL) return IK_ENO_MEMORY;
  ota->carrier = carrier;
  int rc = set_up(ota, options, config, detail);
  if (rc != 0) return rc;
  ota->gate = gate;
  ota->gate_ctx = ctx;
  ik_channel_uplink_set_shut(ota->uplink, true);
  *out = ota;
  return 0;
}

/* `connection`: the client or transport; `called` names it. */
static int read_options(const void *connection, const char *called,
                        const struct iotkit_ota_options *options, iotkit_ota_t *const *out,
                        struct iotkit_ota_options *own, char *detail) {
  const bool given = connection != NULL && options != NULL && out != NULL;
  int rc = given ? IK_SIZED_READ(own, options, detail) : 0;
  if (rc != 0) return rc;
  if (own->product_key == NULL || own->device_name == NULL) {
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "%s, product key and device name are needed",
                     called);
  }
  return 0;
}

int iotkit_ota_new(iotkit_mqtt_t *client, const struct iotkit_ota_options *options,
                   iotkit_ota_t **out, char *detail) {
  struct iotkit_ota_options own = {0};
  if (out != NULL) *out = NULL;
  int rc = read_options(client, "client", options, out, &own, detail);
  if (rc != 0) return rc;
  iotkit_ota_t *ota = calloc(1, sizeof(*ota));
  if (ota == NULL) return IK_ENO_MEMORY;
  ik_client_carrier_init(&ota->by_client, client);
  ota->carrier = &ota->by_client.face;
  return open_channel(ota, &own, out, detail);
}

int iotkit_ota_new_over(const struct iotkit_transport *transport,
                        const struct iotkit_ota_options *options, iotkit_ota_t **out,
                        char *detail) {
  struct iotkit_ota_options own = {0};
  struct iotkit_transport own_transport = {0};
  if (out != NULL) *out = NULL;
  int rc = read_options(transport, "transport", options, out, &own, detail);
  if (rc == 0) rc = IK_SIZED_READ(&own_transport, transport, detail);
  if (rc == 0 && (own_transport.publish == NULL || own_transport.subscribe == NULL ||
                  own_transport.unsubscribe == NULL)) {
    return ik_refuse(detail, IK_EINVALID_ARGUMENT,
                     "the transport's publish, subscribe and unsubscribe are needed");
  }
  if (rc != 0) return rc;
  iotkit_ota_t *ota = calloc(1, sizeof(*ota));
  if (ota == NULL) return IK_ENO_MEMORY;
  rc = ik_over_new(&own_transport, &ota->over);
  if (rc != 0) {
    free(ota);
    return rc;
  }
  ota->carrier = ik_over_face(ota->over);
  return open_channel(ota, &own, out, detail);
}

int iotkit_ota_feed(iotkit_ota_t *ota, const char *topic, size_t topic_len, const void *payload,
                    size_t payload_len, bool dup) {
  if (ota == NULL || topic == NULL || (payload == NULL && payload_len > 0))
    return IK_EINVALID_ARGUMENT;
  if (ota->over == NULL) return IK_EUNSUPPORTED;
  const void *bytes = payload != NULL ? payload : "";
  return ik_over_feed(ota->over, topic, topic_len, bytes, payload_len, dup);
}

int iotkit_ota_connected(iotkit_ota_t *ota) {
  if (ota == NULL) return IK_EINVALID_ARGUMENT;
  return ota->over != NULL ? ik_over_connected(ota->over) : IK_EUNSUPPORTED;
}

int iotkit_ota_disconnected(iotkit_ota_t *ota) {
  if (ota == NULL) return IK_EINVALID_ARGUMENT;
  if (ota->over == NULL) return IK_EUNSUPPORTED;
  ik_over_disconnected(ota->over);
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
  if (ota->gate != NULL) ota->gate->on_free(ota->gate_ctx);
  unsubscribe(ota);
  ik_channel_uplink_close(ota->uplink);
  ik_reports_free(&ota->reports);
  for (size_t i = 0; i < RECENT_MAX; i++)
    iotkit_job_unref(ota->recent[i]);
  ik_fetch_config_unref(ota->config);
  ik_channel_uplink_unref(ota->uplink);
  ik_over_free(ota->over);
  free(ota);
  return 0;
}
