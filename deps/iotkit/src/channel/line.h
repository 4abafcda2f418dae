/*
 * line.h - a device's line to the platform: its topics and message ids, and who may still use what
 * carries its messages.
 *
 * channel/ holds what a device exchanges with the platform about upgrades: ota, config > uplink >
 * {requests, block_requests} > reports > line > carrier, which client_carrier and over implement. It may use
 * client/, download/ (jobs and the contract uplink.h), alink/ and the rooms below them; never
 * published/ or save/.
 *
 * A line borrows the carrier, which lives as long as the channel and no longer, while downloads may
 * call through the line at any time. So each call that touches the carrier is a use: closing takes
 * the carrier away first and then waits for the uses that have begun, none of which waits for
 * anything but the carrier's own locks, unless closing wakes it.
 */
#ifndef IK_CHANNEL_LINE_H
#define IK_CHANNEL_LINE_H

#include <stdatomic.h>

#include "alink/messages.h"
#include "channel/carrier.h"
#include "port/port.h"

/* One call that uses the carrier; a variable of the calling function. */
struct ik_line_use {
  uintptr_t thread;
  struct ik_wake *wake; /* signalled when the line closes; NULL: the use does not wait */
  struct ik_line_use *next;
};

/*
 * A subscription of another topic of the device, with QoS 0. Memory and text are the caller's until it is
 * unsubscribed.
 */
struct ik_line_own {
  struct ik_line_own *next; /* with the mutex, once it is subscribed */
  const char *topic;
  iotkit_mqtt_message_fn handler;
  void *ctx;
};

struct ik_line {
  atomic_uint_least32_t next_id;
  atomic_bool shut;        /* the device is not logged in: nothing may be published */
  char *product_key;       /* owned, both names in one block: a gateway has many lines */
  const char *device_name; /* in the same */
  struct ik_mutex *mutex;  /* also guards what requests and block_requests keep of the line */
  struct ik_cond *cond;    /* a use has ended, or the line is closed */
  /* with the mutex */
  struct ik_carrier *carrier; /* NULL: closing */
  bool closed;                /* nothing uses the carrier any more */
  struct ik_line_use *uses;
  struct ik_line_own *own;
};

/* The errors of ik_ota_topic(), IK_ENO_MEMORY. ik_line_deinit() in any case. */
int ik_line_init(struct ik_line *line, struct ik_carrier *carrier, const char *product_key,
                 const char *device_name);
void ik_line_deinit(struct ik_line *line);
/* The id of the device's next message. Any thread. */
uint32_t ik_line_next_id(struct ik_line *line);
/* Writes the topic and returns `out`. */
const char *ik_line_topic(const struct ik_line *line, enum ik_ota_topic which,
                          char out[IK_OTA_TOPIC_MAX]);
/* Another topic of the device, "{head}/{product key}/{device name}{tail}". IK_ETOO_LONG. */
int ik_line_make_topic(const struct ik_line *line, const char *head, const char *tail,
                       char out[IK_OTA_TOPIC_MAX]);
/* Of a sub-device: whether it is logged in. A new line is open. Any thread. */
void ik_line_set_shut(struct ik_line *line, bool shut);

/*
 * The carrier, which stays until ik_line_end_use(); NULL: the line is closing. `wake` may be NULL.
 * Any thread.
 */
struct ik_carrier *ik_line_begin_use(struct ik_line *line, struct ik_line_use *use,
                                     struct ik_wake *wake);
void ik_line_end_use(struct ik_line *line, struct ik_line_use *use);
/* Publishes what the line's owner has composed, within a use. IK_ENOT_CONNECTED while shut. */
int ik_line_publish(const struct ik_line *line, struct ik_carrier *carrier, enum ik_ota_topic which,
                    const struct ik_buf *payload, uint8_t qos);
/* As ik_line_publish, to a topic of ik_line_make_topic. */
int ik_line_publish_to(const struct ik_line *line, struct ik_carrier *carrier, const char *topic,
                       const struct ik_buf *payload, uint8_t qos);
/* As ik_carrier_ops.subscribe and .unsubscribe; 0 or an error. Within a use. */
int ik_line_subscribe_own(struct ik_line *line, struct ik_carrier *carrier,
                          struct ik_line_own *own);
void ik_line_unsubscribe_own(struct ik_line *line, struct ik_carrier *carrier,
                             struct ik_line_own *own);
/* Calls `each` for the topic of each of them, with the mutex held. Any thread. */
void ik_line_each_own(const struct ik_line *line,
                      void (*each)(void *ctx, const char *topic, uint8_t qos), void *ctx);

/*
 * Closing, once. The first call, with the mutex held, lets no new use begin, wakes those that wait
 * and awaits their end; a use of the calling thread itself is left out: it is inside a callback of
 * the connection that this thread steps. Returns the carrier, for what its owners take off it with the
 * mutex released. The second call ends the closing.
 */
struct ik_carrier *ik_line_begin_close(struct ik_line *line);
void ik_line_end_close(struct ik_line *line);
/* Waits for the end of a closing that has begun. With the mutex held. */
void ik_line_await_closed(struct ik_line *line);

#endif
