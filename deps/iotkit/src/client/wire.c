/* Tested by deps/iotkit/test/client/test_outgoing.c. */
/*
 * wire.c - bytes between a client's transport and its session, and what the client waits for next.
 */
#include "client/wire.h"

#include "base/codec.h"
#include "base/time.h"

#define AHEAD_MAX 32768 /* bytes read ahead of the step that handles them */

int ik_mqtt_write_out(iotkit_mqtt_t *client, uint64_t now_ms, char *detail) {
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
    ik_read_pace_sent(&client->read_pace);
    ik_mutex_lock(client->mutex);
    const int rc = ik_mqtt_session_sent(&client->session, (size_t)n, now_ms);
    ik_mutex_unlock(client->mutex);
    if (rc < 0) return rc;
  }
}

bool ik_mqtt_may_read(iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  const bool may =
      (!client->paused || client->finished) && ik_mqtt_session_can_receive(&client->session);
  ik_mutex_unlock(client->mutex);
  return may;
}

/*
 * Reads what has arrived, for the next step to handle. This is how the end of the stream is noticed
 * although nobody handles packets meanwhile.
 */
static int read_ahead(iotkit_mqtt_t *client, char *detail) {
  uint8_t chunk[IK_MQTT_CHUNK];
  while (ik_buf_size(&client->input) < AHEAD_MAX && ik_mqtt_may_read(client)) {
    const ptrdiff_t n =
        client->transport->ops->read(client->transport, chunk, sizeof(chunk), detail);
    if (n == IK_EAGAIN) return 0;
    if (n <= 0) return n < 0 ? (int)n : IK_ECONNECTION_CLOSED;
    const int rc = ik_buf_append(&client->input, chunk, (size_t)n);
    if (rc < 0) return rc;
  }
  return 0;
}

void ik_mqtt_write_now(iotkit_mqtt_t *client, bool look) {
  char detail[IOTKIT_DETAIL_MAX] = ""; /* the step that reports the end finds it again */
  int rc = ik_mqtt_write_out(client, ik_port_now_ms() + client->ahead_ms, detail);
  if (rc == 0 && look) rc = read_ahead(client, detail);
  ik_mutex_lock(client->mutex);
  if (rc < 0) client->broken = rc;
  ik_mqtt_note_next_step(client);
  ik_mutex_unlock(client->mutex);
}

bool ik_mqtt_is_left_behind(const iotkit_mqtt_t *client) {
  return client->open && !client->broken && !ik_buf_size(&client->sending) &&
         ik_mqtt_session_has_output(&client->session);
}

/* ---- what the client waits for ---- */

static uint64_t deadline_of(const iotkit_mqtt_t *client) {
  if (client->state == IOTKIT_MQTT_WAITING) return client->retry_ms;
  if (!client->transport)
    return client->state == IOTKIT_MQTT_CONNECTING ? client->connect_end_ms : UINT64_MAX;
  if (client->more) return 0;
  uint64_t end_ms =
      client->state == IOTKIT_MQTT_CONNECTING ? client->connect_end_ms : client->stop_end_ms;
  const uint64_t rest_end_ms = client->read_pace.rest_end_ms;
  if (rest_end_ms) end_ms = ik_earlier(end_ms, rest_end_ms);
  if (!client->open) return ik_earlier(end_ms, client->transport->ops->deadline(client->transport));
  return ik_earlier(end_ms, ik_mqtt_session_deadline(&client->session));
}

void ik_mqtt_note_next_step(iotkit_mqtt_t *client) {
  struct ik_transport *transport = client->transport;
  const struct ik_mqtt_session *session = &client->session;
  const bool unwritten = ik_buf_size(&client->sending) > 0;
  const bool reads = client->open && !client->read_pace.rest_end_ms &&
                     (!client->paused || client->finished) && ik_mqtt_session_can_receive(session);
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
  if (client->state != IOTKIT_MQTT_CLOSED)
    client->deadline_ms = ik_earlier(client->deadline_ms, client->companions_due_ms);
  /* What another thread has asked for since this step looked. */
  const bool output = client->open && !unwritten && ik_mqtt_session_has_output(session);
  const bool stop = client->stop_wanted && client->stop_end_ms == UINT64_MAX;
  const bool start = client->start_wanted && client->state == IOTKIT_MQTT_IDLE;
  const bool turn = client->state == IOTKIT_MQTT_CONNECTING && !client->transport &&
                    !ik_claim_waits(client->claim);
  client->step_due =
      client->state != IOTKIT_MQTT_CLOSED && (output || stop || start || turn || client->broken);
}
