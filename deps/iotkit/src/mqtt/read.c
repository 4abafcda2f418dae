/*
 * read.c - the packets a broker sends. Whole packets are parsed where they lie in the caller's
 * bytes; only an incomplete one is copied into `partial`, whose memory is given back as soon as the
 * packet has been handed out.
 */
#include <string.h>

#include "iotkit_errors.h"
#include "mqtt/packet.h"
#include "mqtt/topic.h"

enum { HEADER_MORE = 0, HEADER_OK = 1 };

void ik_mqtt_reader_init(struct ik_mqtt_reader *reader, size_t max_packet) {
  memset(reader, 0, sizeof(*reader));
  reader->max_packet = max_packet;
  ik_buf_init(&reader->partial, max_packet > IK_MQTT_HEADER_MAX ? max_packet : IK_MQTT_HEADER_MAX);
}

void ik_mqtt_reader_reset(struct ik_mqtt_reader *reader) {
  ik_buf_free(&reader->partial);
  reader->total = 0;
  reader->skip = 0;
  reader->done = false;
}

static uint16_t get_u16(const uint8_t *at) {
  return (uint16_t)((at[0] << 8) | at[1]);
}

static int malformed(char *detail, const char *what) {
  return ik_refuse(detail, IK_EMQTT_PROTOCOL, "%s", what);
}

/* Type, flags and length of a packet must agree before any of its body is awaited. */
static int check_header(uint8_t first, size_t remaining, char *detail) {
  const unsigned type = first >> 4;
  const unsigned flags = first & 0x0f;
  size_t fixed = 2;
  switch (type) {
  case IK_MQTT_PUBLISH:
    if ((flags & 6) == 6) return malformed(detail, "PUBLISH with QoS 3");
    if ((flags & 8) && !(flags & 6)) return malformed(detail, "PUBLISH with QoS 0 and DUP");
    if (remaining < ((flags & 6) ? 5u : 3u)) return malformed(detail, "PUBLISH is too short");
    return 0;
  case IK_MQTT_SUBACK:
    if (flags) return malformed(detail, "SUBACK with reserved flags set");
    return remaining < 3 ? malformed(detail, "SUBACK is too short") : 0;
  case IK_MQTT_CONNACK:
  case IK_MQTT_PUBACK:
  case IK_MQTT_PUBREC:
  case IK_MQTT_PUBCOMP:
  case IK_MQTT_UNSUBACK:
    break;
  case IK_MQTT_PUBREL:
    if (flags != 2) return malformed(detail, "PUBREL with wrong flags");
    return remaining != 2 ? malformed(detail, "PUBREL of wrong length") : 0;
  case IK_MQTT_PINGRESP:
    fixed = 0;
    break;
  default:
    return ik_refuse(detail, IK_EMQTT_PROTOCOL, "packet type %u, which no broker sends", type);
  }
  if (flags)
    ik_detail(detail, "packet type %u with reserved flags set", type);
  else if (remaining != fixed)
    ik_detail(detail, "packet type %u of wrong length", type);
  else
    return 0;
  return IK_EMQTT_PROTOCOL;
}

/*
 * Reads type and length from the first `len` bytes of a packet. HEADER_OK sets *total, the bytes of
 * the whole packet.
 */
static int read_header(const uint8_t *at, size_t len, size_t *total, char *detail) {
  size_t remaining = 0;
  for (size_t i = 1; i < len; i++) {
    remaining |= (size_t)(at[i] & 0x7f) << (7 * (i - 1));
    if (at[i] & 0x80) {
      if (i == IK_MQTT_HEADER_MAX - 1)
        return malformed(detail, "remaining length of more than four bytes");
      continue;
    }
    const int rc = check_header(at[0], remaining, detail);
    *total = 1 + i + remaining;
    return rc < 0 ? rc : HEADER_OK;
  }
  return HEADER_MORE;
}

static uint8_t qos_of(uint8_t first) {
  return (first >> 1) & 3;
}

static int parse_publish(uint8_t first, const uint8_t *body, size_t len, struct ik_mqtt_packet *out,
                         char *detail) {
  struct ik_mqtt_publish *publish = &out->publish;
  publish->qos = qos_of(first);
  publish->dup = (first & 8) != 0;
  publish->retain = (first & 1) != 0;
  const size_t topic_len = get_u16(body);
  const size_t head = 2 + topic_len + (publish->qos ? 2u : 0u);
  if (head > len) return malformed(detail, "PUBLISH with a topic longer than the packet");
  publish->topic = (struct ik_str){(const char *)body + 2, topic_len};
  if (!ik_mqtt_topic_name_valid(publish->topic))
    return malformed(detail, "PUBLISH with a topic name that is not valid");
  if (publish->qos) {
    publish->packet_id = get_u16(body + 2 + topic_len);
    if (!publish->packet_id) return malformed(detail, "PUBLISH with packet identifier 0");
  }
  out->packet_id = publish->packet_id;
  publish->payload = body + head;
  publish->payload_len = len - head;
  return 1;
}

static int parse_connack(const uint8_t *body, struct ik_mqtt_packet *out, char *detail) {
  if (body[0] & 0xfe) return malformed(detail, "CONNACK with reserved flags set");
  out->session_present = body[0] & 1;
  out->code = body[1];
  if (out->code && out->session_present)
    return malformed(detail, "CONNACK that refuses a session and has it present");
  return 1;
}

static int parse_suback(const uint8_t *body, size_t len, struct ik_mqtt_packet *out, char *detail) {
  out->codes = body + 2;
  out->codes_len = len - 2;
  for (size_t i = 0; i < out->codes_len; i++) {
    if (out->codes[i] > 2 && out->codes[i] != IK_MQTT_SUBACK_FAILURE)
      return malformed(detail, "SUBACK with a reserved return code");
  }
  return 1;
}

/* A whole packet, whose header has been checked. */
static int parse(const uint8_t *packet, size_t size, struct ik_mqtt_packet *out, char *detail) {
  const uint8_t *body = packet + 2;
  for (const uint8_t *length = packet + 1; *length & 0x80; length++)
    body++;
  const size_t len = size - (size_t)(body - packet);
  memset(out, 0, sizeof(*out));
  out->type = (enum ik_mqtt_type)(packet[0] >> 4);
  out->size = size;
  if (out->type == IK_MQTT_PINGRESP) return 1;
  if (out->type == IK_MQTT_PUBLISH) return parse_publish(packet[0], body, len, out, detail);
  if (out->type == IK_MQTT_CONNACK) return parse_connack(body, out, detail);
  out->packet_id = get_u16(body);
  if (!out->packet_id) return malformed(detail, "acknowledgement with packet identifier 0");
  return out->type == IK_MQTT_SUBACK ? parse_suback(body, len, out, detail) : 1;
}

/* ---- PUBLISH above the limit: its bytes are counted, not kept, but for the packet id ---- */

static int begin_skip(struct ik_mqtt_reader *reader, const uint8_t *header, char *detail) {
  if (header[0] >> 4 != IK_MQTT_PUBLISH) {
    return ik_refuse(detail, IK_EMQTT_PACKET_TOO_LARGE, "packet type %u of %zu bytes",
                     header[0] >> 4, reader->total);
  }
  reader->skipped_head = header[0];
  reader->skipped_id = 0;
  reader->id_in = SIZE_MAX; /* unknown until the topic's length has come */
  return 0;
}

/*
 * Takes the length of the topic, then, past the topic, the packet id: two bytes each, kept in
 * `partial`.
 */
static int skip_field(struct ik_mqtt_reader *reader, const uint8_t **data, size_t *len,
                      char *detail) {
  const bool has_id = qos_of(reader->skipped_head) > 0;
  const int rc = ik_buf_append_u8(&reader->partial, **data);
  if (rc < 0) return rc;
  ++*data;
  --*len;
  reader->skip--;
  if (ik_buf_size(&reader->partial) < 2) return 0;
  const uint16_t value = get_u16(ik_buf_ptr(&reader->partial));
  ik_buf_free(&reader->partial);
  if (reader->id_in == SIZE_MAX) {
    const size_t rest = has_id ? value + (size_t)2 : value;
    if (rest > reader->skip)
      return malformed(detail, "PUBLISH with a topic longer than the packet");
    reader->id_in = has_id ? value : reader->skip;
  } else {
    if (!value) return malformed(detail, "PUBLISH with packet identifier 0");
    reader->skipped_id = value;
    reader->id_in = reader->skip;
  }
  return 0;
}

static struct ik_mqtt_packet skipped_packet(const struct ik_mqtt_reader *reader) {
  const uint8_t head = reader->skipped_head;
  return (struct ik_mqtt_packet){.type = IK_MQTT_PUBLISH,
                                 .too_large = true,
                                 .size = reader->total,
                                 .packet_id = reader->skipped_id,
                                 .publish = {.packet_id = reader->skipped_id,
                                             .qos = qos_of(head),
                                             .dup = (head & 8) != 0,
                                             .retain = (head & 1) != 0}};
}

static int skip(struct ik_mqtt_reader *reader, const uint8_t **data, size_t *len,
                struct ik_mqtt_packet *out, char *detail) {
  while (*len && reader->skip) {
    const bool field = reader->id_in == SIZE_MAX || reader->id_in == 0;
    if (field) {
      const int rc = skip_field(reader, data, len, detail);
      if (rc < 0) return rc;
      continue;
    }
    const size_t n = *len < reader->id_in ? *len : reader->id_in;
    *data += n;
    *len -= n;
    reader->skip -= n;
    reader->id_in -= n;
  }
  if (reader->skip) return 0;
  *out = skipped_packet(reader);
  reader->total = 0;
  return 1;
}

/* ---- packets within the limit ---- */

/*
 * Copies bytes one at a time until the length is known: at most five, and only for a header that
 * came in pieces.
 */
static int complete_header(struct ik_mqtt_reader *reader, const uint8_t **data, size_t *len,
                           char *detail) {
  while (*len) {
    int rc = ik_buf_append_u8(&reader->partial, **data);
    if (rc < 0) return rc;
    ++*data;
    --*len;
    rc = read_header(ik_buf_ptr(&reader->partial), ik_buf_size(&reader->partial), &reader->total,
                     detail);
    if (rc != HEADER_MORE) return rc;
  }
  return HEADER_MORE;
}

/* The header is in `partial`: gathers the rest of the packet there. */
static int complete_packet(struct ik_mqtt_reader *reader, const uint8_t **data, size_t *len,
                           struct ik_mqtt_packet *out, char *detail) {
  const size_t missing = reader->total - ik_buf_size(&reader->partial);
  const size_t n = *len < missing ? *len : missing;
  const int rc = ik_buf_append(&reader->partial, *data, n);
  if (rc < 0) return rc;
  *data += n;
  *len -= n;
  if (n < missing) return 0;
  const size_t total = reader->total;
  reader->total = 0;
  reader->done = true;
  return parse(ik_buf_ptr(&reader->partial), total, out, detail);
}

static int begin_packet(struct ik_mqtt_reader *reader, const uint8_t **data, size_t *len,
                        struct ik_mqtt_packet *out, char *detail) {
  size_t total;
  int rc = HEADER_MORE;
  if (!ik_buf_size(&reader->partial)) rc = read_header(*data, *len, &total, detail);
  if (rc < 0) return rc;
  if (rc == HEADER_OK && total <= *len &&
      total <= reader->max_packet) { /* the usual case: whole, and not copied */
    const uint8_t *packet = *data;
    *data += total;
    *len -= total;
    return parse(packet, total, out, detail);
  }
  rc = complete_header(reader, data, len, detail);
  if (rc <= 0) return rc;
  if (reader->total <= reader->max_packet) return complete_packet(reader, data, len, out, detail);
  const size_t header = ik_buf_size(&reader->partial);
  rc = begin_skip(reader, ik_buf_ptr(&reader->partial), detail);
  if (rc < 0) return rc;
  reader->skip = reader->total - header;
  ik_buf_free(&reader->partial);
  return skip(reader, data, len, out, detail);
}

int ik_mqtt_reader_next(struct ik_mqtt_reader *reader, const uint8_t **data, size_t *len,
                        struct ik_mqtt_packet *out, char *detail) {
  if (reader->done) {
    ik_buf_free(&reader->partial);
    reader->done = false;
  }
  if (!*len) return 0;
  if (reader->skip) return skip(reader, data, len, out, detail);
  if (reader->total) return complete_packet(reader, data, len, out, detail);
  return begin_packet(reader, data, len, out, detail);
}
