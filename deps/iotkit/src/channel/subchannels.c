/* Tested by deps/iotkit/test/channel/test_gateway_ota.c. */
/*
 * subchannels.c - the channels of a gateway's sub-devices: subscribed after each login, shut when the
 * sub-device is out, their messages and reports.
 *
 * Publishing inside a step only queues, so it is done with the mutex held; callbacks never are.
 */
#include "channel/subchannels.h"

#include "base/time.h"
#include "client/companion.h"
#include "client/outgoing.h"

/*
 * The platform takes 30 publishes with QoS 0 and 10 with QoS 1 a second "from a single device" (document
 * 30527). Whether a sub-device is one, or all that its gateway sends counts as the gateway's, is not
 * said; a publish above the rate is dropped without a word. So the default keeps to the second reading:
 * 10 with QoS 1, and as many with QoS 0, which leaves 20 to logins and to the rest. Over one connection
 * neither is lost unless the connection is, and after that all is reported again.
 */
#define REPORT_MS 50

static void lock(struct ik_subchannels *channels) {
  ik_mutex_lock(channels->line->mutex);
}

static void unlock(struct ik_subchannels *channels) {
  ik_mutex_unlock(channels->line->mutex);
}

void ik_subchannels_init(struct ik_subchannels *channels, struct ik_line *line,
                         iotkit_mqtt_t *client, struct ik_mqtt_companion *companion,
                         struct ik_subdevices *subs) {
  channels->line = line;
  channels->client = client;
  channels->companion = companion;
  channels->subs = subs;
  channels->reports_end = &channels->reports;
}

void ik_subchannels_set_rate(struct ik_subchannels *channels, uint32_t reports_per_s) {
  channels->interval_ms = reports_per_s > 0 ? (1000 + reports_per_s - 1) / reports_per_s : 0;
}

void ik_subchannels_deinit(struct ik_subchannels *channels) {
  ik_shared_configs_free(&channels->configs);
}

/* ---- logged in and out; with the mutex held ---- */

static const enum ik_topo_push own_pushes[] = {IK_TOPO_DISABLE, IK_TOPO_ENABLE, IK_TOPO_REMOVE};
static const enum ik_ota_topic channel_topics[] = {IK_OTA_UPGRADE, IK_OTA_GET_REPLY};

/* In this connection alone: the next one begins with a login. */
static void ask(void *ctx, const char *topic, uint8_t qos) {
  struct ik_subchannels *channels = ctx;
  const int rc = iotkit_mqtt_ask(channels->client, topic, qos);
  if (rc < 0) ik_log(IOTKIT_LOG_WARNING, "gateway: %s: %s", topic, iotkit_strerror(rc));
}

static void ask_for_channel(struct ik_subchannels *channels, const struct ik_subdevice *sub) {
  char topic[IK_OTA_TOPIC_MAX];
  for (size_t i = 0; i < sizeof(channel_topics) / sizeof(channel_topics[0]); i++) {
    (void)ik_ota_topic(channel_topics[i], ik_subdevice_key(sub), ik_subdevice_name(sub), topic);
    ask(channels, topic, 1);
  }
}

static void ask_for_pushes(struct ik_subchannels *channels, const struct ik_subdevice *sub) {
  char topic[IK_OTA_TOPIC_MAX];
  for (size_t i = 0; i < sizeof(own_pushes) / sizeof(own_pushes[0]); i++) {
    (void)ik_topo_push_topic(own_pushes[i], ik_subdevice_key(sub), ik_subdevice_name(sub), topic);
    ask(channels, topic, 1);
  }
}

static void queue_report(struct ik_subchannels *channels, struct ik_subdevice *sub) {
  if (sub->reports) return;
  sub->reports = true;
  sub->report_next = NULL;
  *channels->reports_end = sub;
  channels->reports_end = &sub->report_next;
}

static void open_channel(struct ik_subchannels *channels, struct ik_subdevice *sub) {
  ask_for_channel(channels, sub);
  ik_ota_set_logged_in(sub->channel, true);
  ik_ota_each_handled(sub->channel, ask, channels);
  queue_report(channels, sub);
}

void ik_subchannels_enter(struct ik_subchannels *channels, struct ik_subdevice *sub) {
  ask_for_pushes(channels, sub);
  if (sub->channel != NULL) open_channel(channels, sub);
}

void ik_subchannels_leave(struct ik_subdevice *sub) {
  if (sub->state == IK_SUB_IN && sub->channel != NULL) ik_ota_set_logged_in(sub->channel, false);
}

bool ik_subchannels_exist(struct ik_subchannels *channels) {
  lock(channels);
  const bool has = ik_subdevices_have_channel(channels->subs);
  unlock(channels);
  return has;
}

/* ---- what a channel calls; any thread, without the mutex ---- */

static void on_report(void *ctx) {
  struct ik_subdevice *sub = ctx;
  struct ik_subchannels *channels = sub->owner;
  lock(channels);
  queue_report(channels, sub);
  unlock(channels);
  ik_mqtt_wake_companion(channels->client, channels->companion);
}

/* The sub-device may be freed as soon as it has no channel. */
static void on_free(void *ctx) {
  struct ik_subdevice *sub = ctx;
  struct ik_subchannels *channels = sub->owner;
  char topics[sizeof(channel_topics) / sizeof(channel_topics[0])][IK_OTA_TOPIC_MAX];
  lock(channels);
  for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
    (void)ik_ota_topic(channel_topics[i], ik_subdevice_key(sub), ik_subdevice_name(sub), topics[i]);
  const bool subscribed = sub->state == IK_SUB_IN;
  /* Its own callbacks may not free it; inside another's, the driver is not in this one. */
  while (channels->delivering == sub)
    ik_cond_wait(channels->line->cond, channels->line->mutex, UINT64_MAX);
  sub->channel = NULL;
  unlock(channels);
  for (size_t i = 0; subscribed && i < sizeof(topics) / sizeof(topics[0]); i++)
    (void)iotkit_mqtt_forget(channels->client, topics[i]);
}

static const struct ik_ota_gate gate = {.on_report = on_report, .on_free = on_free};

/* ---- a channel begins ---- */

/* With the mutex held. */
static int make_channel(struct ik_subchannels *channels, const struct iotkit_ota_options *options,
                        iotkit_ota_t **out, char *detail) {
  struct ik_fetch_config *config;
  struct ik_subdevice *sub = ik_subdevices_find(channels->subs, ik_str(options->product_key),
                                                ik_str(options->device_name));
  if (sub == NULL || sub->forgotten)
    return ik_refuse(detail, IK_EINVALID_STATE, "no login was asked for of such a sub-device");
  if (sub->channel != NULL)
    return ik_refuse(detail, IK_EINVALID_STATE, "the sub-device has a channel already");
  int rc = ik_shared_configs_get(&channels->configs, options, &config, detail);
  if (rc == 0)
    rc = ik_ota_new_gated(channels->line->carrier, options, config, &gate, sub, out, detail);
  if (rc != 0) return rc;
  sub->channel = *out;
  if (sub->state == IK_SUB_IN) open_channel(channels, sub);
  return 0;
}

int ik_subchannels_new(struct ik_subchannels *channels, const struct iotkit_ota_options *options,
                       iotkit_ota_t **out, char *detail) {
  lock(channels);
  const int rc = make_channel(channels, options, out, detail);
  unlock(channels);
  return rc;
}

void ik_subchannels_deliver(struct ik_subchannels *channels, enum ik_ota_topic topic,
                            struct ik_str product_key, struct ik_str device_name,
                            const struct iotkit_mqtt_message *message) {
  lock(channels);
  struct ik_subdevice *sub = ik_subdevices_find(channels->subs, product_key, device_name);
  iotkit_ota_t *channel = sub != NULL ? sub->channel : NULL;
  if (channel != NULL) channels->delivering = sub;
  unlock(channels);
  if (channel == NULL) return;
  ik_ota_take(channel, topic, message);
  lock(channels);
  channels->delivering = NULL;
  ik_cond_broadcast(channels->line->cond);
  unlock(channels);
}

/* ---- reports ---- */

/* In turns, where each has its own rate. */
static uint8_t qos_of_next(const struct ik_subchannels *channels) {
  return channels->interval_ms == 0 && channels->sends_at_qos0 ? 0 : 1;
}

/* The first that reports goes to the end of the queue, since it may have more to report. */
static void send_report(struct ik_subchannels *channels, uint64_t now_ms) {
  while (channels->reports != NULL && now_ms >= channels->report_ms) {
    struct ik_subdevice *sub = channels->reports;
    channels->reports = sub->report_next;
    if (channels->reports == NULL) channels->reports_end = &channels->reports;
    sub->reports = false;
    if (sub->channel == NULL || sub->state != IK_SUB_IN) continue; /* queued again by its login */
    if (ik_ota_send_report(sub->channel, qos_of_next(channels)) == 0) continue;
    channels->report_ms = now_ms + (channels->interval_ms != 0 ? channels->interval_ms : REPORT_MS);
    channels->sends_at_qos0 = !channels->sends_at_qos0;
    queue_report(channels, sub);
  }
}

uint64_t ik_subchannels_report(struct ik_subchannels *channels, uint64_t now_ms) {
  send_report(channels, now_ms);
  return channels->reports != NULL ? channels->report_ms : UINT64_MAX;
}
