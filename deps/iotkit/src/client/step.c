/*
 * step.c - what the driver thread does: opens the transport, moves bytes between it and the
 * session, runs callbacks, and waits out the back-off.
 *
 *   state        meaning                      what ends it → the next state
 *   IDLE         made                         start → CONNECTING; stop → CLOSED
 *   CONNECTING   dialled, once no client that  CONNACK 0 → CONNECTED; refused, failed or out of time
 *                was stopped has our identity; → WAITING; stop → CLOSED
 *                CONNECT follows the opening
 *   CONNECTED    packets go both ways; after  stream lost, peer silent or against the protocol →
 *                a stop: what is on its way   WAITING; after a stop: the peer has ended the
 *                is answered, DISCONNECT and  stream, or 2 s are over → CLOSED
 *                the end of sending go out
 *   WAITING      nothing is open              end of the back-off → CONNECTING; stop → CLOSED
 *   CLOSED       final                        nothing
 *
 * Instead of WAITING, CLOSED follows where a stop was asked for or `no_reconnect` is set.
 */
#include "client/step.h"

#include <string.h>

#include "base/codec.h"
#include "base/endpoint.h"
#include "base/time.h"
#include "client/companion.h"
#include "client/driver.h"
#include "client/events.h"
#include "client/wire.h"

/* The share of one step, so that no client starves the others of its thread. */
#define STEP_BYTES 65536
#define STEP_READS 16 /* each may take in more than it brings, see port.h on TLS */
#define STEP_PACKETS 128
/*
 * Packets other than messages of QoS 0 count as so many. What a step answers goes out after it: of larger
 * steps more is lost with a connection, and mosquitto 2.0.11 then delivered messages of QoS 2 again.
 */
#define ANSWERED_PACKETS 4
#define STOP_MS 2000    /* from a stop to CLOSED, at most */
#define ANSWERS_MS 1500 /* of which acknowledgements are awaited */
#define STABLE_MS 10000 /* a connection that lasted this long resets the back-off */

/* ---- what was received ---- */

static int answer(iotkit_mqtt_t *client, const struct ik_mqtt_event *event) {
  ik_mutex_lock(client->mutex);
  const int rc = ik_mqtt_session_answer(&client->session, event);
  ik_mutex_unlock(client->mutex);
  return rc;
}

static int dispatch(iotkit_mqtt_t *client, const struct ik_mqtt_event *event, uint64_t now_ms,
                    const char *detail) {
  int rc = 0;
  switch (event->type) {
  case IK_MQTT_ACCEPTED:
    client->connected_ms = now_ms;
    ik_mutex_lock(client->mutex);
    client->connects++;
    ik_mutex_unlock(client->mutex);
    ik_log(IOTKIT_LOG_INFO, "mqtt: connected to %s", ik_endpoint(client->host, client->port).text);
    ik_mqtt_enter_state(client, IOTKIT_MQTT_CONNECTED, 0, "", event->session_present);
    return 0;
  case IK_MQTT_MESSAGE:
    if (event->qos == 0) ik_read_pace_note(&client->read_pace);
    rc = ik_mqtt_deliver(client, &event->message);
    return rc < 0 || event->qos == 0 ? rc : answer(client, event);
  case IK_MQTT_TOO_LARGE:
    ik_log(IOTKIT_LOG_WARNING, "mqtt: %s", detail);
    ik_mqtt_notify_session(client, event, detail);
    return answer(client, event);
  case IK_MQTT_STRAY:
    ik_log(IOTKIT_LOG_DEBUG, "mqtt: an acknowledgement of unknown packet %u was ignored",
           event->packet_id);
    return 0;
  default:
    ik_mqtt_notify_session(client, event, detail);
    return 0;
  }
}

/* ---- how a connection ends ---- */

static bool stop_wanted(iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  const bool stop = client->stop_wanted;
  ik_mutex_unlock(client->mutex);
  return stop;
}

static void close_transport(iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  if (client->transport) client->ends++; /* before its number can be used again */
  ik_mutex_unlock(client->mutex);
  if (client->transport) client->transport->ops->close(client->transport);
  client->transport = NULL;
  client->open = false;
  client->finished = false;
  client->more = false;
  client->read_pace = (struct ik_read_pace){0};
  if (ik_buf_size(&client->sending))
    ik_wipe(client->sending.data, client->sending.cap); /* may hold a CONNECT */
  ik_buf_free(&client->sending);
  ik_buf_free(&client->input);
  ik_mutex_lock(client->mutex);
  client->broken = 0;
  ik_mqtt_session_drop(&client->session);
  ik_mutex_unlock(client->mutex);
}

/* CLOSED. What was never acknowledged is reported first. */
static void close_for_good(iotkit_mqtt_t *client, int error, const char *detail) {
  struct ik_mqtt_event lost;
  int more;
  close_transport(client);
  ik_mutex_lock(client->mutex);
  client->stop_wanted = true; /* from here on nothing is accepted */
  ik_mutex_unlock(client->mutex);
  do {
    ik_mutex_lock(client->mutex);
    more = ik_mqtt_session_give_up(&client->session, &lost);
    ik_mutex_unlock(client->mutex);
    if (more) ik_mqtt_notify_session(client, &lost, iotkit_strerror(lost.error));
  } while (more);
  ik_claim_give_up(client->claim);
  ik_mqtt_enter_state(client, IOTKIT_MQTT_CLOSED, error, detail, false);
}

/*
 * An error that the program must mend first, such as a wrong password, is not tried often: the wait
 * is taken from the long end.
 */
static uint32_t back_off(iotkit_mqtt_t *client, int error) {
  const uint32_t random = ik_port_random_u32();
  const uint32_t wait = ik_backoff_next(&client->backoff, random);
  if (iotkit_error_retryable(error)) return wait;
  return client->backoff.max_ms - random % (client->backoff.max_ms / 2 + 1);
}

/* Most details name the broker. */
static void log_loss(const iotkit_mqtt_t *client, int error, const char *detail) {
  const bool named = strstr(detail, client->host) != NULL;
  ik_log(IOTKIT_LOG_WARNING, "mqtt: %s%s%s%s%s",
         named ? "" : ik_endpoint(client->host, client->port).text, named ? "" : ": ",
         iotkit_strerror(error), detail[0] ? ": " : "", detail);
}

static void lose_connection(iotkit_mqtt_t *client, int error, const char *detail, uint64_t now_ms) {
  const bool was_connected = client->state == IOTKIT_MQTT_CONNECTED;
  close_transport(client);
  log_loss(client, error, detail);
  if (stop_wanted(client)) {
    close_for_good(client, 0, "");
    return;
  }
  if (client->no_reconnect) {
    close_for_good(client, error, detail);
    return;
  }
  if (was_connected && now_ms - client->connected_ms >= STABLE_MS)
    ik_backoff_reset(&client->backoff);
  client->retry_ms =
      ik_later(now_ms + back_off(client, error), ik_connect_rate_next_ms(&client->connect_rate));
  ik_mqtt_enter_state(client, IOTKIT_MQTT_WAITING, error, detail, false);
}

/* ---- bytes ---- */

/* How much of a step's packets one takes: at most what is left. */
static uint32_t share_of(const struct ik_mqtt_event *event, uint32_t left) {
  const bool is_answered = event->type != IK_MQTT_MESSAGE || event->qos > 0;
  const uint32_t share = is_answered ? ANSWERED_PACKETS : 1;
  return share < left ? share : left;
}

/*
 * Handles the packets in *data until the data or *packets, the share of this step, is used up, or
 * the client must not read on.
 */
static int handle_packets(iotkit_mqtt_t *client, const uint8_t **data, size_t *len,
                          uint32_t *packets, uint64_t now_ms, char *detail) {
  struct ik_mqtt_event event;
  while (*len && *packets && ik_mqtt_may_read(client)) {
    ik_mutex_lock(client->mutex);
    int rc = ik_mqtt_session_receive(&client->session, data, len, &event, detail);
    ik_mutex_unlock(client->mutex);
    if (rc > 0) {
      *packets -= share_of(&event, *packets);
      rc = dispatch(client, &event, now_ms, detail);
      detail[0] = '\0';
    }
    if (rc < 0) return rc;
  }
  return 0;
}

/* Handles what an earlier step has read but not handled. */
static int handle_leftover(iotkit_mqtt_t *client, uint32_t *packets, uint64_t now_ms,
                           char *detail) {
  const uint8_t *data = ik_buf_ptr(&client->input);
  size_t len = ik_buf_size(&client->input);
  const size_t before = len;
  if (!len) return 0;
  const int rc = handle_packets(client, &data, &len, packets, now_ms, detail);
  ik_buf_consume(&client->input, before - len);
  if (!ik_buf_size(&client->input)) ik_buf_free(&client->input);
  return rc;
}

/* Reads and handles at most a step's share; sets `more` when there may be more to read now. */
static int read_in(iotkit_mqtt_t *client, uint64_t now_ms, char *detail) {
  if (ik_read_pace_rests(&client->read_pace, now_ms)) return 0;
  uint8_t chunk[IK_MQTT_CHUNK];
  uint32_t packets = STEP_PACKETS;
  uint32_t reads = STEP_READS;
  size_t bytes = 0;
  int rc = handle_leftover(client, &packets, now_ms, detail);
  if (rc < 0) return rc;
  while (packets && reads-- && bytes < STEP_BYTES && !ik_buf_size(&client->input) &&
         ik_mqtt_may_read(client)) {
    const ptrdiff_t n =
        client->transport->ops->read(client->transport, chunk, sizeof(chunk), detail);
    if (n == IK_EAGAIN) {
      ik_read_pace_emptied(&client->read_pace, now_ms);
      return 0;
    }
    if (n < 0) return (int)n;
    if (n == 0) {
      ik_detail(detail, "%s", "");
      return IK_ECONNECTION_CLOSED;
    }
    const uint8_t *data = chunk;
    size_t len = (size_t)n;
    bytes += len;
    rc = handle_packets(client, &data, &len, &packets, now_ms, detail);
    if (rc == 0 && len) rc = ik_buf_append(&client->input, data, len);
    if (rc < 0) return rc;
  }
  client->more = ik_mqtt_may_read(client);
  return 0;
}

static int tick(iotkit_mqtt_t *client, uint64_t now_ms, char *detail) {
  struct ik_mqtt_event event;
  for (;;) {
    ik_mutex_lock(client->mutex);
    const int rc = ik_mqtt_session_tick(&client->session, now_ms, &event, detail);
    ik_mutex_unlock(client->mutex);
    if (rc <= 0) return rc;
    ik_mqtt_notify_session(client, &event, detail);
  }
}

/* ---- states ---- */

/* After a stop: DISCONNECT. Only when CONNECTED: before CONNACK nobody would expect one. */
static void begin_disconnect(iotkit_mqtt_t *client, uint64_t now_ms) {
  ik_mutex_lock(client->mutex);
  if (client->stop_wanted && client->stop_end_ms == UINT64_MAX &&
      client->state == IOTKIT_MQTT_CONNECTED) {
    client->stop_end_ms = now_ms + STOP_MS;
    ik_mqtt_session_leave(&client->session, now_ms + ANSWERS_MS);
  }
  ik_mutex_unlock(client->mutex);
}

/*
 * When DISCONNECT is written, ends the sending side. To close now would lose what the peer has not
 * read yet, if it were still sending: that resets the stream.
 */
static void finish(iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  const bool finished = ik_mqtt_session_finished(&client->session);
  ik_mutex_unlock(client->mutex);
  if (finished && !client->finished) client->transport->ops->finish(client->transport);
  client->finished = finished;
}

/* A flush has met a broken stream: what the peer sent before that still counts. */
static void end_broken(iotkit_mqtt_t *client, uint64_t now_ms) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  const int broken = client->broken; /* written by driver threads alone */
  begin_disconnect(client, now_ms);  /* from a stop on there is an end to what it may send */
  ik_read_pace_end_rest(&client->read_pace);
  int rc = read_in(client, now_ms, detail);
  /* What must not be taken in now, as the client is paused, is not waited for. */
  const bool more = (client->more || ik_buf_size(&client->input)) && ik_mqtt_may_read(client);
  if (rc == 0 && more && now_ms < client->stop_end_ms) return;
  if (rc == 0)
    rc = ik_mqtt_write_out(client, now_ms, detail); /* has the detail, if it fails again */
  lose_connection(client, rc < 0 ? rc : broken, detail, now_ms);
}

/* The transport is open: CONNECTING until CONNACK, then CONNECTED. */
static void exchange(iotkit_mqtt_t *client, uint64_t now_ms) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  begin_disconnect(client, now_ms);
  int rc = ik_mqtt_write_out(client, now_ms, detail);
  if (rc == 0) rc = read_in(client, now_ms, detail);
  if (rc == 0) rc = tick(client, now_ms, detail); /* what has arrived is not late */
  begin_disconnect(client, now_ms);               /* a callback may have stopped the client */
  if (rc == 0) rc = ik_mqtt_write_out(client, now_ms, detail);
  if (rc == 0 && client->state == IOTKIT_MQTT_CONNECTING && now_ms >= client->connect_end_ms) {
    ik_detail(detail, "no CONNACK within %u ms", client->connect_timeout_ms);
    rc = IK_ECONNECT_TIMEOUT;
  }
  if (now_ms >= client->stop_end_ms || (rc < 0 && client->finished))
    close_for_good(client, 0, "");
  else if (rc < 0)
    lose_connection(client, rc, detail, now_ms);
  else
    finish(client);
}

static void continue_open(iotkit_mqtt_t *client, uint64_t now_ms) {
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
    lose_connection(client, rc, detail, now_ms);
    return;
  }
  client->open = true;
  ik_connect_rate_note(&client->connect_rate, now_ms);
  exchange(client, now_ms);
}

static void dial(iotkit_mqtt_t *client, uint64_t now_ms) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  const struct ik_dial dial = {.host = client->host,
                               .port = client->port,
                               .tls = client->tls,
                               .timeout_ms = client->connect_timeout_ms};
  const int rc = client->dial(client->dial_ctx, &dial, now_ms, &client->transport, detail);
  if (rc < 0) {
    client->transport = NULL;
    lose_connection(client, rc, detail, now_ms);
  } else
    continue_open(client, now_ms);
}

/* CONNECTING, but not dialled yet. */
static void dial_in_turn(iotkit_mqtt_t *client, uint64_t now_ms) {
  if (!ik_claim_waits(client->claim))
    dial(client, now_ms);
  else if (now_ms >= client->connect_end_ms)
    lose_connection(client, IK_EMQTT_IN_USE, "it was stopped, but has not ended", now_ms);
}

static void connect(iotkit_mqtt_t *client, uint64_t now_ms) {
  client->connect_end_ms = now_ms + client->connect_timeout_ms;
  ik_mqtt_enter_state(client, IOTKIT_MQTT_CONNECTING, 0, "", false);
  dial_in_turn(client, now_ms);
}

/*
 * Nothing is dialled: only a stop, a start, the end of the back-off or of the client before us is
 * something to do.
 */
static void wait_or_connect(iotkit_mqtt_t *client, uint64_t now_ms) {
  ik_mutex_lock(client->mutex);
  const bool begin =
      client->state == IOTKIT_MQTT_IDLE ? client->start_wanted : now_ms >= client->retry_ms;
  const bool stop = client->stop_wanted;
  ik_mutex_unlock(client->mutex);
  if (stop)
    close_for_good(client, 0, "");
  else if (client->state == IOTKIT_MQTT_CONNECTING)
    dial_in_turn(client, now_ms);
  else if (begin)
    connect(client, now_ms);
}

/* ---- a step ---- */

void ik_mqtt_run(iotkit_mqtt_t *client, uint64_t now_ms) {
  client->more = false;
  client->ahead_ms = now_ms - ik_port_now_ms();
  if (!client->transport)
    wait_or_connect(client, now_ms);
  else if (client->state == IOTKIT_MQTT_CONNECTING && stop_wanted(client))
    close_for_good(client, 0, "");
  else if (client->broken)
    end_broken(client, now_ms);
  else if (client->open)
    exchange(client, now_ms);
  else
    continue_open(client, now_ms);
  ik_mqtt_step_companions(client, now_ms);
  ik_mutex_lock(client->mutex);
  ik_mqtt_note_next_step(client);
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
