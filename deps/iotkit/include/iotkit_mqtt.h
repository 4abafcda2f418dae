/**
 * @file
 * iotkit_mqtt.h - an MQTT 3.1.1 client over TCP or TLS.
 *
 * Two faces over one core. Readiness: the caller waits for iotkit_mqtt_fd() to be ready as
 * iotkit_mqtt_interest() says, or until iotkit_mqtt_deadline(), then calls iotkit_mqtt_step().
 * Blocking: iotkit_mqtt_yield() does that loop itself. One thread at a time steps or yields a
 * client (another one gets IK_EBUSY); every other function may be called from any thread, and
 * iotkit_mqtt_free() last.
 *
 * States: IDLE → CONNECTING → CONNECTED → WAITING (back-off) → CONNECTING …; CLOSED ends it from
 * any of them.
 */
#ifndef IOTKIT_MQTT_H
#define IOTKIT_MQTT_H

#include "iotkit_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One client: its connections, one after the other, and the session that they carry. */
typedef struct iotkit_mqtt iotkit_mqtt_t;

/** What a client is doing, and what may follow. */
enum iotkit_mqtt_state {
  IOTKIT_MQTT_IDLE = 0,   /**< made, not started                  → CONNECTING, CLOSED */
  IOTKIT_MQTT_CONNECTING, /**< TCP, TLS or CONNECT under way      → CONNECTED, WAITING, CLOSED */
  IOTKIT_MQTT_CONNECTED,  /**< CONNACK 0 received                 → WAITING, CLOSED */
  IOTKIT_MQTT_WAITING,    /**< dropped or refused; back-off runs  → CONNECTING, CLOSED */
  IOTKIT_MQTT_CLOSED      /**< stopped, or gave up; final         → nothing */
};

/** What an event tells; the fields that it fills are named behind each. */
enum iotkit_mqtt_event_type {
  IOTKIT_MQTT_EVENT_STATE =
      1, /**< `state` is new; `error`, `detail` say why it is WAITING or CLOSED (0: asked for) */
  /**
   * `packet_id`; `qos` as granted; or `error`: IK_EMQTT_SUBSCRIBE when refused, IK_ETIMEOUT when it
   * was not answered in time: the answer may still come, or another connection asks again
   */
  IOTKIT_MQTT_EVENT_SUBSCRIBED,
  IOTKIT_MQTT_EVENT_UNSUBSCRIBED, /**< `packet_id`; `error` IK_ETIMEOUT as with SUBSCRIBED */
  /** `packet_id` of a QoS 1 or 2 publish: the broker has it; or `error`: it was given up */
  IOTKIT_MQTT_EVENT_PUBLISHED,
  IOTKIT_MQTT_EVENT_MESSAGE, /**< `message`, which no subscription's handler took */
  /** one above max_packet was skipped and acknowledged; `error`, `detail`, `qos` */
  IOTKIT_MQTT_EVENT_SKIPPED
};

/** A message that arrived. All of it is valid during the callback only. */
struct iotkit_mqtt_message {
  const char *topic;      /**< not NUL-terminated; UTF-8 */
  size_t topic_len;       /**< bytes */
  const uint8_t *payload; /**< any bytes, no NUL behind them */
  size_t payload_len;     /**< 0 is a message, too */
  uint16_t packet_id;     /**< 0 with QoS 0 */
  uint8_t qos;            /**< that of its delivery: the publisher's or less */
  bool dup;               /**< delivered again: an earlier delivery may have been handled */
  bool retain;            /**< kept by the broker and sent because of the subscription */
};

/** What happened to a client. All of it is valid during the callback only. */
struct iotkit_mqtt_event {
  enum iotkit_mqtt_event_type type; /**< says which of the fields count */
  enum iotkit_mqtt_state state;     /**< at the time of the event */
  bool session_present;             /**< EVENT_STATE with CONNECTED */
  int error;                        /**< 0 or IK_E* */
  const char *detail; /**< never NULL; what exactly went wrong; valid during the callback */
  uint16_t packet_id; /**< of the request that was answered, or of the message */
  uint8_t qos;        /**< granted (SUBSCRIBED), or of the message */
  const struct iotkit_mqtt_message *message; /**< with EVENT_MESSAGE; else NULL */
};

/**
 * Called by the thread that steps. Everything is allowed in it but step, yield and free of the same
 * client.
 */
typedef void (*iotkit_mqtt_event_fn)(void *ctx, iotkit_mqtt_t *client,
                                     const struct iotkit_mqtt_event *event);
/** A subscription's handler: as iotkit_mqtt_event_fn. `ctx` is the subscription's. */
typedef void (*iotkit_mqtt_message_fn)(void *ctx, iotkit_mqtt_t *client,
                                       const struct iotkit_mqtt_message *message);

/** Of iotkit_mqtt_new(); `host`, `port` and `client_id` are needed. */
struct iotkit_mqtt_options {
  size_t struct_size; /**< sizeof of this struct, or 0: see iotkit_core.h */
  const char *host;   /**< name or address (IPv6 without brackets) */
  uint16_t port;      /**< 1 to 65535 */
  iotkit_tls_t *tls;  /**< NULL: plain TCP; else a reference is taken */
  /** UTF-8, at most 65535 bytes; "": the broker chooses, for a clean session only */
  const char *client_id;
  const char *username;        /**< NULL: none */
  const char *password;        /**< NULL: none; never logged */
  bool persistent_session;     /**< clean_session = 0 */
  uint16_t keep_alive_s;       /**< 0: 300 (the platform takes 30-1200); 65535: none */
  uint32_t connect_timeout_ms; /**< resolve + TCP + TLS + CONNACK; 0: 30,000 */
  /**
   * SUBACK, UNSUBACK: 0: 10,000. After it IK_ETIMEOUT is reported, and the request is sent again on
   * the next connection. Anything may come so long after a PINGREQ, but 10,000 at least, before the
   * connection counts as broken.
   */
  uint32_t request_timeout_ms;
  uint32_t reconnect_min_ms; /**< first back-off; 0: 1,000; full jitter */
  uint32_t reconnect_max_ms; /**< cap of back-off; 0: 60,000 */
  bool no_reconnect;         /**< a drop or refusal closes the client */
  size_t max_packet;         /**< bytes of one packet, in or out; 0: 256 KiB + 1 KiB, cap 16 MiB */
  size_t max_queue;          /**< bytes waiting to be sent; 0: 1 MiB */
  /** QoS 1 and 2 publishes not yet acknowledged, queued ones included; 0: 100 */
  uint16_t max_in_flight;
  iotkit_mqtt_event_fn on_event; /**< NULL: none */
  void *ctx;                     /**< of on_event; not touched */
  /**
   * What the broker publishes if the connection ends without a DISCONNECT; NULL: nothing. The platform
   * has no wills on MQTT 3.1.1; other brokers do.
   */
  const char *will_topic;
  const void *will_payload; /**< any bytes; copied */
  size_t will_payload_len;  /**< at most 65535 */
  uint8_t will_qos;         /**< 0 to 2 */
  bool will_retain;         /**< the broker keeps it for those who subscribe later */
  /**
   * CONNECTs that the client sends within a minute, at most 10; then it waits longer than its back-off. 0: any
   * number. The platform takes 5 of a device.
   */
  uint8_t max_connects_per_minute;
};

/**
 * Errors: IK_EINVALID_ARGUMENT, IK_EMQTT_TOPIC, IK_ETOO_LONG, IK_ENO_MEMORY; `detail` (may be NULL)
 * names the option.
 */
IOTKIT_API int iotkit_mqtt_new(const struct iotkit_mqtt_options *options, iotkit_mqtt_t **out,
                               char *detail);
/**
 * Frees the client and closes its connection at once, without a DISCONNECT and without waiting for
 * anything (call stop and step until CLOSED for an orderly end). Not while another thread steps it,
 * nor inside its callbacks (IK_EIN_CALLBACK). NULL is allowed.
 */
IOTKIT_API int iotkit_mqtt_free(iotkit_mqtt_t *client);

/**
 * Begins to connect at the next step. IK_EINVALID_STATE unless IDLE. IK_EMQTT_IN_USE, after a line in
 * the log that names both: another client of this process has the same identity at the same host and
 * port, and each would end the other's connection in turns. The identity is the client id; of a
 * sign-in of the platform (iotkit_sign()) it is the device, which is the user name. One that was
 * stopped is no obstacle: this client waits, CONNECTING, until it is CLOSED or freed, at most
 * connect_timeout_ms.
 */
IOTKIT_API int iotkit_mqtt_start(iotkit_mqtt_t *client);
/**
 * Sends what is queued, awaits the acknowledgements of what is on its way (1.5 s at most), sends
 * DISCONNECT, ends the sending side and reads until the broker ends the connection; EVENT_STATE
 * CLOSED tells the end, at most 2 s later. While CONNECTING or WAITING it closes at once.
 */
IOTKIT_API int iotkit_mqtt_stop(iotkit_mqtt_t *client);
/**
 * The state at this moment; another thread may be changing it. CLOSED for NULL. WAITING from the
 * moment a call that sends has found the connection broken; its EVENT_STATE follows with the next
 * step or yield.
 */
IOTKIT_API enum iotkit_mqtt_state iotkit_mqtt_get_state(const iotkit_mqtt_t *client);

/**
 * Sends a message: what the socket takes is written before the return, without blocking, by the
 * thread that steps or yields the client, which is woken, or by the calling one while none does and
 * no waker is set; inside a callback, at the end of the step. No callback runs in here. The rest is
 * queued. QoS 0 → 0; QoS 1 and 2 → its packet id, EVENT_PUBLISHED follows. Those are also taken
 * while WAITING or CONNECTING and sent (again, with DUP where it had been sent) after the connect,
 * when what was subscribed before it has been answered or is overdue (request_timeout_ms): what
 * they bring about may arrive at once.
 * With QoS 2 a message arrives once however often the connection drops, as long as the broker keeps
 * the session (`persistent_session`) and this client lives. The platform has no QoS 2 on MQTT 3.1.1;
 * other brokers do.
 * Errors: IK_ENOT_CONNECTED (QoS 0 offline, or the connection turned out to be broken: then the
 * message is lost), IK_EQUEUE_FULL (nor does the socket take anything at present), IK_EMQTT_TOPIC,
 * IK_EMQTT_PACKET_TOO_LARGE, IK_EINVALID_ARGUMENT (QoS above 2), IK_ECLOSED.
 */
IOTKIT_API int iotkit_mqtt_publish(iotkit_mqtt_t *client, const char *topic, const void *payload,
                                   size_t payload_len, uint8_t qos, bool retain);
/**
 * Adds a handler for a topic filter and subscribes it (again after each connect unless the session
 * was present); sent as by iotkit_mqtt_publish. qos 0 to 2. `handler` NULL: its messages go to
 * on_event. Returns the packet id, 0 when it goes out with the next connect.
 */
IOTKIT_API int iotkit_mqtt_subscribe(iotkit_mqtt_t *client, const char *filter, uint8_t qos,
                                     iotkit_mqtt_message_fn handler, void *ctx);
/**
 * Removes that handler; the last one of a filter unsubscribes it, sent as by iotkit_mqtt_publish.
 * After the return the handler is not running and never will again, unless the caller is itself
 * inside a callback of this client. Returns the packet id or 0 when nothing is sent.
 */
IOTKIT_API int iotkit_mqtt_unsubscribe(iotkit_mqtt_t *client, const char *filter,
                                       iotkit_mqtt_message_fn handler, void *ctx);
/**
 * Adds a handler for a filter of which the broker is not asked: for what may be subscribed only after
 * something else, such as a sub-device's topics after its login. iotkit_mqtt_unsubscribe() removes it and
 * sends nothing then. Errors of iotkit_mqtt_subscribe(). Any thread.
 */
IOTKIT_API int iotkit_mqtt_listen(iotkit_mqtt_t *client, const char *filter,
                                  iotkit_mqtt_message_fn handler, void *ctx);
/**
 * Asks the broker for a filter in the present connection alone; nothing of it is restored in the next
 * one. Its messages go to handlers of iotkit_mqtt_listen(). Returns the packet id, of which
 * EVENT_SUBSCRIBED follows unless the connection is lost before; IK_ENOT_CONNECTED, IK_ECLOSED, the
 * errors of iotkit_mqtt_subscribe(). Any thread.
 */
IOTKIT_API int iotkit_mqtt_ask(iotkit_mqtt_t *client, const char *filter, uint8_t qos);
/**
 * Asks the broker to forget a filter that iotkit_mqtt_ask(), or a session of before, has left there,
 * unless a handler here needs it. Returns the packet id or 0 when nothing is sent; IK_EMQTT_TOPIC,
 * IK_ENO_MEMORY, IK_ECLOSED. Any thread.
 */
IOTKIT_API int iotkit_mqtt_forget(iotkit_mqtt_t *client, const char *filter);

/* ---- readiness face ---- */

/** Bits of iotkit_mqtt_interest(). */
enum iotkit_interest { IOTKIT_READ = 1, IOTKIT_WRITE = 2 };

/** The descriptor to wait for, -1: none at present. May change with every step. */
IOTKIT_API int iotkit_mqtt_fd(const iotkit_mqtt_t *client);
/** IOTKIT_READ, IOTKIT_WRITE, both or 0. */
IOTKIT_API int iotkit_mqtt_interest(const iotkit_mqtt_t *client);
/** When to step at the latest, whatever the descriptor says; UINT64_MAX: never. 0: at once. */
IOTKIT_API uint64_t iotkit_mqtt_deadline(const iotkit_mqtt_t *client);
/**
 * Sends what is queued and takes in what has arrived, bounded in work; never blocks. Returns 0, or
 * IK_ECLOSED once CLOSED. A drop is not an error here: it is told by EVENT_STATE, and deadline()
 * says when the next try begins.
 */
IOTKIT_API int iotkit_mqtt_step(iotkit_mqtt_t *client, uint64_t now_ms);
/**
 * `wake(ctx)` is called, on any thread, when a step is due earlier than the last deadline() said.
 * No lock is held. After the return the waker set before is not running and never will again; not
 * to be called from inside a waker.
 */
IOTKIT_API void iotkit_mqtt_set_waker(iotkit_mqtt_t *client, void (*wake)(void *ctx), void *ctx);

/* ---- blocking face ---- */

/**
 * Steps until `timeout_ms` (an upper bound) has passed or something was handled: a packet, a change
 * of state. What other threads publish meanwhile goes out by it. While a fetch of another thread
 * steps the client for its blocks (iotkit_job_fetch), it waits for its turn. Returns 0,
 * IK_EINTERRUPTED, IK_ECLOSED, IK_EBUSY (another thread steps), IK_EIN_CALLBACK.
 */
IOTKIT_API int iotkit_mqtt_yield(iotkit_mqtt_t *client, uint32_t timeout_ms);
/** Ends a running or the next yield. Any thread. */
IOTKIT_API void iotkit_mqtt_interrupt(iotkit_mqtt_t *client);

#ifdef __cplusplus
}
#endif
#endif
