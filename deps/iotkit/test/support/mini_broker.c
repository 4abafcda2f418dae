/*
 * mini_broker.c - one thread accepts and reads; tests write from theirs, under the mutex.
 */
#include "support/mini_broker.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "support/tcp_peer.h"

#define MESSAGES_MAX 16384
#define FILTERS_MAX 64
#define PACKET_MAX 65536
#define ANSWERS_MAX 16

enum { CONNECT = 1, PUBLISH = 3, SUBSCRIBE = 8, UNSUBSCRIBE = 10, PINGREQ = 12, DISCONNECT = 14 };

struct message {
  char *topic;
  char *payload;
  unsigned qos;
};

struct filter {
  char *name; /* NULL: free */
  unsigned qos;
};

struct mini_broker {
  int listener;
  uint16_t port;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool stopping;
  int fd;            /* -1: no client */
  uint32_t delay_ms; /* before each packet is looked at */
  unsigned disconnects;
  uint16_t packet_id;
  struct message messages[MESSAGES_MAX];
  unsigned count;
  struct filter filters[FILTERS_MAX];
  uint8_t greeting;    /* code of CONNACK */
  const char *greeted; /* the topic of what follows CONNACK; NULL: nothing */
  const char *greets;  /* its payload */
  struct {
    const char *topic;
    mini_broker_answer_fn answer;
    void *ctx;
  } answers[ANSWERS_MAX];
  size_t answer_count;
};

static char *copy_text(const uint8_t *data, size_t len) {
  char *text = malloc(len + 1);
  if (text == NULL) abort();
  memcpy(text, data, len);
  text[len] = '\0';
  return text;
}

static size_t u16(const uint8_t *data) {
  return (size_t)data[0] << 8 | data[1];
}

static bool read_packet(int fd, uint8_t *first, uint8_t *body, size_t *len) {
  uint8_t byte;
  unsigned shift = 0;
  *len = 0;
  if (!peer_read(fd, first, 1)) return false;
  do {
    if (!peer_read(fd, &byte, 1)) return false;
    *len |= (size_t)(byte & 0x7f) << shift;
    shift += 7;
  } while ((byte & 0x80) != 0);
  return *len <= PACKET_MAX && (*len == 0 || peer_read(fd, body, *len));
}

/* ---- with the mutex held ---- */

static void store(struct mini_broker *broker, const uint8_t *body, size_t len, unsigned qos) {
  size_t topic_len = u16(body);
  size_t at = 2 + topic_len + (qos > 0 ? 2 : 0);
  if (broker->count == MESSAGES_MAX) abort();
  struct message *message = &broker->messages[broker->count++];
  message->topic = copy_text(body + 2, topic_len);
  message->payload = copy_text(body + at, len - at);
  message->qos = qos;
  if (qos > 0) {
    const uint8_t ack[] = {0x40, 2, body[2 + topic_len], body[3 + topic_len]};
    peer_write(broker->fd, ack, sizeof(ack));
  }
}

static struct filter *find(struct mini_broker *broker, const char *name) {
  for (size_t i = 0; i < FILTERS_MAX; i++) {
    if (broker->filters[i].name != NULL && strcmp(broker->filters[i].name, name) == 0) {
      return &broker->filters[i];
    }
  }
  return NULL;
}

static void add_filter(struct mini_broker *broker, char *name, unsigned qos) {
  struct filter *filter = find(broker, name);
  if (filter != NULL) {
    free(name);
    filter->qos = qos;
    return;
  }
  for (size_t i = 0; i < FILTERS_MAX; i++) {
    if (broker->filters[i].name != NULL) continue;
    broker->filters[i] = (struct filter){name, qos};
    return;
  }
  abort();
}

static void subscribe(struct mini_broker *broker, const uint8_t *body, size_t len) {
  uint8_t ack[4 + FILTERS_MAX] = {0x90, 2, body[0], body[1]};
  size_t count = 0;
  for (size_t at = 2; at < len && count < FILTERS_MAX; count++) {
    size_t n = u16(body + at);
    unsigned qos = body[at + 2 + n];
    add_filter(broker, copy_text(body + at + 2, n), qos);
    ack[4 + count] = (uint8_t)qos;
    at += 3 + n;
  }
  ack[1] = (uint8_t)(2 + count);
  peer_write(broker->fd, ack, 4 + count);
}

static void unsubscribe(struct mini_broker *broker, const uint8_t *body, size_t len) {
  const uint8_t ack[] = {0xB0, 2, body[0], body[1]};
  for (size_t at = 2; at < len; at += 2 + u16(body + at)) {
    char *name = copy_text(body + at + 2, u16(body + at));
    struct filter *filter = find(broker, name);
    if (filter != NULL) {
      free(filter->name);
      filter->name = NULL;
    }
    free(name);
  }
  peer_write(broker->fd, ack, sizeof(ack));
}

static void take(struct mini_broker *broker, uint8_t first, const uint8_t *body, size_t len) {
  const uint8_t connack[] = {0x20, 2, 0, broker->greeting};
  static const uint8_t pingresp[] = {0xD0, 0};
  switch (first >> 4) {
  case CONNECT:
    peer_write(broker->fd, connack, sizeof(connack));
    break;
  case PUBLISH:
    store(broker, body, len, first >> 1 & 3);
    break;
  case SUBSCRIBE:
    subscribe(broker, body, len);
    break;
  case UNSUBSCRIBE:
    unsubscribe(broker, body, len);
    break;
  case PINGREQ:
    peer_write(broker->fd, pingresp, sizeof(pingresp));
    break;
  case DISCONNECT:
    broker->disconnects++;
    break;
  default:
    break;
  }
  pthread_cond_broadcast(&broker->changed);
}

/* ---- the thread ---- */

/* Of a publish that was just stored: without the mutex, so that the answer can be sent. */
static void answer_publish(struct mini_broker *broker) {
  pthread_mutex_lock(&broker->mutex);
  const struct message *message = &broker->messages[broker->count - 1]; /* only added to here */
  size_t i = 0;
  while (i < broker->answer_count && strcmp(message->topic, broker->answers[i].topic) != 0)
    i++;
  const bool answered = i < broker->answer_count;
  pthread_mutex_unlock(&broker->mutex);
  if (answered) broker->answers[i].answer(broker->answers[i].ctx, broker, message->payload);
}

static void be_slow(struct mini_broker *broker) {
  struct timespec until;
  int rc = 0;
  clock_gettime(CLOCK_REALTIME, &until);
  pthread_mutex_lock(&broker->mutex);
  until.tv_sec += broker->delay_ms / 1000;
  until.tv_nsec += (long)(broker->delay_ms % 1000) * 1000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000;
  }
  while (broker->delay_ms > 0 && !broker->stopping && rc == 0)
    rc = pthread_cond_timedwait(&broker->changed, &broker->mutex, &until);
  pthread_mutex_unlock(&broker->mutex);
}

/* What follows CONNACK. False: the client was refused. */
static bool greet(struct mini_broker *broker) {
  pthread_mutex_lock(&broker->mutex);
  const bool accepted = broker->greeting == 0;
  const char *topic = broker->greeted;
  const char *payload = broker->greets;
  pthread_mutex_unlock(&broker->mutex);
  if (accepted && topic != NULL) mini_broker_publish(broker, topic, payload, 0, false);
  return accepted;
}

/* Until DISCONNECT, after which a broker reads nothing more, or the end of the connection. */
static void serve(struct mini_broker *broker, int fd) {
  uint8_t *body = malloc(PACKET_MAX);
  uint8_t first;
  size_t len;
  if (body == NULL) abort();
  first = 0;
  while (first >> 4 != DISCONNECT && read_packet(fd, &first, body, &len)) {
    be_slow(broker);
    pthread_mutex_lock(&broker->mutex);
    take(broker, first, body, len);
    pthread_mutex_unlock(&broker->mutex);
    if (first >> 4 == PUBLISH) answer_publish(broker);
    if (first >> 4 == CONNECT && !greet(broker)) break;
  }
  free(body);
}

static void *run(void *arg) {
  struct mini_broker *broker = arg;
  for (;;) {
    int fd = peer_accept(broker->listener);
    if (fd < 0) break;
    pthread_mutex_lock(&broker->mutex);
    broker->fd = fd;
    bool stopping = broker->stopping;
    pthread_mutex_unlock(&broker->mutex);
    if (!stopping) serve(broker, fd);
    pthread_mutex_lock(&broker->mutex);
    broker->fd = -1;
    pthread_mutex_unlock(&broker->mutex);
    close(fd);
  }
  return NULL;
}

struct mini_broker *mini_broker_start(void) {
  struct mini_broker *broker = calloc(1, sizeof(*broker));
  if (broker == NULL) abort();
  broker->fd = -1;
  broker->listener = peer_listen(4, &broker->port);
  pthread_mutex_init(&broker->mutex, NULL);
  pthread_cond_init(&broker->changed, NULL);
  if (broker->listener < 0 || pthread_create(&broker->thread, NULL, run, broker) != 0) abort();
  return broker;
}

uint16_t mini_broker_port(const struct mini_broker *broker) {
  return broker->port;
}

void mini_broker_stop(struct mini_broker *broker) {
  pthread_mutex_lock(&broker->mutex);
  broker->stopping = true;
  pthread_cond_broadcast(&broker->changed);
  if (broker->fd >= 0) shutdown(broker->fd, SHUT_RDWR);
  pthread_mutex_unlock(&broker->mutex);
  shutdown(broker->listener, SHUT_RDWR);
  pthread_join(broker->thread, NULL);
  close(broker->listener);
  for (unsigned i = 0; i < broker->count; i++) {
    free(broker->messages[i].topic);
    free(broker->messages[i].payload);
  }
  for (size_t i = 0; i < FILTERS_MAX; i++)
    free(broker->filters[i].name);
  pthread_cond_destroy(&broker->changed);
  pthread_mutex_destroy(&broker->mutex);
  free(broker);
}

static bool publish(struct mini_broker *broker, const char *topic, const void *payload,
                    size_t payload_len, unsigned qos, bool dup) {
  size_t topic_len = strlen(topic);
  size_t len = 2 + topic_len + (qos > 0 ? 2 : 0) + payload_len;
  uint8_t *packet = malloc(len + 5);
  size_t at = 0;
  if (packet == NULL) abort();
  packet[at++] = (uint8_t)(0x30 | (dup ? 8 : 0) | qos << 1);
  for (size_t rest = len; at == 1 || rest > 0; rest >>= 7) {
    packet[at++] = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
  }
  packet[at++] = (uint8_t)(topic_len >> 8);
  packet[at++] = (uint8_t)topic_len;
  memcpy(packet + at, topic, topic_len);
  at += topic_len;
  pthread_mutex_lock(&broker->mutex);
  if (qos > 0) {
    broker->packet_id = (uint16_t)(broker->packet_id + 1);
    packet[at++] = (uint8_t)(broker->packet_id >> 8);
    packet[at++] = (uint8_t)broker->packet_id;
  }
  memcpy(packet + at, payload, payload_len);
  bool sent = broker->fd >= 0 && peer_write(broker->fd, packet, at + payload_len);
  pthread_mutex_unlock(&broker->mutex);
  free(packet);
  return sent;
}

bool mini_broker_publish(struct mini_broker *broker, const char *topic, const char *payload,
                         unsigned qos, bool dup) {
  return publish(broker, topic, payload, strlen(payload), qos, dup);
}

bool mini_broker_publish_bytes(struct mini_broker *broker, const char *topic, const void *payload,
                               size_t len) {
  return publish(broker, topic, payload, len, 0, false);
}

void mini_broker_answer(struct mini_broker *broker, const char *topic, mini_broker_answer_fn answer,
                        void *ctx) {
  pthread_mutex_lock(&broker->mutex);
  if (broker->answer_count == ANSWERS_MAX) abort();
  broker->answers[broker->answer_count].topic = topic;
  broker->answers[broker->answer_count].answer = answer;
  broker->answers[broker->answer_count++].ctx = ctx;
  pthread_mutex_unlock(&broker->mutex);
}

void mini_broker_greet(struct mini_broker *broker, uint8_t code, const char *topic,
                       const char *payload) {
  pthread_mutex_lock(&broker->mutex);
  broker->greeting = code;
  broker->greeted = topic;
  broker->greets = payload;
  pthread_mutex_unlock(&broker->mutex);
}

void mini_broker_drop(struct mini_broker *broker) {
  pthread_mutex_lock(&broker->mutex);
  if (broker->fd >= 0) shutdown(broker->fd, SHUT_RDWR);
  pthread_mutex_unlock(&broker->mutex);
}

void mini_broker_reset(struct mini_broker *broker) {
  const struct linger linger = {.l_onoff = 1, .l_linger = 0};
  pthread_mutex_lock(&broker->mutex);
  if (broker->fd >= 0) {
    setsockopt(broker->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    shutdown(broker->fd, SHUT_RD); /* its thread closes it */
  }
  pthread_mutex_unlock(&broker->mutex);
}

void mini_broker_set_delay(struct mini_broker *broker, uint32_t ms) {
  pthread_mutex_lock(&broker->mutex);
  broker->delay_ms = ms;
  pthread_mutex_unlock(&broker->mutex);
}

/* ---- what tests ask; the mutex is held inside ---- */

static const struct message *nth(const struct mini_broker *broker, const char *topic,
                                 unsigned index) {
  for (unsigned i = 0; i < broker->count; i++) {
    if (strcmp(broker->messages[i].topic, topic) == 0 && index-- == 0) return &broker->messages[i];
  }
  return NULL;
}

static struct timespec limit(void) {
  struct timespec at;
  clock_gettime(CLOCK_REALTIME, &at);
  at.tv_sec += TEST_LIMIT_MS / 1000;
  return at;
}

bool mini_broker_wait(struct mini_broker *broker, const char *topic, unsigned index, char *payload,
                      size_t cap, unsigned *qos) {
  struct timespec until = limit();
  int rc = 0;
  const struct message *message;
  pthread_mutex_lock(&broker->mutex);
  while ((message = nth(broker, topic, index)) == NULL && rc == 0) {
    rc = pthread_cond_timedwait(&broker->changed, &broker->mutex, &until);
  }
  if (message != NULL) {
    size_t len = strlen(message->payload);
    if (len >= cap) len = cap - 1;
    memcpy(payload, message->payload, len);
    payload[len] = '\0';
    if (qos != NULL) *qos = message->qos;
  }
  pthread_mutex_unlock(&broker->mutex);
  return message != NULL;
}

unsigned mini_broker_count(struct mini_broker *broker, const char *topic) {
  unsigned count = 0;
  pthread_mutex_lock(&broker->mutex);
  while (nth(broker, topic, count) != NULL)
    count++;
  pthread_mutex_unlock(&broker->mutex);
  return count;
}

bool mini_broker_subscribed(struct mini_broker *broker, const char *filter, unsigned *qos) {
  pthread_mutex_lock(&broker->mutex);
  const struct filter *found = find(broker, filter);
  if (found != NULL && qos != NULL) *qos = found->qos;
  pthread_mutex_unlock(&broker->mutex);
  return found != NULL;
}

bool mini_broker_wait_unsubscribed(struct mini_broker *broker, const char *filter) {
  struct timespec until = limit();
  int rc = 0;
  pthread_mutex_lock(&broker->mutex);
  while (find(broker, filter) != NULL && rc == 0) {
    rc = pthread_cond_timedwait(&broker->changed, &broker->mutex, &until);
  }
  bool gone = find(broker, filter) == NULL;
  pthread_mutex_unlock(&broker->mutex);
  return gone;
}

bool mini_broker_wait_subscribed(struct mini_broker *broker, const char *filter) {
  struct timespec until = limit();
  int rc = 0;
  pthread_mutex_lock(&broker->mutex);
  while (find(broker, filter) == NULL && rc == 0) {
    rc = pthread_cond_timedwait(&broker->changed, &broker->mutex, &until);
  }
  bool there = find(broker, filter) != NULL;
  pthread_mutex_unlock(&broker->mutex);
  return there;
}

bool mini_broker_wait_disconnects(struct mini_broker *broker, unsigned count) {
  struct timespec until = limit();
  int rc = 0;
  pthread_mutex_lock(&broker->mutex);
  while (broker->disconnects < count && rc == 0) {
    rc = pthread_cond_timedwait(&broker->changed, &broker->mutex, &until);
  }
  bool all = broker->disconnects == count;
  pthread_mutex_unlock(&broker->mutex);
  return all;
}
