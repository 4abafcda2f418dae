/*
 * session.h - an MQTT 3.1.1 client session: what is to be sent, what is in flight, what is
 * subscribed, what came. One class in two files: session.c has its life and what arrives,
 * session_out.c what it sends.
 *
 * What lives in mqtt/: MQTT itself: packets as bytes, topics, packet ids, subscriptions, requests
 * and publishes on their way, and the session over all of them. It may include base/; like it, it
 * has no I/O, no clock and no lock.
 *
 * It knows no I/O, no clock and no lock. The owner opens a byte stream and calls open; hands in
 * what arrives (receive) and writes out what take() gives; calls tick() when deadline() is due; and
 * calls drop() when the stream is gone, after which the same session may be opened again:
 * subscriptions are restored then, and after their answers the messages in flight.
 *
 * Phases: OFFLINE → HELLO → UP → LEAVING; drop() leads back to OFFLINE from each.
 */
#ifndef IK_MQTT_SESSION_H
#define IK_MQTT_SESSION_H

#include "mqtt/flight.h"
#include "mqtt/idset.h"
#include "mqtt/packet.h"
#include "mqtt/request.h"
#include "mqtt/subs.h"

enum ik_mqtt_phase {
  IK_MQTT_OFFLINE = 0, /* no stream                          → HELLO                  */
  IK_MQTT_HELLO,       /* CONNECT is queued or sent          → UP, OFFLINE            */
  IK_MQTT_UP,          /* CONNACK 0 came                     → LEAVING, OFFLINE       */
  IK_MQTT_LEAVING      /* sends the rest, awaits answers, DISCONNECT last → OFFLINE   */
};

struct ik_mqtt_session_options {
  struct ik_mqtt_connect connect; /* texts are copied */
  uint32_t request_timeout_ms;    /* SUBACK, UNSUBACK; PINGRESP, which has 10 s at least */
  size_t max_packet;              /* bytes of one packet, in or out */
  size_t max_queue;               /* bytes waiting to be sent */
  uint16_t max_in_flight;
};

struct ik_mqtt_session {
  enum ik_mqtt_phase phase;
  struct ik_mqtt_connect connect; /* its texts are owned */
  uint32_t request_timeout_ms;
  uint32_t pong_timeout_ms; /* from PINGREQ to a sign of life */
  uint32_t ping_after_ms;   /* idle time before a PINGREQ; 0: none */
  size_t max_packet;
  size_t max_queue;
  size_t max_out; /* bytes `out` may ever hold */
  uint16_t max_in_flight;
  bool paused;
  bool ping_sent; /* and nothing received since */
  bool hurried;   /* LEAVING: acknowledgements are awaited no longer */
  bool farewell;  /* DISCONNECT is in `out` or further */
  uint64_t leave_end_ms;
  uint64_t last_sent_ms;
  uint64_t ping_ms;  /* when the PINGREQ was written, or queued as long as it is not */
  size_t ping_ahead; /* bytes to be written until it is; 0: it is */
  struct ik_mqtt_reader reader;
  struct ik_buf out;             /* packets to be taken */
  size_t unwritten;              /* bytes taken and not reported as sent */
  struct ik_mqtt_idset ids;      /* of flights and requests */
  struct ik_mqtt_idset incoming; /* QoS 2 messages that came and are not released */
  struct ik_mqtt_flights flights;
  struct ik_mqtt_request_list waiting;
  struct ik_mqtt_request_list pending;
  struct ik_mqtt_subs subs;
};

enum ik_mqtt_event_type {
  IK_MQTT_ACCEPTED = 1, /* the session is UP; session_present */
  IK_MQTT_MESSAGE,      /* message; call answer() when it has been handled */
  IK_MQTT_TOO_LARGE,    /* a message of `size` bytes was skipped; likewise */
  IK_MQTT_PUBLISHED,    /* packet_id; error */
  IK_MQTT_SUBSCRIBED,   /* packet_id, qos as granted; error */
  IK_MQTT_UNSUBSCRIBED, /* packet_id; error */
  IK_MQTT_STRAY /* an acknowledgement (packet_id) that answers nothing was ignored; for the log */
};

struct ik_mqtt_event {
  enum ik_mqtt_event_type type;
  uint16_t packet_id;
  uint8_t qos;
  bool session_present;
  int error;
  size_t size;
  struct ik_mqtt_publish message; /* valid until the next receive() */
};

/* IK_ENO_MEMORY, IK_ETOO_LONG (a text of more than 65,535 bytes). */
int ik_mqtt_session_init(struct ik_mqtt_session *session,
                         const struct ik_mqtt_session_options *options);
void ik_mqtt_session_deinit(struct ik_mqtt_session *session);

/* ---- the stream ---- */

/* A new stream is open: queues CONNECT. */
int ik_mqtt_session_open(struct ik_mqtt_session *session, uint64_t now_ms);
/*
 * The stream is gone. What was queued without an identifier is lost, the rest waits for the next
 * open().
 */
void ik_mqtt_session_drop(struct ik_mqtt_session *session);
/*
 * Sends what is queued, waits until all that is on its way has been acknowledged, at most until
 * end_ms, then sends DISCONNECT; finished() is true when all of it has been reported as sent.
 * Afterwards only acknowledgements still count, and nothing is sent. Only when UP.
 */
void ik_mqtt_session_leave(struct ik_mqtt_session *session, uint64_t end_ms);
bool ik_mqtt_session_finished(const struct ik_mqtt_session *session);

/*
 * Takes in bytes from *data, *len until there is an event. 1: *out is it; 0: all was taken
 * (or can_receive() is false); else why the stream must be given up: IK_EMQTT_* and IK_ENO_MEMORY
 * with detail. `detail` (not NULL) is also set where out->error is.
 */
int ik_mqtt_session_receive(struct ik_mqtt_session *session, const uint8_t **data, size_t *len,
                            struct ik_mqtt_event *out, char *detail);
/* False: so many answers wait to be sent that nothing more should be read. */
bool ik_mqtt_session_can_receive(const struct ik_mqtt_session *session);
/*
 * A message has been handled: acknowledges it as its QoS asks for. Does nothing when the stream is
 * gone.
 */
int ik_mqtt_session_answer(struct ik_mqtt_session *session, const struct ik_mqtt_event *message);

/*
 * Hands over the bytes to be sent, if there are any; `into` must be empty and then belongs to the
 * caller.
 */
bool ik_mqtt_session_take(struct ik_mqtt_session *session, struct ik_buf *into, uint64_t now_ms);
/* `n` of the bytes taken have been written. */
int ik_mqtt_session_sent(struct ik_mqtt_session *session, size_t n, uint64_t now_ms);
/* Whether take() would give bytes. */
bool ik_mqtt_session_has_output(const struct ik_mqtt_session *session);

/* ---- time ---- */

/*
 * Does what is due. 1: *out is an event, call again; 0: done; else why the stream must be given
 * up, with detail.
 */
int ik_mqtt_session_tick(struct ik_mqtt_session *session, uint64_t now_ms,
                         struct ik_mqtt_event *out, char *detail);
/* When tick() has something to do at the latest; UINT64_MAX: never. */
uint64_t ik_mqtt_session_deadline(const struct ik_mqtt_session *session);
/* Paused: the owner does not read, so no answer is missed. */
void ik_mqtt_session_pause(struct ik_mqtt_session *session, bool paused, uint64_t now_ms);

/* ---- requests ---- */

/*
 * QoS 0: 0; QoS 1 and 2: its packet id. Errors as iotkit_mqtt_publish. publish->packet_id and ->dup are
 * not read.
 */
int ik_mqtt_session_publish(struct ik_mqtt_session *session, const struct ik_mqtt_publish *publish);
/*
 * The packet id, 0: it goes out when the session is UP. IK_EMQTT_TOPIC, IK_EMQTT_PACKET_TOO_LARGE,
 * IK_EQUEUE_FULL, IK_ENO_MEMORY.
 */
int ik_mqtt_session_subscribe(struct ik_mqtt_session *session, struct ik_str filter, uint8_t qos,
                              void (*fn)(void), void *ctx);
/*
 * Adds a handler for a filter of which the broker is never asked: its messages come because of what
 * ask() or another device's session has subscribed. Removed by unsubscribe(), which sends nothing then.
 */
int ik_mqtt_session_listen(struct ik_mqtt_session *session, struct ik_str filter, void (*fn)(void),
                           void *ctx);
/*
 * Asks the broker for a filter in this connection and keeps nothing of it, so that nothing is restored
 * in the next one: for what may be subscribed only after something else. The packet id;
 * IK_ENOT_CONNECTED, and the errors of subscribe().
 */
int ik_mqtt_session_ask(struct ik_mqtt_session *session, struct ik_str filter, uint8_t qos);
/*
 * The packet id, 0: nothing is sent now. *removed is the handler, with a reference for the caller,
 * or NULL: it was not subscribed, or an error.
 */
int ik_mqtt_session_unsubscribe(struct ik_mqtt_session *session, struct ik_str filter,
                                void (*fn)(void), void *ctx, struct ik_mqtt_handler **removed);
/*
 * For a filter that a session of before may have left at the broker: asks the broker to forget it,
 * unless a handler here needs it. The packet id; 0: nothing is sent now, with a persistent session
 * it is when the session is UP. IK_EMQTT_TOPIC, IK_ENO_MEMORY.
 */
int ik_mqtt_session_unsubscribe_old(struct ik_mqtt_session *session, struct ik_str filter);
/*
 * At the end of all: takes back one request or publish. 1: *out says which (error IK_ECLOSED), call
 * again; 0: none is left.
 */
int ik_mqtt_session_give_up(struct ik_mqtt_session *session, struct ik_mqtt_event *out);

#endif
