/* Tested by deps/iotkit/test/channel/test_gateway.c and test_gateway_ota.c. */
/*
 * sessions.c - logins and logouts of sub-devices.
 *
 * Publishing inside a step only queues, so it is done with the mutex held; callbacks never are.
 */
#include "channel/sessions.h"

#include <string.h>

#include "base/time.h"
#include "channel/topo_line.h"

static void lock(struct ik_sessions *sessions) {
  ik_mutex_lock(sessions->line->mutex);
}

static void unlock(struct ik_sessions *sessions) {
  ik_mutex_unlock(sessions->line->mutex);
}

/* ---- life ---- */

void ik_sessions_init(struct ik_sessions *sessions, struct ik_line *line, iotkit_mqtt_t *client,
                      struct ik_mqtt_companion *companion, uint32_t timeout_ms) {
  sessions->line = line;
  sessions->client = client;
  sessions->requests.timeout_ms = timeout_ms;
  ik_subdevices_init(&sessions->subs);
  ik_subchannels_init(&sessions->channels, line, client, companion, &sessions->subs);
}

void ik_sessions_deinit(struct ik_sessions *sessions) {
  ik_subdevices_deinit(&sessions->subs);
  ik_subchannels_deinit(&sessions->channels);
}

static struct ik_subdevice *find(struct ik_sessions *sessions,
                                 const struct iotkit_subdevice_name *name) {
  return ik_subdevices_find(&sessions->subs, ik_str(name->product_key), ik_str(name->device_name));
}

/* ---- who is to be logged in; with the mutex held ---- */

/* Into a state in which it is not logged in. */
static void set_state(struct ik_sessions *sessions, struct ik_subdevice *sub,
                      enum ik_subdevice_state state) {
  ik_subchannels_leave(sub);
  ik_subdevices_set(&sessions->subs, sub, state);
}

void ik_sessions_unwant(struct ik_sessions *sessions, struct ik_str product_key,
                        struct ik_str device_name) {
  struct ik_subdevice *sub = ik_subdevices_find(&sessions->subs, product_key, device_name);
  if (sub == NULL) return;
  ik_subchannels_leave(sub);
  ik_subdevices_unwant(&sessions->subs, sub);
}

/* Twice in the list counts twice. */
static size_t count_new(const struct ik_subdevices *subs, const struct iotkit_subdevice *devices,
                        size_t count) {
  size_t fresh = 0;
  for (size_t i = 0; i < count; i++)
    fresh += ik_subdevices_find(subs, ik_str(devices[i].product_key),
                                ik_str(devices[i].device_name)) == NULL;
  return fresh;
}

int ik_sessions_want(struct ik_sessions *sessions, const struct iotkit_subdevice *devices,
                     size_t count) {
  struct ik_subdevices *subs = &sessions->subs;
  if (subs->count + count_new(subs, devices, count) > IK_SUBDEVICES_MAX) return IK_ESUBDEVICE_LIMIT;
  for (size_t i = 0; i < count; i++) {
    const struct ik_topo_device device = ik_subdevice_as_asked(&devices[i]);
    struct ik_subdevice *sub;
    bool is_new;
    const int rc = ik_subdevices_want(subs, &device, &sub, &is_new);
    if (rc != 0) return rc;
    if (is_new) sub->owner = &sessions->channels;
  }
  return 0;
}

/* ---- events ---- */

static void notify(struct ik_sessions *sessions, enum iotkit_gateway_event_type type,
                   const char *product_key, const char *device_name, int error, uint32_t code,
                   const char *message) {
  const struct iotkit_gateway_event event = {.type = type,
                                             .product_key = product_key,
                                             .device_name = device_name,
                                             .error = error,
                                             .code = code,
                                             .message = message};
  sessions->notify(sessions->ctx, &event);
}

/* Without code and error; 0: there is nothing to say. */
static void notify_plain(struct ik_sessions *sessions, int type, const char *product_key,
                         const char *device_name) {
  if (type != 0)
    notify(sessions, (enum iotkit_gateway_event_type)type, product_key, device_name, 0, 0, "");
}

/* ---- answers ---- */

/* What came of a login or logout. */
struct outcome {
  int error;
  uint32_t code;
  const char *words;
  const struct ik_topo_message *message; /* NULL: there is none */
  size_t named; /* so many of a batch are blamed, each for reasons of its own; 0: nobody, or all */
  bool again;   /* nobody's fault: later */
  bool single;
};

static bool names(const struct ik_topo_message *message, const struct ik_subdevice *sub) {
  for (size_t i = 0; i < message->count; i++) {
    const struct iotkit_subdevice_name *entry = &message->entries[i];
    if (strcmp(entry->product_key, ik_subdevice_key(sub)) == 0 &&
        strcmp(entry->device_name, ik_subdevice_name(sub)) == 0)
      return true;
  }
  return false;
}

/* With the mutex held. An answer that names all of a batch may only repeat it. */
static void look_at_batch(struct ik_sessions *sessions, uint32_t id, struct outcome *outcome) {
  size_t count = 0;
  size_t named = 0;
  struct ik_subdevice *sub = NULL;
  while ((sub = ik_subdevices_next(&sessions->subs, sub, IK_SUB_ASKED, id)) != NULL) {
    count++;
    named += outcome->message != NULL && names(outcome->message, sub);
  }
  outcome->single = count == 1;
  outcome->named = named < count ? named : 0;
}

/* With the mutex held. The event, 0: none. */
static int decide_login(struct ik_sessions *sessions, struct ik_subdevice *sub,
                        const struct outcome *outcome) {
  if (outcome->error == 0 && sub->wanted) {
    ik_subdevices_set(&sessions->subs, sub, IK_SUB_IN);
    sub->alone = false;
    ik_subchannels_enter(&sessions->channels, sub);
    return IOTKIT_GATEWAY_LOGGED_IN;
  }
  if (outcome->error == 0 || !sub->wanted) {
    ik_subdevices_set(&sessions->subs, sub, outcome->error == 0 ? IK_SUB_LEAVING : IK_SUB_OUT);
    return 0;
  }
  const bool suspect = !outcome->again && (outcome->named == 0 || names(outcome->message, sub));
  if (suspect && (outcome->single || outcome->named == 1)) {
    ik_subdevices_set(&sessions->subs, sub, IK_SUB_REFUSED);
    return IOTKIT_GATEWAY_REFUSED;
  }
  if (suspect) sub->alone = true;
  ik_subdevices_set(&sessions->subs, sub, IK_SUB_WAITING);
  return 0;
}

static void finish_login(struct ik_sessions *sessions, uint32_t id, struct outcome *outcome) {
  lock(sessions);
  look_at_batch(sessions, id, outcome);
  if (outcome->again)
    sessions->throttled |= outcome->error != IK_ENOT_CONNECTED; /* which nobody is to blame for */
  else
    ik_subdevices_go_on(&sessions->subs);
  for (;;) {
    struct ik_subdevice *sub = ik_subdevices_next(&sessions->subs, NULL, IK_SUB_ASKED, id);
    if (sub == NULL) break;
    const int type = decide_login(sessions, sub, outcome);
    unlock(sessions);
    if (type == IOTKIT_GATEWAY_REFUSED)
      notify(sessions, IOTKIT_GATEWAY_REFUSED, ik_subdevice_key(sub), ik_subdevice_name(sub),
             outcome->error, outcome->code, outcome->words);
    else
      notify_plain(sessions, type, ik_subdevice_key(sub), ik_subdevice_name(sub));
    lock(sessions);
  }
  unlock(sessions);
}

/* Whatever the answer: none of them is used any more, and a missing session is what was wanted. */
static void finish_logout(struct ik_sessions *sessions, uint32_t id) {
  for (;;) {
    lock(sessions);
    struct ik_subdevice *sub = ik_subdevices_next(&sessions->subs, NULL, IK_SUB_LEAVING, id);
    if (sub != NULL)
      ik_subdevices_set(&sessions->subs, sub, sub->wanted ? IK_SUB_WAITING : IK_SUB_OUT);
    unlock(sessions);
    if (sub == NULL) return;
    notify_plain(sessions, IOTKIT_GATEWAY_LOGGED_OUT, ik_subdevice_key(sub),
                 ik_subdevice_name(sub));
  }
}

void ik_sessions_answer(struct ik_sessions *sessions, const struct ik_topo_request *request,
                        int error, const struct ik_topo_message *message) {
  struct outcome outcome = {.error = error, .words = "", .message = message};
  if (message != NULL) {
    outcome.error = ik_topo_error(message->code);
    outcome.code = message->code;
    outcome.words = message->message;
  }
  outcome.again = message == NULL || outcome.error == IK_EGATEWAY_THROTTLED;
  if (request->action == IK_TOPO_LOGIN || request->action == IK_TOPO_LOGIN_BATCH)
    finish_login(sessions, request->id, &outcome);
  else
    finish_logout(sessions, request->id);
}

/* ---- what the platform says by itself ---- */

/* With the mutex held. The event, 0: none. */
static int apply(struct ik_sessions *sessions, struct ik_subdevice *sub,
                 enum ik_topo_change change) {
  const bool was_disabled = sub->disabled;
  switch (change) {
  case IK_TOPO_CREATED:
    return IOTKIT_GATEWAY_CREATED;
  case IK_TOPO_DELETED:
    sub->wanted = false;
    ik_subdevices_forget(&sessions->subs, sub);
    set_state(sessions, sub, IK_SUB_OUT);
    return IOTKIT_GATEWAY_DELETED;
  case IK_TOPO_DISABLED:
    sub->disabled = true;
    set_state(sessions, sub, IK_SUB_OUT);
    return was_disabled ? 0 : IOTKIT_GATEWAY_DISABLED;
  case IK_TOPO_ENABLED:
    break;
  }
  sub->disabled = false;
  if (sub->wanted && (sub->state == IK_SUB_OUT || sub->state == IK_SUB_REFUSED))
    set_state(sessions, sub, IK_SUB_WAITING);
  return IOTKIT_GATEWAY_ENABLED;
}

void ik_sessions_change(struct ik_sessions *sessions, const struct iotkit_subdevice_name *name,
                        enum ik_topo_change change) {
  static const int unknown[] = {[IK_TOPO_CREATED] = IOTKIT_GATEWAY_CREATED,
                                [IK_TOPO_DELETED] = IOTKIT_GATEWAY_DELETED,
                                [IK_TOPO_ENABLED] = IOTKIT_GATEWAY_ENABLED,
                                [IK_TOPO_DISABLED] = IOTKIT_GATEWAY_DISABLED};
  lock(sessions);
  struct ik_subdevice *sub = find(sessions, name);
  const int type = sub != NULL ? apply(sessions, sub, change) : unknown[change];
  unlock(sessions);
  notify_plain(sessions, type, name->product_key, name->device_name);
}

void ik_sessions_error(struct ik_sessions *sessions, const struct iotkit_subdevice_name *name,
                       const struct ik_topo_message *message) {
  if (message->code == IK_TOPO_CODE_DELETED || message->code == IK_TOPO_CODE_DISABLED) {
    ik_sessions_change(sessions, name,
                       message->code == IK_TOPO_CODE_DELETED ? IK_TOPO_DELETED : IK_TOPO_DISABLED);
    return;
  }
  const bool kicked = message->code == IK_TOPO_CODE_KICKED;
  const bool no_session = message->code == IK_TOPO_CODE_NO_SESSION;
  lock(sessions);
  struct ik_subdevice *sub = find(sessions, name);
  const bool lost = sub != NULL && no_session && sub->state == IK_SUB_IN;
  if (sub != NULL && kicked) sub->wanted = false;
  if (lost)
    set_state(sessions, sub, IK_SUB_WAITING); /* an old message may have come while it was asked */
  else if (sub != NULL && !no_session)
    set_state(sessions, sub, kicked ? IK_SUB_OUT : IK_SUB_REFUSED);
  unlock(sessions);
  if (no_session) { /* it is logged in again */
    if (lost)
      notify_plain(sessions, IOTKIT_GATEWAY_LOGGED_OUT, name->product_key, name->device_name);
    return;
  }
  notify(sessions, kicked ? IOTKIT_GATEWAY_KICKED : IOTKIT_GATEWAY_REFUSED, name->product_key,
         name->device_name, ik_topo_error(message->code), message->code, message->message);
}

void ik_sessions_forget(struct ik_sessions *sessions, const struct iotkit_subdevice_name *name) {
  lock(sessions);
  struct ik_subdevice *sub = find(sessions, name);
  if (sub != NULL) (void)apply(sessions, sub, IK_TOPO_DELETED);
  unlock(sessions);
}

/* ---- connections ---- */

void ik_sessions_lose(struct ik_sessions *sessions, uint64_t now_ms) {
  struct ik_subdevice *sub = NULL;
  lock(sessions);
  while ((sub = ik_subdevices_next(&sessions->subs, sub, IK_SUB_IN, 0)) != NULL) {
    ik_subchannels_leave(sub);
  }
  while ((sub = ik_subdevices_next(&sessions->subs, NULL, IK_SUB_LEAVING, 0)) != NULL) {
    ik_subdevices_set(&sessions->subs, sub, IK_SUB_OUT);
    unlock(sessions);
    notify_plain(sessions, IOTKIT_GATEWAY_LOGGED_OUT, ik_subdevice_key(sub),
                 ik_subdevice_name(sub));
    lock(sessions);
  }
  ik_subdevices_restart(&sessions->subs, now_ms);
  unlock(sessions);
}

/* ---- a step; with the mutex held ---- */

static int send_batch(struct ik_sessions *sessions, uint32_t id, enum ik_topo_action action,
                      struct ik_subdevice *const *batch, size_t count) {
  struct ik_topo_device devices[IK_LOGINS_MAX];
  for (size_t i = 0; i < count; i++)
    devices[i] = ik_subdevice_identity(batch[i]);
  return ik_topo_line_ask(sessions->line, sessions->client, id, action, devices, count);
}

/* Whatever cannot be sent waits again, and take() has seen to it that it is not tried at once. */
static bool send_next(struct ik_sessions *sessions, unsigned connects, uint64_t now_ms) {
  struct ik_subdevice *batch[IK_LOGINS_MAX];
  struct ik_topo_request request = {.connects = connects,
                                    .end_ms = now_ms + sessions->requests.timeout_ms};
  if (sessions->requests.count == IK_TOPO_REQUESTS_MAX) return false;
  request.id = ik_line_next_id(sessions->line);
  if (request.id == 0) request.id = ik_line_next_id(sessions->line); /* 0 stands for none */
  const size_t count =
      ik_subdevices_take(&sessions->subs, now_ms, request.id, batch, &request.action);
  if (count == 0) return false;
  int rc = send_batch(sessions, request.id, request.action, batch, count);
  if (rc == 0) {
    (void)ik_topo_requests_add(&sessions->requests, &request); /* there is room */
    return true;
  }
  ik_log(IOTKIT_LOG_WARNING, "gateway: %zu logins or logouts wait: %s", count, iotkit_strerror(rc));
  for (size_t i = 0; i < count; i++) {
    const bool login = batch[i]->state == IK_SUB_ASKED;
    ik_subdevices_set(&sessions->subs, batch[i], login ? IK_SUB_WAITING : IK_SUB_LEAVING);
  }
  return false;
}

uint64_t ik_sessions_step(struct ik_sessions *sessions, unsigned connects, uint64_t now_ms) {
  uint64_t due_ms = UINT64_MAX;
  lock(sessions);
  if (sessions->throttled) ik_subdevices_back_off(&sessions->subs, now_ms, ik_port_random_u32());
  sessions->throttled = false;
  if (connects != 0) {
    while (send_next(sessions, connects, now_ms))
      continue;
    due_ms = ik_subdevices_due(&sessions->subs);
    if (due_ms <= now_ms) due_ms = UINT64_MAX; /* too many requests wait: an answer comes first */
    due_ms = ik_earlier(due_ms, ik_subchannels_report(&sessions->channels, now_ms));
  }
  due_ms = ik_earlier(due_ms, ik_topo_requests_due(&sessions->requests));
  ik_subdevices_reap(&sessions->subs);
  unlock(sessions);
  return due_ms;
}
