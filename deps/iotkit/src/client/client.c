/*
 * client.c - iotkit_mqtt_*: life of a client, its waker, and what it waits for.
 *
 * The client owns its texts, its session and, while there is one, its transport; it holds a
 * reference to the TLS context.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/sized.h"
#include "client/client.h"
#include "mqtt/topic.h"

#define KEEP_ALIVE_DEFAULT_S 300
#define KEEP_ALIVE_NONE 65535
#define CONNECT_TIMEOUT_DEFAULT_MS 30000
#define REQUEST_TIMEOUT_DEFAULT_MS 10000
#define RECONNECT_MIN_DEFAULT_MS 1000
#define RECONNECT_MAX_DEFAULT_MS 60000
#define PACKET_MIN 128

/* ---- options ---- */

static bool is_text(const char *text) {
  return ik_utf8_valid((const uint8_t *)text, strlen(text));
}

static int check_text(const char *text, const char *option, char *detail) {
  if (!text) return 0;
  if (strlen(text) > UINT16_MAX) return ik_refuse(detail, IK_ETOO_LONG, "%s", option);
  return 0;
}

static int check_identity(const struct iotkit_mqtt_options *options, char *detail) {
  if (!options->host || !options->host[0]) return ik_refuse(detail, IK_EINVALID_ARGUMENT, "host");
  if (strlen(options->host) > IK_HOST_MAX) return ik_refuse(detail, IK_ETOO_LONG, "host");
  if (!options->port) return ik_refuse(detail, IK_EINVALID_ARGUMENT, "port");
  if (!options->client_id || !is_text(options->client_id))
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "client_id");
  if (!options->client_id[0] && options->persistent_session)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "client_id");
  if (options->username && !is_text(options->username))
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "username");
  if (options->password && !options->username)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "password");
  int rc = check_text(options->client_id, "client_id", detail);
  if (rc == 0) rc = check_text(options->username, "username", detail);
  if (rc == 0) rc = check_text(options->password, "password", detail);
  return rc;
}

static int check_will(const struct iotkit_mqtt_options *options, char *detail) {
  const bool has_rest = options->will_payload || options->will_payload_len || options->will_qos ||
                        options->will_retain;
  if (!options->will_topic)
    return has_rest ? ik_refuse(detail, IK_EINVALID_ARGUMENT, "will_topic") : 0;
  if (!ik_mqtt_topic_name_valid(ik_str(options->will_topic)))
    return ik_refuse(detail, IK_EMQTT_TOPIC, "will_topic");
  if (!options->will_payload && options->will_payload_len)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "will_payload");
  if (options->will_payload_len > UINT16_MAX)
    return ik_refuse(detail, IK_ETOO_LONG, "will_payload");
  return options->will_qos > 2 ? ik_refuse(detail, IK_EINVALID_ARGUMENT, "will_qos") : 0;
}

/* Replaces each 0 by the default that it stands for. */
static void fill_defaults(struct iotkit_mqtt_options *options) {
  if (!options->keep_alive_s)
    options->keep_alive_s = KEEP_ALIVE_DEFAULT_S;
  else if (options->keep_alive_s == KEEP_ALIVE_NONE)
    options->keep_alive_s = 0;
  if (!options->connect_timeout_ms) options->connect_timeout_ms = CONNECT_TIMEOUT_DEFAULT_MS;
  if (!options->request_timeout_ms) options->request_timeout_ms = REQUEST_TIMEOUT_DEFAULT_MS;
  if (!options->reconnect_min_ms) options->reconnect_min_ms = RECONNECT_MIN_DEFAULT_MS;
  if (!options->reconnect_max_ms) options->reconnect_max_ms = RECONNECT_MAX_DEFAULT_MS;
  if (!options->max_packet) options->max_packet = IK_MQTT_PACKET_DEFAULT;
  if (!options->max_queue) options->max_queue = IK_MQTT_QUEUE_DEFAULT;
  if (!options->max_in_flight) options->max_in_flight = IK_MQTT_IN_FLIGHT_DEFAULT;
}

static int check_limits(const struct iotkit_mqtt_options *options, char *detail) {
  if (options->max_packet < PACKET_MIN || options->max_packet > IK_MQTT_PACKET_MAX)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "max_packet");
  if (options->max_queue > SIZE_MAX / 4)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "max_queue");
  if (options->reconnect_min_ms > options->reconnect_max_ms)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "reconnect_min_ms");
  if (options->max_connects_per_minute > IK_CONNECTS_MAX)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "max_connects_per_minute");
  return 0;
}

/* ---- life ---- */

static int init_session(iotkit_mqtt_t *client, const struct iotkit_mqtt_options *options) {
  const struct ik_mqtt_session_options session = {
      .connect = {.client_id = ik_str(options->client_id),
                  .username = ik_str(options->username),
                  .password = ik_str(options->password),
                  .has_username = options->username != NULL,
                  .has_password = options->password != NULL,
                  .clean_session = !options->persistent_session,
                  .keep_alive_s = options->keep_alive_s,
                  .has_will = options->will_topic != NULL,
                  .will_retain = options->will_retain,
                  .will_qos = options->will_qos,
                  .will_topic = ik_str(options->will_topic),
                  .will_payload = {options->will_payload, options->will_payload_len}},
      .request_timeout_ms = options->request_timeout_ms,
      .max_packet = options->max_packet,
      .max_queue = options->max_queue,
      .max_in_flight = options->max_in_flight,
  };
  return ik_mqtt_session_init(&client->session, &session);
}

static void destroy(iotkit_mqtt_t *client) {
  ik_claim_free(client->claim);
  if (client->transport) client->transport->ops->close(client->transport);
  ik_buf_free(&client->sending);
  ik_buf_free(&client->input);
  ik_mqtt_session_deinit(&client->session);
  ik_wake_free(client->yield_wake);
  iotkit_tls_unref(client->tls);
  ik_cond_free(client->cond);
  ik_mutex_free(client->mutex);
  free(client->host);
  free(client);
}

static void init_client(iotkit_mqtt_t *client, const struct iotkit_mqtt_options *options) {
  client->port = options->port;
  client->no_reconnect = options->no_reconnect;
  client->connect_timeout_ms = options->connect_timeout_ms;
  client->on_event = options->on_event;
  client->ctx = options->ctx;
  client->fd = -1;
  client->deadline_ms = UINT64_MAX;
  client->companions_due_ms = UINT64_MAX;
  client->stop_end_ms = UINT64_MAX;
  ik_backoff_init(&client->backoff, options->reconnect_min_ms, options->reconnect_max_ms);
  ik_connect_rate_init(&client->connect_rate, options->max_connects_per_minute);
  ik_buf_init(&client->input, options->max_packet + 65536);
}

static void poke(void *ctx) {
  iotkit_mqtt_t *client = ctx;
  ik_mutex_lock(client->mutex);
  ik_mqtt_poke_unlock(client);
}

int ik_mqtt_new_over(const struct iotkit_mqtt_options *given, ik_dial_fn dial, void *dial_ctx,
                     iotkit_mqtt_t **out, char *detail) {
  if (!out) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  if (!given) return ik_refuse(detail, IK_EINVALID_ARGUMENT, "options");
  struct iotkit_mqtt_options options;
  int rc = IK_SIZED_READ(&options, given, detail);
  if (rc < 0) return rc;
  fill_defaults(&options);
  rc = check_identity(&options, detail);
  if (rc == 0) rc = check_will(&options, detail);
  if (rc == 0) rc = check_limits(&options, detail);
  if (rc < 0) return rc;
  iotkit_mqtt_t *client = calloc(1, sizeof(*client));
  if (!client) return IK_ENO_MEMORY;
  init_client(client, &options);
  client->dial = dial;
  client->dial_ctx = dial_ctx;
  rc = init_session(client, &options);
  if (rc == 0) rc = ik_claim_new(&options, poke, client, &client->claim);
  client->host = ik_str_dup(ik_str(options.host));
  client->mutex = ik_mutex_new();
  client->cond = ik_cond_new();
  if (rc < 0 || !client->host || !client->mutex || !client->cond) {
    destroy(client);
    return rc < 0 ? rc : IK_ENO_MEMORY;
  }
  if (options.tls) client->tls = iotkit_tls_ref(options.tls);
  *out = client;
  return 0;
}

int iotkit_mqtt_new(const struct iotkit_mqtt_options *options, iotkit_mqtt_t **out, char *detail) {
  return ik_mqtt_new_over(options, ik_net_dial, NULL, out, detail);
}

int iotkit_mqtt_free(iotkit_mqtt_t *client) {
  if (!client) return 0;
  ik_mutex_lock(client->mutex);
  ik_mqtt_await_flush(client);
  const uintptr_t driver = client->driver;
  ik_mutex_unlock(client->mutex);
  if (driver) return driver == ik_thread_self() ? IK_EIN_CALLBACK : IK_EBUSY;
  destroy(client);
  return 0;
}

int iotkit_mqtt_start(iotkit_mqtt_t *client) {
  if (!client) return IK_EINVALID_ARGUMENT;
  const int rc = ik_claim_take(client->claim);
  if (rc < 0) return rc;
  ik_mutex_lock(client->mutex);
  if (client->state != IOTKIT_MQTT_IDLE || client->stop_wanted) {
    ik_mutex_unlock(client->mutex);
    ik_claim_give_up(client->claim);
    return IK_EINVALID_STATE;
  }
  client->start_wanted = true;
  ik_mqtt_poke_unlock(client);
  return 0;
}

int iotkit_mqtt_stop(iotkit_mqtt_t *client) {
  if (!client) return IK_EINVALID_ARGUMENT;
  ik_mutex_lock(client->mutex);
  if (client->state == IOTKIT_MQTT_CLOSED || client->stop_wanted) {
    ik_mutex_unlock(client->mutex);
    return 0;
  }
  client->stop_wanted = true;
  ik_claim_leave(client->claim);
  ik_mqtt_poke_unlock(client);
  return 0;
}

enum iotkit_mqtt_state iotkit_mqtt_get_state(const iotkit_mqtt_t *client) {
  if (!client) return IOTKIT_MQTT_CLOSED;
  ik_mutex_lock(client->mutex);
  enum iotkit_mqtt_state state = client->state;
  if (client->broken) state = IOTKIT_MQTT_WAITING; /* as the next step will report */
  ik_mutex_unlock(client->mutex);
  return state;
}

/* ---- waking ---- */

void ik_mqtt_await_flush(iotkit_mqtt_t *client) {
  while (client->flushing && client->driver != ik_thread_self())
    ik_cond_wait(client->cond, client->mutex, UINT64_MAX);
}

void ik_mqtt_poke_unlock(iotkit_mqtt_t *client) {
  client->step_due = true;
  if (!client->waker_armed) {
    ik_mutex_unlock(client->mutex);
    return;
  }
  client->waker_armed = false;
  if (client->yield_wake) ik_wake_signal(client->yield_wake);
  void (*wake)(void *) = client->wake;
  void *ctx = client->wake_ctx;
  if (!wake) {
    ik_mutex_unlock(client->mutex);
    return;
  }
  client->waking++;
  ik_mutex_unlock(client->mutex);
  wake(ctx);
  ik_mutex_lock(client->mutex);
  client->waking--;
  ik_cond_broadcast(client->cond);
  ik_mutex_unlock(client->mutex);
}

void iotkit_mqtt_set_waker(iotkit_mqtt_t *client, void (*wake)(void *ctx), void *ctx) {
  if (!client) return;
  ik_mutex_lock(client->mutex);
  client->wake = wake;
  client->wake_ctx = ctx;
  while (client->waking)
    ik_cond_wait(client->cond, client->mutex,
                 UINT64_MAX); /* the waker before is not running any more */
  ik_mutex_unlock(client->mutex);
}

/* ---- readiness ---- */

int iotkit_mqtt_fd(const iotkit_mqtt_t *client) {
  if (!client) return -1;
  ik_mutex_lock(client->mutex);
  const int fd = client->fd;
  ik_mutex_unlock(client->mutex);
  return fd;
}

int iotkit_mqtt_interest(const iotkit_mqtt_t *client) {
  if (!client) return 0;
  ik_mutex_lock(client->mutex);
  const int interest = client->interest;
  ik_mutex_unlock(client->mutex);
  return interest;
}

uint64_t ik_mqtt_next_ms(const iotkit_mqtt_t *client) {
  return client->step_due ? 0 : client->deadline_ms;
}

uint64_t iotkit_mqtt_deadline(const iotkit_mqtt_t *client) {
  if (!client) return UINT64_MAX;
  iotkit_mqtt_t *own =
      (iotkit_mqtt_t *)(uintptr_t)client; /* `waker_armed` only notes that this was asked */
  ik_mutex_lock(own->mutex);
  const uint64_t next = ik_mqtt_next_ms(own);
  own->waker_armed = true;
  ik_mutex_unlock(own->mutex);
  return next;
}

/* ---- for the files above ---- */

size_t ik_mqtt_max_packet(const iotkit_mqtt_t *client) {
  return client->session.reader.max_packet;
}

void ik_mqtt_set_max_packet(iotkit_mqtt_t *client, size_t bytes) {
  client->session.reader.max_packet = bytes;
}

void ik_mqtt_allow_reconnect(iotkit_mqtt_t *client) {
  client->no_reconnect = false;
}

bool ik_mqtt_is_open(const iotkit_mqtt_t *client) {
  return client->open;
}

void *ik_mqtt_loop_node(iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  void *node = client->loop_node;
  ik_mutex_unlock(client->mutex);
  return node;
}

bool ik_mqtt_set_loop_node(iotkit_mqtt_t *client, void *node) {
  ik_mutex_lock(client->mutex);
  const bool may = !node || !client->loop_node;
  if (may) client->loop_node = node;
  ik_mutex_unlock(client->mutex);
  return may;
}

unsigned ik_mqtt_count_ends(const iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  const unsigned ends = client->ends;
  ik_mutex_unlock(client->mutex);
  return ends;
}

bool ik_mqtt_would_open(iotkit_mqtt_t *client, uint64_t now_ms) {
  const bool idle = client->state == IOTKIT_MQTT_IDLE;
  if (!idle && client->state != IOTKIT_MQTT_WAITING) return false;
  ik_mutex_lock(client->mutex);
  const bool would =
      !client->stop_wanted && (idle ? client->start_wanted : now_ms >= client->retry_ms);
  if (would) client->waker_armed = true;
  ik_mutex_unlock(client->mutex);
  return would;
}

void ik_mqtt_set_paused(iotkit_mqtt_t *client, bool paused, uint64_t now_ms) {
  ik_mutex_lock(client->mutex);
  if (client->paused == paused) {
    ik_mutex_unlock(client->mutex);
    return;
  }
  client->paused = paused;
  ik_mqtt_session_pause(&client->session, paused, now_ms);
  ik_mqtt_poke_unlock(client);
}
