/*
 * packet.h - MQTT 3.1.1 control packets as bytes: a writer for what a client sends, a reader for
 * what a broker sends.
 *
 * The reader is pushed bytes in pieces of any size. It checks the fixed header before it keeps a
 * byte of the body, never holds more than one packet, and holds memory only while a packet is
 * incomplete.
 */
#ifndef IK_MQTT_PACKET_H
#define IK_MQTT_PACKET_H

#include "base/buf.h"

enum ik_mqtt_type {
  IK_MQTT_CONNECT = 1,
  IK_MQTT_CONNACK = 2,
  IK_MQTT_PUBLISH = 3,
  IK_MQTT_PUBACK = 4,
  IK_MQTT_PUBREC = 5,
  IK_MQTT_PUBREL = 6,
  IK_MQTT_PUBCOMP = 7,
  IK_MQTT_SUBSCRIBE = 8,
  IK_MQTT_SUBACK = 9,
  IK_MQTT_UNSUBSCRIBE = 10,
  IK_MQTT_UNSUBACK = 11,
  IK_MQTT_PINGREQ = 12,
  IK_MQTT_PINGRESP = 13,
  IK_MQTT_DISCONNECT = 14
};

#define IK_MQTT_REMAINING_MAX 268435455u /* four bytes of seven bits */
#define IK_MQTT_HEADER_MAX 5             /* type and flags, then up to four bytes of length */
#define IK_MQTT_ACK_LEN 4
#define IK_MQTT_SUBACK_FAILURE 0x80

/*
 * ---- writing: each appends one whole packet to `out` or nothing: IK_ETOO_LONG, IK_ENO_MEMORY ----
 */

struct ik_mqtt_connect {
  struct ik_str client_id;
  struct ik_str username;
  struct ik_str password;
  bool has_username;
  bool has_password; /* only with a user name */
  bool clean_session;
  uint16_t keep_alive_s;
  bool has_will; /* what the broker publishes if the connection ends without DISCONNECT */
  bool will_retain;
  uint8_t will_qos;
  struct ik_str will_topic;
  struct ik_str will_payload; /* any bytes */
};

struct ik_mqtt_publish {
  struct ik_str topic;
  const uint8_t *payload;
  size_t payload_len;
  uint16_t packet_id; /* 0 with QoS 0 */
  uint8_t qos;
  bool dup;
  bool retain;
};

int ik_mqtt_write_connect(struct ik_buf *out, const struct ik_mqtt_connect *connect);
int ik_mqtt_write_publish(struct ik_buf *out, const struct ik_mqtt_publish *publish);
int ik_mqtt_write_subscribe(struct ik_buf *out, uint16_t packet_id, struct ik_str filter,
                            uint8_t qos);
int ik_mqtt_write_unsubscribe(struct ik_buf *out, uint16_t packet_id, struct ik_str filter);
/* PUBACK, PUBREC, PUBREL or PUBCOMP. */
int ik_mqtt_write_ack(struct ik_buf *out, enum ik_mqtt_type type, uint16_t packet_id);
/* PINGREQ or DISCONNECT. */
int ik_mqtt_write_empty(struct ik_buf *out, enum ik_mqtt_type type);

/* Bytes of the whole packet, without writing it; SIZE_MAX when no packet can be that long. */
size_t ik_mqtt_connect_len(const struct ik_mqtt_connect *connect);
size_t ik_mqtt_publish_len(const struct ik_mqtt_publish *publish);
/* Marks a written PUBLISH as sent before. */
void ik_mqtt_set_dup(uint8_t *packet);

/* ---- reading ---- */

/*
 * One packet from the broker, checked on its own. Pointers are valid until the reader is called
 * again.
 */
struct ik_mqtt_packet {
  enum ik_mqtt_type type;
  /* a PUBLISH above the limit: only qos, packet_id and `size` are known, the rest is skipped */
  bool too_large;
  size_t size;          /* bytes of the whole packet */
  uint16_t packet_id;   /* of PUBLISH with QoS > 0 and of every acknowledgement */
  uint8_t code;         /* CONNACK's return code */
  bool session_present; /* CONNACK */
  const uint8_t *codes; /* SUBACK */
  size_t codes_len;
  struct ik_mqtt_publish publish;
};

struct ik_mqtt_reader {
  size_t max_packet;
  struct ik_buf partial; /* the incomplete packet, header included; owned */
  size_t total;          /* bytes of the packet under way, 0: its header is incomplete */
  size_t skip;           /* bytes of a too large PUBLISH still to be skipped */
  size_t id_in;          /* of those, bytes until its packet id; SIZE_MAX: taken, or none */
  uint16_t skipped_id;   /* its packet id, 0: not yet, or none */
  uint8_t skipped_head;  /* its first byte */
  bool done;             /* `partial` holds a packet that was handed out */
};

void ik_mqtt_reader_init(struct ik_mqtt_reader *reader, size_t max_packet);
/* Forgets what it holds: for a new connection, or at the end. */
void ik_mqtt_reader_reset(struct ik_mqtt_reader *reader);
/*
 * Takes from *data, *len up to the end of one packet. 1: *out is that packet; 0: all was taken,
 * more is needed; IK_EMQTT_PROTOCOL (with detail), IK_EMQTT_PACKET_TOO_LARGE (anything but a
 * PUBLISH), IK_ENO_MEMORY: give the connection up.
 */
int ik_mqtt_reader_next(struct ik_mqtt_reader *reader, const uint8_t **data, size_t *len,
                        struct ik_mqtt_packet *out, char *detail);

#endif
