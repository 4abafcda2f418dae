/*
 * mqtt_step.c - what the stepping thread does: opens the transport, moves bytes between it and the
 * session, runs callbacks, and waits out the back-off. Each state of the client has one function
 * here.
 */
#include <string.h>

#include "../base/codec.h"
#include "mqtt_client.h"

#define CHUNK 16384      /* bytes of one read */
#define STEP_BYTES 65536 /* a step's share, so that no client starves the others of its thread */
#define STEP_PACKETS 32
#define STOP_MS 2000    /* for the last bytes and DISCONNECT */
#define STABLE_MS 10000 /* a connection that lasted this long makes the next back-off begin anew */

/* ---- telling ---- */

/* Runs on_event. `event` has everything but the state. */
static void tell(iotkit_mqtt_t *client, struct iotkit_mqtt_event *event) {
  client->handled++;
  if (!client->on_event) return;
  event->state = iotkit_mqtt_get_state(client);
  if (!event->detail) event->detail = "";
  client->on_event(client->ctx, client, event);
}

static void enter_state(iotkit_mqtt_t *client, enum iotkit_mqtt_state state, int error,
                        const char *detail, bool session_present) {
  struct iotkit_mqtt_event event = {.type = IOTKIT_MQTT_EVENT_STATE,
                                    .error = error,
                                    .detail = detail,
                                    .session_present = session_present};
  ik_mutex_lock(client->mutex);
  client->state = state;
  ik_mutex_unlock(client->mutex);
  tell(client, &event);
}

static void tell_happening(iotkit_mqtt_t *client, const struct ik_mqtt_happening *happening,
                           const char *detail) {
  static const enum iotkit_mqtt_event_type types[] = {
      [IK_MQTT_TOO_LARGE] = IOTKIT_MQTT_EVENT_SKIPPED,
      [IK_MQTT_PUBLISHED] = IOTKIT_MQTT_EVENT_PUBLISHED,
      [IK_MQTT_SUBSCRIBED] = IOTKIT_MQTT_EVENT_SUBSCRIBED,
      [IK_MQTT_UNSUBSCRIBED] = IOTKIT_MQTT_EVENT_UNSUBSCRIBED};
  struct iotkit_mqtt_event event = {.type = types[happening->type],
                                    .error = happening->error,
                                    .detail = happening->error ? detail : "",
                                    .packet_id = happening->packet_id,
                                    .qos = happening->qos};
  tell(client, &event);
}

/* ---- messages ---- */

/* Calls one handler without the mutex, unless it has been removed; mutex held before and after. */
static bool call_handler(iotkit_mqtt_t *client, const struct ik_mqtt_handler *handler,
                         const struct iotkit_mqtt_message *message) {
  if (handler->removed) return false;
  client->running = handler;
  ik_mutex_unlock(client->mutex);
  ((iotkit_mqtt_message_fn)handler->fn)(handler->ctx, client, message);
  ik_mutex_lock(client->mutex);
  client->running = NULL;
  ik_cond_broadcast(client->cond);
  return true;
}

static int deliver(iotkit_mqtt_t *client, const struct ik_mqtt_publish *publish) {
  const struct iotkit_mqtt_message message = {.topic = publish->topic.ptr,
                                              .topic_len = publish->topic.len,
                                              .payload = publish->payload,
                                              .payload_len = publish->payload_len,
                                              .packet_id = publish->packet_id,
                                              .qos = publish->qos,
                                              .dup = publish->dup,
                                              .retain = publish->retain};
  struct ik_mqtt_matches matches;
  bool taken = false;
  bool own = false;
  client->handled++;
  ik_mutex_lock(client->mutex);
  const int rc = ik_mqtt_subs_match(&client->session.subs, publish->topic, &matches);
  for (size_t i = 0; rc == 0 && i < matches.count; i++) {
    if (matches.list[i]->fn)
      taken |= call_handler(client, matches.list[i], &message);
    else
      own |= !matches.list[i]->removed;
  }
  if (rc == 0) ik_mqtt_matches_free(&matches);
  ik_mutex_unlock(client->mutex);
  if (rc < 0 || (taken && !own)) return rc;
  struct iotkit_mqtt_event event = {.type = IOTKIT_MQTT_EVENT_MESSAGE,
                                    .message = &message,
                                    .qos = message.qos,
                                    .packet_id = message.packet_id};
  tell(client, &event);
  return 0;
}

static int answer(iotkit_mqtt_t *client, const struct ik_mqtt_happening *happening) {
  ik_mutex_lock(client->mutex);
  const int rc = ik_mqtt_session_answer(&client->session, happening);
  ik_mutex_unlock(client->mutex);
  return rc;
}

static int dispatch(iotkit_mqtt_t *client, const struct ik_mqtt_happening *happening,
                    uint64_t now_ms, const char *detail) {
  int rc = 0;
  switch (happening->type) {
  case IK_MQTT_ACCEPTED:
    client->connected_ms = now_ms;
    ik_log(IOTKIT_LOG_INFO, "mqtt: connected to %s:%u", client->host, client->port);
    enter_state(client, IOTKIT_MQTT_CONNECTED, 0, "", happening->session_present);
    return 0;
  case IK_MQTT_MESSAGE:
    rc = deliver(client, &happening->message);
    return rc < 0 ? rc : answer(client, happening);
  case IK_MQTT_TOO_LARGE:
    ik_log(IOTKIT_LOG_WARNING, "mqtt: %s", detail);
    tell_happening(client, happening, detail);
    return answer(client, happening);
  case IK_MQTT_STRAY:
    ik_log(IOTKIT_LOG_DEBUG, "mqtt: an acknowledgement of unknown packet %u was ignored",
           happening->packet_id);
    return 0;
  default:
    tell_happening(client, happening, detail);
    return 0;
  }
}

/* ---- ends ---- */

static bool stop_wanted(iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  const bool stop = client->stop_wanted;
  ik_mutex_unlock(client->mutex);
  return stop;
}

static void close_transport(iotkit_mqtt_t *client) {
  if (client->transport) client->transport->ops->close(client->transport);
  client->transport = NULL;
  client->open = false;
  client->more = false;
  if (ik_buf_size(&client->sending))
    ik_wipe(client->sending.data, client->sending.cap); /* may hold a CONNECT */
  ik_buf_free(&client->sending);
  ik_buf_free(&client->input);
  ik_mutex_lock(client->mutex);
  ik_mqtt_session_drop(&client->session);
  ik_mutex_unlock(client->mutex);
}

/* Final. What was never acknowledged is told first. */
static void end(iotkit_mqtt_t *client, int error, const char *detail) {
  struct ik_mqtt_happening lost;
  int more;
  close_transport(client);
  ik_mutex_lock(client->mutex);
  client->stop_wanted = true; /* from here on nothing is accepted */
  ik_mutex_unlock(client->mutex);
  do {
    ik_mutex_lock(client->mutex);
    more = ik_mqtt_session_give_up(&client->session, &lost);
    ik_mutex_unlock(client->mutex);
    if (more) tell_happening(client, &lost, iotkit_strerror(lost.error));
  } while (more);
  enter_state(client, IOTKIT_MQTT_CLOSED, error, detail, false);
}

/*
 * What the caller must change first is not tried often: then the wait is taken from the long end.
 */
static uint32_t back_off(iotkit_mqtt_t *client, int error) {
  const uint32_t random = ik_port_random_u32();
  const uint32_t wait = ik_backoff_next(&client->backoff, random);
  if (iotkit_error_retryable(error)) return wait;
  return client->backoff.max_ms - random % (client->backoff.max_ms / 2 + 1);
}

static void drop(iotkit_mqtt_t *client, int error, const char *detail, uint64_t now_ms) {
  const bool was_connected = iotkit_mqtt_get_state(client) == IOTKIT_MQTT_CONNECTED;
  close_transport(client);
  ik_log(IOTKIT_LOG_WARNING, "mqtt: %s:%u: %s%s%s", client->host, client->port,
         iotkit_strerror(error), detail[0] ? ": " : "", detail);
  if (stop_wanted(client)) {
    end(client, 0, "");
    return;
  }
  if (client->no_reconnect) {
    end(client, error, detail);
    return;
  }
  if (was_connected && now_ms - client->connected_ms >= STABLE_MS)
    ik_backoff_reset(&client->backoff);
  client->retry_ms = now_ms + back_off(client, error);
  enter_state(client, IOTKIT_MQTT_WAITING, error, detail, false);
}

/* ---- bytes ---- */

/* Writes until all is written or the transport has enough. 0, or why the stream is broken. */
static int write_out(iotkit_mqtt_t *client, uint64_t now_ms, char *detail) {
  for (;;) {
    if (!ik_buf_size(&client->sending)) {
      ik_buf_free(&client->sending);
      ik_mutex_lock(client->mutex);
      const bool taken = ik_mqtt_session_take(&client->session, &client->sending, now_ms);
      ik_mutex_unlock(client->mutex);
      if (!taken) return 0;
    }
    const ptrdiff_t n = client->transport->ops->write(
        client->transport, ik_buf_ptr(&client->sending), ik_buf_size(&client->sending), detail);
    if (n == IK_EAGAIN) return 0;
    if (n <= 0) return n < 0 ? (int)n : IK_ENETWORK;
    if ((size_t)n == ik_buf_size(&client->sending) && client->state != IOTKIT_MQTT_CONNECTED)
      ik_wipe(client->sending.data, client->sending.cap); /* CONNECT has the password */
    ik_buf_consume(&client->sending, (size_t)n);
    ik_mutex_lock(client->mutex);
    const int rc = ik_mqtt_session_sent(&client->session, (size_t)n, now_ms);
    ik_mutex_unlock(client->mutex);
    if (rc < 0) return rc;
  }
}

static bool may_read(iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  const bool may = !client->paused && ik_mqtt_session_can_receive(&client->session);
  ik_mutex_unlock(client->mutex);
  return may;
}

/* Handles what is in *data until it is used up, the packets' share is, or reading has to stop. */
static int take_in(iotkit_mqtt_t *client, const uint8_t **data, size_t *len, uint32_t *packets,
                   uint64_t now_ms, char *detail) {
  struct ik_mqtt_happening happening;
  while (*len && *packets && may_read(client)) {
    ik_mutex_lock(client->mutex);
    int rc = ik_mqtt_session_receive(&client->session, data, len, now_ms, &happening, detail);
    ik_mutex_unlock(client->mutex);
    if (rc > 0) {
      --*packets;
      rc = dispatch(client, &happening, now_ms, detail);
      detail[0] = '\0';
    }
    if (rc < 0) return rc;
  }
  return 0;
}

/* What an earlier step left. */
static int take_in_rest(iotkit_mqtt_t *client, uint32_t *packets, uint64_t now_ms, char *detail) {
  const uint8_t *data = ik_buf_ptr(&client->input);
  size_t len = ik_buf_size(&client->input);
  const size_t before = len;
  if (!len) return 0;
  const int rc = take_in(client, &data, &len, packets, now_ms, detail);
  ik_buf_consume(&client->input, before - len);
  if (!ik_buf_size(&client->input)) ik_buf_free(&client->input);
  return rc;
}

/* Reads and handles at most a step's share; sets `more` when there may be more at once. */
static int read_in(iotkit_mqtt_t *client, uint64_t now_ms, char *detail) {
  uint8_t chunk[CHUNK];
  uint32_t packets = STEP_PACKETS;
  size_t bytes = 0;
  int rc = take_in_rest(client, &packets, now_ms, detail);
  if (rc < 0) return rc;
  while (packets && bytes < STEP_BYTES && !ik_buf_size(&client->input) && may_read(client)) {
    const ptrdiff_t n =
        client->transport->ops->read(client->transport, chunk, sizeof(chunk), detail);
    if (n == IK_EAGAIN) return 0;
    if (n < 0) return (int)n;
    if (n == 0) {
      ik_detail(detail, "%s", "");
      return IK_ECONNECTION_CLOSED;
    }
    const uint8_t *data = chunk;
    size_t len = (size_t)n;
    bytes += len;
    rc = take_in(client, &data, &len, &packets, now_ms, detail);
    if (rc == 0 && len) rc = ik_buf_append(&client->input, data, len);
    if (rc < 0) return rc;
  }
  client->more = may_read(client);
  return 0;
}

static int tick(iotkit_mqtt_t *client, uint64_t now_ms, char *detail) {
  struct ik_mqtt_happening happening;
  for (;;) {
    ik_mutex_lock(client->mutex);
    const int rc = ik_mqtt_session_tick(&client->session, now_ms, &happening, detail);
    ik_mutex_unlock(client->mutex);
    if (rc <= 0) return rc;
    tell_happening(client, &happening, detail);
  }
}

/* ---- states ---- */

/* Begins to leave when a stop is asked for; while CONNECTING there is nobody to take leave of. */
static void say_goodbye(iotkit_mqtt_t *client, uint64_t now_ms) {
  ik_mutex_lock(client->mutex);
  if (client->stop_wanted && client->stop_end_ms == UINT64_MAX &&
      client->state == IOTKIT_MQTT_CONNECTED) {
    client->stop_end_ms = now_ms + STOP_MS;
    ik_mqtt_session_leave(&client->session);
  }
  ik_mutex_unlock(client->mutex);
}

/* The transport is open: CONNECTING until CONNACK, then CONNECTED. */
static void exchange(iotkit_mqtt_t *client, uint64_t now_ms) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = tick(client, now_ms, detail);
  say_goodbye(client, now_ms);
  if (rc == 0) rc = write_out(client, now_ms, detail);
  if (rc == 0) rc = read_in(client, now_ms, detail);
  say_goodbye(client, now_ms); /* a callback may have asked for it */
  if (rc == 0) rc = write_out(client, now_ms, detail);
  if (rc == 0 && client->state == IOTKIT_MQTT_CONNECTING && now_ms >= client->connect_end_ms) {
    ik_detail(detail, "no CONNACK within %u ms", client->connect_timeout_ms);
    rc = IK_ECONNECT_TIMEOUT;
  }
  if (rc < 0) {
    drop(client, rc, detail, now_ms);
    return;
  }
  ik_mutex_lock(client->mutex);
  const bool finished = ik_mqtt_session_finished(&client->session) || now_ms >= client->stop_end_ms;
  ik_mutex_unlock(client->mutex);
  if (finished) end(client, 0, "");
}

static void go_on_opening(iotkit_mqtt_t *client, uint64_t now_ms) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = client->transport->ops->open(client->transport, now_ms, detail);
  if (rc == IK_EAGAIN && now_ms < client->connect_end_ms) return;
  if (rc == IK_EAGAIN) rc = IK_ECONNECT_TIMEOUT;
  if (rc == 0) {
    ik_mutex_lock(client->mutex);
    rc = ik_mqtt_session_open(&client->session, now_ms);
    ik_mutex_unlock(client->mutex);
  }
  if (rc < 0) {
    drop(client, rc, detail, now_ms);
    return;
  }
  client->open = true;
  exchange(client, now_ms);
}

static void begin_to_connect(iotkit_mqtt_t *client, uint64_t now_ms) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  const struct ik_dial dial = {.host = client->host,
                               .port = client->port,
                               .tls = client->tls,
                               .timeout_ms = client->connect_timeout_ms};
  client->connect_end_ms = now_ms + client->connect_timeout_ms;
  enter_state(client, IOTKIT_MQTT_CONNECTING, 0, "", false);
  const int rc = client->dial(client->dial_ctx, &dial, now_ms, &client->transport, detail);
  if (rc < 0) {
    client->transport = NULL;
    drop(client, rc, detail, now_ms);
  } else
    go_on_opening(client, now_ms);
}

/* Nothing is open: only a stop, a start or the end of the back-off brings something to do. */
static void wait_or_begin(iotkit_mqtt_t *client, uint64_t now_ms) {
  ik_mutex_lock(client->mutex);
  const bool begin =
      client->state == IOTKIT_MQTT_IDLE ? client->start_wanted : now_ms >= client->retry_ms;
  const bool stop = client->stop_wanted;
  ik_mutex_unlock(client->mutex);
  if (stop)
    end(client, 0, "");
  else if (begin)
    begin_to_connect(client, now_ms);
}

/* ---- a step ---- */

static uint64_t earlier(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static uint64_t deadline_of(const iotkit_mqtt_t *client) {
  if (client->state == IOTKIT_MQTT_WAITING) return client->retry_ms;
  if (!client->transport) return UINT64_MAX;
  if (client->more) return 0;
  const uint64_t end_ms =
      client->state == IOTKIT_MQTT_CONNECTING ? client->connect_end_ms : client->stop_end_ms;
  if (!client->open) return earlier(end_ms, client->transport->ops->deadline(client->transport));
  return earlier(end_ms, ik_mqtt_session_deadline(&client->session));
}

/* Notes for the other threads what the client waits for now. Mutex held. */
static void settle(iotkit_mqtt_t *client) {
  struct ik_transport *transport = client->transport;
  const struct ik_mqtt_session *session = &client->session;
  const bool unwritten = ik_buf_size(&client->sending) > 0;
  const bool reads = client->open && !client->paused && ik_mqtt_session_can_receive(session);
  client->fd = transport ? transport->ops->fd(transport) : -1;
  client->interest = 0;
  if (transport) {
    const int want = (reads ? IOTKIT_READ : 0) |
                     (unwritten || ik_mqtt_session_has_output(session) ? IOTKIT_WRITE : 0);
    const int interest = transport->ops->interest(transport, client->open ? want : 0);
    client->interest = interest & (IOTKIT_READ | IOTKIT_WRITE);
    client->more = client->more || (interest & IK_PENDING);
  }
  client->more = reads && (client->more || ik_buf_size(&client->input) > 0);
  client->deadline_ms = deadline_of(client);
  /* What another thread asked for after this step had looked. */
  const bool output = client->open && !unwritten && ik_mqtt_session_has_output(session);
  const bool stop = client->stop_wanted && client->stop_end_ms == UINT64_MAX;
  const bool start = client->start_wanted && client->state == IOTKIT_MQTT_IDLE;
  client->due = client->state != IOTKIT_MQTT_CLOSED && (output || stop || start);
}

void ik_mqtt_run(iotkit_mqtt_t *client, uint64_t now_ms) {
  client->more = false;
  if (!client->transport)
    wait_or_begin(client, now_ms);
  else if (client->state == IOTKIT_MQTT_CONNECTING && stop_wanted(client))
    end(client, 0, "");
  else if (client->open)
    exchange(client, now_ms);
  else
    go_on_opening(client, now_ms);
  ik_mutex_lock(client->mutex);
  settle(client);
  ik_mutex_unlock(client->mutex);
}

int ik_mqtt_enter(iotkit_mqtt_t *client, bool blocking) {
  const uintptr_t self = ik_thread_self();
  int rc = 0;
  if (!client) return IK_EINVALID_ARGUMENT;
  ik_mutex_lock(client->mutex);
  if (client->stepper)
    rc = client->stepper == self ? IK_EIN_CALLBACK : IK_EBUSY;
  else if (client->state == IOTKIT_MQTT_CLOSED)
    rc = IK_ECLOSED;
  else {
    client->stepper = self;
    client->last_stepper = self;
    client->blocking = blocking;
    client->armed = false;
  }
  ik_mutex_unlock(client->mutex);
  return rc;
}

void ik_mqtt_leave(iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  client->stepper = 0;
  client->pumped = false;
  for (struct ik_mqtt_turn *turn = client->turns; turn; turn = turn->next)
    ik_wake_signal(turn->wake);
  ik_cond_broadcast(client->cond);
  ik_mutex_unlock(client->mutex);
}

int iotkit_mqtt_step(iotkit_mqtt_t *client, uint64_t now_ms) {
  const int rc = ik_mqtt_enter(client, false);
  if (rc < 0) return rc;
  ik_mqtt_run(client, now_ms);
  const bool closed = client->state == IOTKIT_MQTT_CLOSED; /* written by this thread alone */
  ik_mqtt_leave(client);
  return closed ? IK_ECLOSED : 0;
}
