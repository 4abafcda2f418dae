/*
 * over.c - subscriptions, kept messages and turns over a program's transport.
 *
 * One thread at a time feeds, and hands the message to each handler of its topic with the lock
 * released; `cursor` and `running` let other threads take handlers out meanwhile. One thread at a time
 * changes what is subscribed (`changer`), and one steps (`stepper`).
 */
#include "channel/over.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alink/messages.h"
#include "base/limits.h"
#include "base/time.h"

#define KEPT_MAX 32 /* messages for the next connection */
/* Of a step of the program's, which no other thread can wake. */
#define STEP_MS 100

struct subscription {
  struct subscription *next;
  iotkit_mqtt_message_fn handler;
  void *ctx;
  uint32_t connection; /* that it was subscribed on; 0: none */
  uint8_t qos;
  char topic[IK_OTA_TOPIC_MAX];
};

/* A message of QoS 1. */
struct kept {
  struct kept *next;
  const char *topic; /* after the payload */
  size_t len;
  uint8_t payload[];
};

/* A thread that waits for its turn to step; a variable of its function. */
struct waiter {
  struct ik_wake *wake;
  struct waiter *next;
};

struct ik_over {
  struct ik_carrier face; /* first: a pointer to it is one to the whole */
  struct iotkit_transport transport;
  struct ik_mutex *mutex;
  struct ik_cond *cond; /* a feeder, a handler or a changer has ended */
  /* with the mutex */
  uint32_t connection; /* counts them, from 1 */
  bool connected;
  bool connecting; /* the changer subscribes everything and sends what was kept */
  struct subscription *subscriptions;
  struct subscription *cursor;        /* the next one that the feeder looks at */
  struct subscription *running;       /* whose handler runs */
  uintptr_t feeder, changer, stepper; /* threads; 0: none */
  unsigned changes;                   /* of the changer, which may be inside another of its own */
  struct kept *first, **last;
  size_t kept_count;
  struct waiter *waiters;
};

static struct ik_over *of(const struct ik_carrier *carrier) {
  return (struct ik_over *)(uintptr_t)carrier;
}

/* What a function of the program's has returned. */
static int checked(int rc) {
  return rc < 0 && strcmp(iotkit_error_name(rc), "ERR_UNKNOWN") == 0 ? IK_ENETWORK : rc;
}

/* ---- messages out ---- */

static int keep(struct ik_over *over, const char *topic, const void *payload, size_t len) {
  const size_t topic_size = strlen(topic) + 1;
  struct kept *message = malloc(sizeof(*message) + len + topic_size);
  if (message == NULL) return IK_ENO_MEMORY;
  *message = (struct kept){.topic = (char *)message->payload + len, .len = len};
  memcpy(message->payload, payload, len);
  memcpy(message->payload + len, topic, topic_size);
  ik_mutex_lock(over->mutex);
  const bool full = over->kept_count == KEPT_MAX;
  if (!full) {
    *over->last = message;
    over->last = &message->next;
    over->kept_count++;
  }
  ik_mutex_unlock(over->mutex);
  if (full) free(message);
  return full ? IK_EQUEUE_FULL : 0;
}

static struct kept *take_kept(struct ik_over *over) {
  ik_mutex_lock(over->mutex);
  struct kept *messages = over->first;
  over->first = NULL;
  over->last = &over->first;
  over->kept_count = 0;
  ik_mutex_unlock(over->mutex);
  return messages;
}

static int publish(struct ik_carrier *carrier, const char *topic, const void *payload, size_t len,
                   uint8_t qos) {
  struct ik_over *over = of(carrier);
  ik_mutex_lock(over->mutex);
  while (qos > 0 && over->connecting && over->changer != ik_thread_self())
    ik_cond_wait(over->cond, over->mutex, UINT64_MAX); /* what was kept goes first */
  const bool connected = over->connected;
  ik_mutex_unlock(over->mutex);
  if (!connected && qos == 0) return IK_ENOT_CONNECTED;
  const int rc = checked(over->transport.publish(over->transport.ctx, topic, payload, len, qos));
  return rc == IK_ENOT_CONNECTED && qos > 0 ? keep(over, topic, payload, len) : rc;
}

/* Sends what was kept, each once; what cannot be sent yet is kept for another connection. */
static int send_kept(struct ik_over *over) {
  int result = 0;
  struct kept *message = take_kept(over);
  while (message != NULL) {
    struct kept *next = message->next;
    int rc = publish(&over->face, message->topic, message->payload, message->len, 1);
    if (rc == IK_EQUEUE_FULL) rc = keep(over, message->topic, message->payload, message->len);
    if (rc < 0 && result == 0) result = rc;
    free(message);
    message = next;
  }
  return result;
}

/* ---- changes of what is subscribed ---- */

/* With the mutex held. */
static void begin_change(struct ik_over *over) {
  const uintptr_t self = ik_thread_self();
  while (over->changer != 0 && over->changer != self)
    ik_cond_wait(over->cond, over->mutex, UINT64_MAX);
  over->changer = self;
  over->changes++;
}

/* With the mutex held. */
static void end_change(struct ik_over *over) {
  if (--over->changes > 0) return;
  over->changer = 0;
  ik_cond_broadcast(over->cond);
}

/* With the mutex held; NULL: none. */
static struct subscription *find_topic(const struct ik_over *over, const char *topic) {
  struct subscription *it = over->subscriptions;
  while (it != NULL && strcmp(it->topic, topic) != 0)
    it = it->next;
  return it;
}

/* With the mutex held: those of the topic count as subscribed on that connection. */
static void mark(struct ik_over *over, const char *topic, uint32_t connection) {
  for (struct subscription *it = over->subscriptions; it != NULL; it = it->next)
    if (strcmp(it->topic, topic) == 0) it->connection = connection;
}

/* Subscribes a topic on the present connection; with the mutex held, which it releases meanwhile. */
static int subscribe_topic(struct ik_over *over, const char *topic, uint8_t qos) {
  mark(over, topic, over->connection);
  ik_mutex_unlock(over->mutex);
  const int rc = checked(over->transport.subscribe(over->transport.ctx, topic, qos));
  ik_mutex_lock(over->mutex);
  return rc;
}

/* With the mutex held. */
static void take_out(struct ik_over *over, const struct subscription *subscription) {
  struct subscription **at = &over->subscriptions;
  while (*at != subscription)
    at = &(*at)->next;
  *at = subscription->next;
  if (over->cursor == subscription) over->cursor = subscription->next;
  while (over->running == subscription && over->feeder != ik_thread_self())
    ik_cond_wait(over->cond, over->mutex, UINT64_MAX);
}

static int subscribe(struct ik_carrier *carrier, const char *topic, uint8_t qos,
                     iotkit_mqtt_message_fn handler, void *ctx) {
  struct ik_over *over = of(carrier);
  struct subscription *added = calloc(1, sizeof(*added));
  if (added == NULL) return IK_ENO_MEMORY;
  added->handler = handler;
  added->ctx = ctx;
  added->qos = qos;
  snprintf(added->topic, sizeof(added->topic), "%s", topic);
  int rc = 0;
  ik_mutex_lock(over->mutex);
  begin_change(over);
  const struct subscription *other = find_topic(over, topic);
  added->connection = other != NULL ? other->connection : 0;
  added->next = over->subscriptions;
  over->subscriptions = added;
  if (over->connected && added->connection != over->connection)
    rc = subscribe_topic(over, topic, qos);
  if (rc == IK_ENOT_CONNECTED) {
    mark(over, topic, 0); /* the next connection does it */
    rc = 0;
  }
  if (rc < 0) take_out(over, added);
  end_change(over);
  ik_mutex_unlock(over->mutex);
  if (rc < 0) free(added);
  return rc < 0 ? rc : 0;
}

static int unsubscribe(struct ik_carrier *carrier, const char *topic,
                       iotkit_mqtt_message_fn handler, void *ctx) {
  struct ik_over *over = of(carrier);
  ik_mutex_lock(over->mutex);
  begin_change(over);
  struct subscription *it = over->subscriptions;
  while (it != NULL && (it->handler != handler || it->ctx != ctx || strcmp(it->topic, topic) != 0))
    it = it->next;
  if (it != NULL) take_out(over, it);
  const bool last = it != NULL && over->connected && it->connection == over->connection &&
                    find_topic(over, topic) == NULL;
  ik_mutex_unlock(over->mutex);
  free(it);
  if (last) over->transport.unsubscribe(over->transport.ctx, topic);
  ik_mutex_lock(over->mutex);
  end_change(over);
  ik_mutex_unlock(over->mutex);
  return 0;
}

/* Subscribes each topic that is not yet on this connection. With the mutex held. */
static int subscribe_all(struct ik_over *over) {
  int result = 0;
  const uint32_t connection = over->connection;
  struct subscription *it = over->subscriptions;
  while (it != NULL && over->connection == connection) {
    if (it->connection == connection) {
      it = it->next;
      continue;
    }
    char topic[IK_OTA_TOPIC_MAX];
    memcpy(topic, it->topic, sizeof(topic));
    const int rc = subscribe_topic(over, topic, it->qos);
    if (rc < 0 && result == 0) result = rc;
    it = over->subscriptions; /* the list may be another */
  }
  return result;
}

int ik_over_connected(struct ik_over *over) {
  ik_mutex_lock(over->mutex);
  begin_change(over);
  over->connected = true;
  over->connecting = true;
  over->connection++;
  const int subscribed = subscribe_all(over);
  ik_mutex_unlock(over->mutex);
  const int sent = send_kept(over);
  ik_mutex_lock(over->mutex);
  over->connecting = false;
  end_change(over);
  ik_mutex_unlock(over->mutex);
  return subscribed < 0 ? subscribed : sent;
}

void ik_over_disconnected(struct ik_over *over) {
  ik_mutex_lock(over->mutex);
  over->connected = false;
  ik_mutex_unlock(over->mutex);
}

/* ---- messages in ---- */

/* With the mutex held, which it releases meanwhile. */
static void run_handler(struct ik_over *over, struct subscription *subscription,
                        const struct iotkit_mqtt_message *message) {
  const iotkit_mqtt_message_fn handler = subscription->handler;
  void *ctx = subscription->ctx;
  over->running = subscription;
  ik_mutex_unlock(over->mutex);
  handler(ctx, NULL, message);
  ik_mutex_lock(over->mutex);
  over->running = NULL;
  ik_cond_broadcast(over->cond);
}

/* With the mutex held, by the feeder. Whether there was a handler. */
static bool hand_on(struct ik_over *over, const struct iotkit_mqtt_message *message) {
  bool found = false;
  over->cursor = over->subscriptions;
  while (over->cursor != NULL) {
    struct subscription *it = over->cursor;
    over->cursor = it->next;
    if (strcmp(it->topic, message->topic) != 0) continue;
    found = true;
    run_handler(over, it, message);
  }
  return found;
}

int ik_over_feed(struct ik_over *over, const char *topic, size_t topic_len, const uint8_t *payload,
                 size_t payload_len, bool dup) {
  char name[IK_OTA_TOPIC_MAX];
  if (topic_len == 0 || topic_len >= sizeof(name) || memchr(topic, '\0', topic_len) != NULL)
    return 0; /* none of ours */
  memcpy(name, topic, topic_len);
  name[topic_len] = '\0';
  const struct iotkit_mqtt_message message = {.topic = name,
                                              .topic_len = topic_len,
                                              .payload = payload,
                                              .payload_len = payload_len,
                                              .dup = dup};
  const uintptr_t self = ik_thread_self();
  ik_mutex_lock(over->mutex);
  if (over->feeder == self) {
    ik_mutex_unlock(over->mutex);
    return IK_EIN_CALLBACK;
  }
  while (over->feeder != 0)
    ik_cond_wait(over->cond, over->mutex, UINT64_MAX);
  over->feeder = self;
  const bool found = hand_on(over, &message);
  over->feeder = 0;
  ik_cond_broadcast(over->cond);
  ik_mutex_unlock(over->mutex);
  return found ? 1 : 0;
}

/* ---- the fetching thread ---- */

static size_t max_packet(const struct ik_carrier *carrier) {
  const size_t bytes = of(carrier)->transport.max_packet;
  return bytes != 0 ? bytes : IK_MQTT_PACKET_DEFAULT;
}

static int await_wake(const struct ik_wake *wake, uint64_t until_ms) {
  const uint64_t now_ms = ik_port_now_ms();
  const uint64_t ms = until_ms > now_ms ? until_ms - now_ms : 0;
  struct ik_pollfd fd = {.fd = ik_wake_fd(wake), .interest = IOTKIT_READ};
  return ik_port_poll(&fd, 1, ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX);
}

/* Whether this thread may step; if not, the waiter is woken once another one has. */
static bool begin_step(struct ik_over *over, struct waiter *waiter) {
  ik_mutex_lock(over->mutex);
  const bool free_to = over->stepper == 0;
  if (free_to) {
    over->stepper = ik_thread_self();
  } else {
    waiter->next = over->waiters;
    over->waiters = waiter;
  }
  ik_mutex_unlock(over->mutex);
  return free_to;
}

static void end_step(struct ik_over *over) {
  ik_mutex_lock(over->mutex);
  over->stepper = 0;
  for (struct waiter *it = over->waiters; it != NULL; it = it->next)
    ik_wake_signal(it->wake);
  ik_mutex_unlock(over->mutex);
}

static void drop_waiter(struct ik_over *over, const struct waiter *waiter) {
  ik_mutex_lock(over->mutex);
  struct waiter **at = &over->waiters;
  while (*at != waiter)
    at = &(*at)->next;
  *at = waiter->next;
  ik_mutex_unlock(over->mutex);
}

static int step(struct ik_over *over, const struct ik_wake *wake, uint64_t until_ms) {
  const uint64_t now_ms = ik_port_now_ms();
  const int woken = await_wake(wake, now_ms);
  if (woken < 0) return woken;
  const uint64_t end_ms = woken > 0 ? now_ms : ik_earlier(until_ms, now_ms + STEP_MS);
  const uint32_t ms = end_ms > now_ms ? (uint32_t)(end_ms - now_ms) : 0;
  return checked(over->transport.step(over->transport.ctx, ms));
}

static bool is_inside(struct ik_over *over) {
  const uintptr_t self = ik_thread_self();
  ik_mutex_lock(over->mutex);
  const bool inside = over->feeder == self || over->stepper == self;
  ik_mutex_unlock(over->mutex);
  return inside;
}

static int pump(struct ik_carrier *carrier, struct ik_wake *wake, uint64_t until_ms) {
  struct ik_over *over = of(carrier);
  struct waiter waiter = {.wake = wake};
  int rc;
  if (is_inside(over)) return IK_EIN_CALLBACK;
  if (over->transport.step == NULL) {
    rc = await_wake(wake, until_ms);
  } else if (begin_step(over, &waiter)) {
    rc = step(over, wake, until_ms);
    end_step(over);
  } else {
    rc = await_wake(wake, until_ms);
    drop_waiter(over, &waiter);
  }
  return rc < 0 ? rc : 0;
}

/* ---- life ---- */

static size_t recent(struct ik_carrier *carrier) {
  (void)carrier;
  return 0; /* what the program publishes by itself is not seen here */
}

static const struct ik_carrier_ops operations = {
    .publish = publish,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .max_packet = max_packet,
    .recent = recent,
    .pump = pump,
};

int ik_over_new(const struct iotkit_transport *transport, struct ik_over **out) {
  struct ik_over *over = calloc(1, sizeof(*over));
  if (over == NULL) return IK_ENO_MEMORY;
  over->face.ops = &operations;
  over->transport = *transport;
  over->last = &over->first;
  over->mutex = ik_mutex_new();
  over->cond = ik_cond_new();
  if (over->mutex != NULL && over->cond != NULL) {
    *out = over;
    return 0;
  }
  ik_over_free(over);
  return IK_ENO_MEMORY;
}

void ik_over_free(struct ik_over *over) {
  if (over == NULL) return;
  for (struct kept *message = over->first; message != NULL;) {
    struct kept *next = message->next;
    free(message);
    message = next;
  }
  ik_cond_free(over->cond);
  ik_mutex_free(over->mutex);
  free(over);
}

struct ik_carrier *ik_over_face(struct ik_over *over) {
  return &over->face;
}
