/*
 * write.c - the packets a client sends. Each length is known before the first byte, so a packet is
 * written whole or not.
 */
#include <string.h>

#include "iotkit_errors.h"
#include "mqtt/packet.h"

struct cursor {
  uint8_t *at;
};

static void put_u8(struct cursor *to, unsigned value) {
  *to->at++ = (uint8_t)value;
}

static void put_u16(struct cursor *to, unsigned value) {
  put_u8(to, value >> 8);
  put_u8(to, value & 0xff);
}

static void put_bytes(struct cursor *to, const void *data, size_t len) {
  if (len) memcpy(to->at, data, len);
  to->at += len;
}

static void put_text(struct cursor *to, struct ik_str text) {
  put_u16(to, (unsigned)text.len);
  put_bytes(to, text.ptr, text.len);
}

static size_t header_len(size_t remaining) {
  if (remaining < 128) return 2;
  if (remaining < 16384) return 3;
  return remaining < 2097152 ? 4 : 5;
}

static size_t packet_len(size_t remaining) {
  return remaining > IK_MQTT_REMAINING_MAX ? SIZE_MAX : header_len(remaining) + remaining;
}

/*
 * Reserves the packet and writes its fixed header; the caller fills `remaining` bytes at *to, then
 * commits.
 */
static int begin(struct ik_buf *out, unsigned first_byte, size_t remaining, struct cursor *to) {
  const size_t len = packet_len(remaining);
  if (len == SIZE_MAX) return IK_ETOO_LONG;
  const int rc = ik_buf_reserve(out, len, &to->at);
  if (rc < 0) return rc;
  put_u8(to, first_byte);
  for (; remaining >= 128; remaining >>= 7)
    put_u8(to, 0x80 | (remaining & 0x7f));
  put_u8(to, (unsigned)remaining);
  return 0;
}

static size_t connect_remaining(const struct ik_mqtt_connect *connect) {
  size_t len = 10 + 2 + connect->client_id.len;
  if (connect->has_will) len += 2 + connect->will_topic.len + 2 + connect->will_payload.len;
  if (connect->has_username) len += 2 + connect->username.len;
  if (connect->has_password) len += 2 + connect->password.len;
  return len;
}

size_t ik_mqtt_connect_len(const struct ik_mqtt_connect *connect) {
  return packet_len(connect_remaining(connect));
}

static unsigned connect_flags(const struct ik_mqtt_connect *connect) {
  const unsigned will = connect->has_will ? 0x04u | ((unsigned)connect->will_qos << 3) |
                                                (connect->will_retain ? 0x20u : 0)
                                          : 0;
  return will | (connect->has_username ? 0x80u : 0) | (connect->has_password ? 0x40u : 0) |
         (connect->clean_session ? 0x02u : 0);
}

int ik_mqtt_write_connect(struct ik_buf *out, const struct ik_mqtt_connect *connect) {
  const struct ik_str texts[] = {connect->client_id, connect->will_topic, connect->will_payload,
                                 connect->username, connect->password};
  struct cursor to;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    if (texts[i].len > UINT16_MAX) return IK_ETOO_LONG;
  const size_t remaining = connect_remaining(connect);
  const int rc = begin(out, IK_MQTT_CONNECT << 4, remaining, &to);
  if (rc < 0) return rc;
  put_text(&to, IK_STR("MQTT"));
  put_u8(&to, 4);
  put_u8(&to, connect_flags(connect));
  put_u16(&to, connect->keep_alive_s);
  put_text(&to, connect->client_id);
  if (connect->has_will) put_text(&to, connect->will_topic);
  if (connect->has_will) put_text(&to, connect->will_payload);
  if (connect->has_username) put_text(&to, connect->username);
  if (connect->has_password) put_text(&to, connect->password);
  ik_buf_commit(out, packet_len(remaining));
  return 0;
}

static size_t publish_remaining(const struct ik_mqtt_publish *publish) {
  const size_t head = 2 + publish->topic.len + (publish->qos ? 2u : 0u);
  return publish->payload_len > IK_MQTT_REMAINING_MAX ? SIZE_MAX : head + publish->payload_len;
}

size_t ik_mqtt_publish_len(const struct ik_mqtt_publish *publish) {
  return packet_len(publish_remaining(publish));
}

int ik_mqtt_write_publish(struct ik_buf *out, const struct ik_mqtt_publish *publish) {
  struct cursor to;
  if (publish->topic.len > UINT16_MAX) return IK_ETOO_LONG;
  const size_t remaining = publish_remaining(publish);
  const unsigned flags =
      (publish->dup ? 8u : 0) | ((unsigned)publish->qos << 1) | (publish->retain ? 1u : 0);
  const int rc = begin(out, (IK_MQTT_PUBLISH << 4) | flags, remaining, &to);
  if (rc < 0) return rc;
  put_text(&to, publish->topic);
  if (publish->qos) put_u16(&to, publish->packet_id);
  put_bytes(&to, publish->payload, publish->payload_len);
  ik_buf_commit(out, packet_len(remaining));
  return 0;
}

int ik_mqtt_write_subscribe(struct ik_buf *out, uint16_t packet_id, struct ik_str filter,
                            uint8_t qos) {
  struct cursor to;
  if (filter.len > UINT16_MAX) return IK_ETOO_LONG;
  const size_t remaining = 2 + 2 + filter.len + 1;
  const int rc = begin(out, (IK_MQTT_SUBSCRIBE << 4) | 2, remaining, &to);
  if (rc < 0) return rc;
  put_u16(&to, packet_id);
  put_text(&to, filter);
  put_u8(&to, qos);
  ik_buf_commit(out, packet_len(remaining));
  return 0;
}

int ik_mqtt_write_unsubscribe(struct ik_buf *out, uint16_t packet_id, struct ik_str filter) {
  struct cursor to;
  if (filter.len > UINT16_MAX) return IK_ETOO_LONG;
  const size_t remaining = 2 + 2 + filter.len;
  const int rc = begin(out, (IK_MQTT_UNSUBSCRIBE << 4) | 2, remaining, &to);
  if (rc < 0) return rc;
  put_u16(&to, packet_id);
  put_text(&to, filter);
  ik_buf_commit(out, packet_len(remaining));
  return 0;
}

int ik_mqtt_write_ack(struct ik_buf *out, enum ik_mqtt_type type, uint16_t packet_id) {
  struct cursor to;
  const int rc = begin(out, ((unsigned)type << 4) | (type == IK_MQTT_PUBREL ? 2u : 0), 2, &to);
  if (rc < 0) return rc;
  put_u16(&to, packet_id);
  ik_buf_commit(out, IK_MQTT_ACK_LEN);
  return 0;
}

int ik_mqtt_write_empty(struct ik_buf *out, enum ik_mqtt_type type) {
  struct cursor to;
  const int rc = begin(out, (unsigned)type << 4, 0, &to);
  if (rc < 0) return rc;
  ik_buf_commit(out, 2);
  return 0;
}

void ik_mqtt_set_dup(uint8_t *packet) {
  packet[0] |= 8;
}
