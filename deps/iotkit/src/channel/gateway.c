/*
 * gateway.c - iotkit_gateway_*: what a gateway asks for, and its life.
 *
 * A gateway belongs to whoever made it and borrows the client. It is stepped with the client
 * (companion), and its handlers (gateway_inbox.c) run on the same thread; free() first takes both away,
 * which waits for those that run.
 */
#include "iotkit_gateway.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/sized.h"
#include "channel/gateway_inbox.h"
#include "channel/topo_line.h"
#include "client/companion.h"
#include "client/outgoing.h"

#define TIMEOUT_MS 10000
#define REPORTS_PER_S_MAX 1000

/* ---- a step ---- */

/* True: one was answered. `connects` 0: there is no connection. */
static bool answer_lost(iotkit_gateway_t *gateway, unsigned connects, int why, uint64_t now_ms) {
  struct ik_topo_request request;
  ik_mutex_lock(gateway->line.mutex);
  const int rc =
      ik_topo_requests_take_lost(&gateway->sessions.requests, connects, now_ms, &request);
  ik_mutex_unlock(gateway->line.mutex);
  if (rc == 0) return false;
  const int error = rc == IK_ETIMEOUT ? rc : why;
  ik_gateway_finish(gateway, &request, error, NULL, iotkit_strerror(error));
  return true;
}

static uint64_t on_step(struct ik_mqtt_companion *companion, iotkit_mqtt_t *client, uint64_t now_ms,
                        bool *handled) {
  iotkit_gateway_t *gateway = (iotkit_gateway_t *)companion;
  const enum iotkit_mqtt_state state = iotkit_mqtt_get_state(client);
  const unsigned connects = state == IOTKIT_MQTT_CONNECTED ? ik_mqtt_count_connects(client) : 0;
  const int why = state == IOTKIT_MQTT_CLOSED ? IK_ECLOSED : IK_ENOT_CONNECTED;
  ik_gateway_enter(gateway);
  if (connects != gateway->connects) {
    gateway->connects = connects;
    ik_sessions_lose(&gateway->sessions, now_ms);
  }
  while (answer_lost(gateway, connects, why, now_ms))
    *handled = true;
  const uint64_t due_ms = ik_sessions_step(&gateway->sessions, connects, now_ms);
  ik_gateway_leave(gateway);
  return due_ms;
}

/* ---- requests ---- */

static int check_all(enum ik_topo_action action, const struct ik_topo_device *devices, size_t count,
                     char *detail) {
  for (size_t i = 0; i < count; i++) {
    const int rc = ik_topo_check(action, &devices[i], detail);
    if (rc != 0) return rc;
  }
  return 0;
}

static int send(iotkit_gateway_t *gateway, struct ik_topo_request *request,
                const struct ik_topo_device *devices, size_t count) {
  struct ik_topo_request taken;
  /* Waits before it is published: the answer may be there before publish() returns. */
  ik_mutex_lock(gateway->line.mutex);
  int rc = gateway->sessions.requests.count < IK_TOPO_PROGRAM_MAX
               ? ik_topo_requests_add(&gateway->sessions.requests, request)
               : IK_EQUEUE_FULL;
  ik_mutex_unlock(gateway->line.mutex);
  if (rc != 0) return rc;
  rc = ik_topo_line_ask(&gateway->line, gateway->client, request->id, request->action, devices,
                        count);
  if (rc == 0) {
    ik_mqtt_wake_companion(gateway->client, &gateway->companion);
    return 0;
  }
  ik_mutex_lock(gateway->line.mutex);
  const bool waits = ik_topo_requests_take(&gateway->sessions.requests, request->id, &taken);
  ik_mutex_unlock(gateway->line.mutex);
  return waits ? rc : 0; /* else a step has answered it meanwhile: as lost */
}

static struct ik_topo_device as_asked(enum ik_topo_action action, const char *product_secret,
                                      const struct iotkit_subdevice *given) {
  struct ik_topo_device device = ik_subdevice_as_asked(given);
  if (action != IK_TOPO_PROVISION) return device;
  device.device_secret = product_secret;
  device.client_id = NULL;
  device.random = ik_port_random_u32();
  return device;
}

/* `product_secret`: of PROVISION. */
static int ask_by(iotkit_gateway_t *gateway, enum ik_topo_action action, const char *product_secret,
                  const struct iotkit_subdevice *given, size_t count,
                  iotkit_gateway_answer_fn on_answer, void *ctx, char *detail) {
  struct ik_topo_device devices[IK_REGISTER_MAX];
  if (gateway == NULL || (given == NULL && count > 0)) return IK_EINVALID_ARGUMENT;
  if (atomic_load(&gateway->closing)) return IK_ECLOSED;
  const size_t max = ik_topo_max(action);
  if (count > max || (count == 0 && max > 0))
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "%zu sub-devices, not 1 to %zu", count, max);
  for (size_t i = 0; i < count; i++)
    devices[i] = as_asked(action, product_secret, &given[i]);
  int rc = check_all(action, devices, count, detail);
  if (rc != 0) return rc;
  struct ik_topo_request request = {.id = ik_line_next_id(&gateway->line),
                                    .action = action,
                                    .connects = ik_mqtt_count_connects(gateway->client),
                                    .on_answer = on_answer,
                                    .ctx = ctx};
  return send(gateway, &request, devices, count);
}

static int ask(iotkit_gateway_t *gateway, enum ik_topo_action action,
               const struct iotkit_subdevice *devices, size_t count,
               iotkit_gateway_answer_fn on_answer, void *ctx, char *detail) {
  return ask_by(gateway, action, NULL, devices, count, on_answer, ctx, detail);
}

int iotkit_gateway_add(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                       size_t count, iotkit_gateway_answer_fn on_answer, void *ctx, char *detail) {
  return ask(gateway, IK_TOPO_ADD, devices, count, on_answer, ctx, detail);
}

int iotkit_gateway_delete(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                          size_t count, iotkit_gateway_answer_fn on_answer, void *ctx,
                          char *detail) {
  return ask(gateway, IK_TOPO_DELETE, devices, count, on_answer, ctx, detail);
}

int iotkit_gateway_found(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                         size_t count, iotkit_gateway_answer_fn on_answer, void *ctx,
                         char *detail) {
  return ask(gateway, IK_TOPO_FOUND, devices, count, on_answer, ctx, detail);
}

int iotkit_gateway_register(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                            size_t count, iotkit_gateway_answer_fn on_answer, void *ctx,
                            char *detail) {
  return ask(gateway, IK_TOPO_REGISTER, devices, count, on_answer, ctx, detail);
}

static bool is_one_product(const struct iotkit_subdevice *devices, size_t count) {
  for (size_t i = 1; i < count; i++) {
    if (devices[0].product_key == NULL || devices[i].product_key == NULL ||
        strcmp(devices[0].product_key, devices[i].product_key) != 0)
      return false;
  }
  return true;
}

int iotkit_gateway_provision(iotkit_gateway_t *gateway, const char *product_secret,
                             const struct iotkit_subdevice *devices, size_t count,
                             iotkit_gateway_answer_fn on_answer, void *ctx, char *detail) {
  if (devices != NULL && !is_one_product(devices, count))
    return ik_refuse(detail, IK_EINVALID_ARGUMENT,
                     "product_key: a product's secret is for the sub-devices of that product");
  return ask_by(gateway, IK_TOPO_PROVISION, product_secret, devices, count, on_answer, ctx, detail);
}

int iotkit_gateway_get(iotkit_gateway_t *gateway, iotkit_gateway_answer_fn on_answer, void *ctx) {
  return ask(gateway, IK_TOPO_GET, NULL, 0, on_answer, ctx, NULL);
}

/* ---- logins ---- */

int iotkit_gateway_login(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                         size_t count, char *detail) {
  if (gateway == NULL || devices == NULL || count == 0) return IK_EINVALID_ARGUMENT;
  for (size_t i = 0; i < count; i++) {
    const struct ik_topo_device device = ik_subdevice_as_asked(&devices[i]);
    const int rc = ik_topo_check(IK_TOPO_LOGIN, &device, detail);
    if (rc != 0) return rc;
  }
  ik_mutex_lock(gateway->line.mutex);
  const int rc = ik_sessions_want(&gateway->sessions, devices, count);
  ik_mutex_unlock(gateway->line.mutex);
  ik_mqtt_wake_companion(gateway->client, &gateway->companion);
  if (rc != 0) ik_detail(detail, "%s", iotkit_strerror(rc));
  return rc;
}

int iotkit_gateway_logout(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                          size_t count) {
  if (gateway == NULL || devices == NULL) return IK_EINVALID_ARGUMENT;
  for (size_t i = 0; i < count; i++) {
    if (devices[i].product_key == NULL || devices[i].device_name == NULL)
      return IK_EINVALID_ARGUMENT;
  }
  ik_mutex_lock(gateway->line.mutex);
  for (size_t i = 0; i < count; i++)
    ik_sessions_unwant(&gateway->sessions, ik_str(devices[i].product_key),
                       ik_str(devices[i].device_name));
  ik_mutex_unlock(gateway->line.mutex);
  ik_mqtt_wake_companion(gateway->client, &gateway->companion);
  return 0;
}

bool iotkit_gateway_is_logged_in(iotkit_gateway_t *gateway, const char *product_key,
                                 const char *device_name) {
  if (gateway == NULL || product_key == NULL || device_name == NULL) return false;
  ik_mutex_lock(gateway->line.mutex);
  const struct ik_subdevice *sub =
      ik_subdevices_find(&gateway->sessions.subs, ik_str(product_key), ik_str(device_name));
  const bool logged_in = sub != NULL && sub->state == IK_SUB_IN;
  ik_mutex_unlock(gateway->line.mutex);
  return logged_in;
}

int iotkit_gateway_ota_new(iotkit_gateway_t *gateway, const struct iotkit_ota_options *options,
                           iotkit_ota_t **out, char *detail) {
  struct iotkit_ota_options own = {0};
  if (out != NULL) *out = NULL;
  const bool given = gateway != NULL && options != NULL && out != NULL;
  const int rc = given ? IK_SIZED_READ(&own, options, detail) : 0;
  if (rc != 0) return rc;
  if (own.product_key == NULL || own.device_name == NULL)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT,
                     "gateway, product key and device name are needed");
  return ik_subchannels_new(&gateway->sessions.channels, &own, out, detail);
}

/* ---- life ---- */

static void destroy(iotkit_gateway_t *gateway) {
  ik_sessions_deinit(&gateway->sessions);
  ik_line_deinit(&gateway->line);
  free(gateway);
}

static int check(const struct iotkit_gateway_options *options, char *detail) {
  const struct ik_topo_device own = {.product_key = options->product_key,
                                     .device_name = options->device_name};
  if (options->reports_per_s > REPORTS_PER_S_MAX)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "reports_per_s is %u, not 0 to %d",
                     (unsigned)options->reports_per_s, REPORTS_PER_S_MAX);
  return ik_topo_check(IK_TOPO_GET, &own, detail);
}

int iotkit_gateway_new(iotkit_mqtt_t *client, const struct iotkit_gateway_options *given,
                       iotkit_gateway_t **out, char *detail) {
  struct iotkit_gateway_options options = {0};
  if (out != NULL) *out = NULL;
  if (client == NULL || given == NULL || out == NULL)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "client, options and out are needed");
  int rc = IK_SIZED_READ(&options, given, detail);
  if (rc == 0) rc = check(&options, detail);
  if (rc != 0) return rc;
  iotkit_gateway_t *gateway = calloc(1, sizeof(*gateway));
  if (gateway == NULL) return IK_ENO_MEMORY;
  gateway->companion.on_step = on_step;
  gateway->client = client;
  ik_client_carrier_init_subs(&gateway->carrier, client);
  gateway->on_event = options.on_event;
  gateway->ctx = options.ctx;
  atomic_init(&gateway->callback_thread, 0);
  atomic_init(&gateway->closing, false);
  const uint32_t timeout_ms =
      options.request_timeout_ms != 0 ? options.request_timeout_ms : TIMEOUT_MS;
  ik_sessions_init(&gateway->sessions, &gateway->line, client, &gateway->companion, timeout_ms);
  ik_subchannels_set_rate(&gateway->sessions.channels, options.reports_per_s);
  gateway->sessions.notify = ik_gateway_notify;
  gateway->sessions.ctx = gateway;
  rc = ik_line_init(&gateway->line, &gateway->carrier.face, options.product_key,
                    options.device_name);
  if (rc == 0) rc = ik_gateway_subscribe(gateway, detail);
  if (rc < 0) {
    ik_gateway_unsubscribe(gateway);
    destroy(gateway);
    return rc;
  }
  ik_mqtt_add_companion(client, &gateway->companion);
  *out = gateway;
  return 0;
}

int iotkit_gateway_free(iotkit_gateway_t *gateway) {
  if (gateway == NULL) return 0;
  if (atomic_load(&gateway->callback_thread) == ik_thread_self()) return IK_EIN_CALLBACK;
  if (ik_subchannels_exist(&gateway->sessions.channels)) return IK_EINVALID_STATE;
  atomic_store(&gateway->closing, true);
  ik_mqtt_remove_companion(gateway->client, &gateway->companion);
  ik_gateway_unsubscribe(gateway);
  while (answer_lost(gateway, 0, IK_ECLOSED, 0))
    continue;
  destroy(gateway);
  return 0;
}
