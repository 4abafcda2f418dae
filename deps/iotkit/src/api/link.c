/*
 * link.c - the link: questions of jobs, block requests, and who may still use the client.
 *
 * Each call that uses the client counts as a user; closing takes the client away first and then
 * waits for the users, none of whom waits for anything but the client's own locks or is woken. A
 * question holds no reference of its job: the job takes it back before it is freed, so under the
 * lock its memory is there, and whoever answers takes a reference if there still is one.
 */
#include "api/link.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job.h"
#include "api/mqtt_client.h"
#include "base/limits.h"

#define PAYLOAD_MAX (8 * IK_KIB)
#define ID_TEXT_MAX 12
/*
 * At most PACE_BURST + 1,000 / PACE_MS requests in any second: 20 of the 30 publishes that the
 * platform takes of a device; the rest is for reports.
 */
#define PACE_MS UINT64_C(63)
#define PACE_BURST 4
#define REPLY_HEAD 400 /* of a reply in its packet: header, JSON and CRC, without the topic */

struct question {
  iotkit_job_t *job; /* no reference */
  uint32_t id;
};

/* A user who waits. */
struct waiter {
  struct ik_wake *wake;
  struct waiter *next;
};

struct ik_link {
  atomic_uint refs;
  atomic_uint_least32_t next_id;
  char topics[IK_OTA_TOPICS][IK_OTA_TOPIC_MAX];
  struct ik_mutex *mutex;
  struct ik_cond *cond;
  /* with the mutex */
  iotkit_mqtt_t *client; /* NULL: closing */
  bool closed;           /* nothing uses the client any more */
  unsigned users;
  uintptr_t stepper; /* the user who steps the client, 0: none */
  struct waiter *waiters;
  struct question questions[IK_LINK_QUESTIONS_MAX];
  size_t question_count;
  struct ik_link_inlet *inlets;
  uint64_t pace_ms; /* when the requests so far would have gone one each PACE_MS */
};

/* ---- life ---- */

static void destroy(struct ik_link *link) {
  ik_cond_free(link->cond);
  ik_mutex_free(link->mutex);
  free(link);
}

int ik_link_new(iotkit_mqtt_t *client, const char *product_key, const char *device_name,
                struct ik_link **out) {
  int rc = 0;
  *out = NULL;
  struct ik_link *link = calloc(1, sizeof(*link));
  if (link == NULL) return IK_ENO_MEMORY;
  atomic_init(&link->refs, 1);
  /* Unique for the device also over restarts, as far as chance goes. */
  atomic_init(&link->next_id, ik_port_random_u32());
  link->client = client;
  link->mutex = ik_mutex_new();
  link->cond = ik_cond_new();
  if (link->mutex == NULL || link->cond == NULL) rc = IK_ENO_MEMORY;
  for (size_t i = 0; rc == 0 && i < IK_OTA_TOPICS; i++)
    rc = ik_ota_topic((enum ik_ota_topic)i, product_key, device_name, link->topics[i]);
  if (rc == 0) {
    *out = link;
  } else {
    destroy(link);
  }
  return rc;
}

struct ik_link *ik_link_ref(struct ik_link *link) {
  if (link != NULL) atomic_fetch_add(&link->refs, 1);
  return link;
}

void ik_link_unref(struct ik_link *link) {
  if (link != NULL && atomic_fetch_sub(&link->refs, 1) == 1) destroy(link);
}

uint32_t ik_link_next_id(struct ik_link *link) {
  return (uint32_t)atomic_fetch_add(&link->next_id, 1);
}

const char *ik_link_topic(const struct ik_link *link, enum ik_ota_topic which) {
  return link->topics[which];
}

/* ---- questions ---- */

/* With the mutex held; the count: there is none. */
static size_t find_question(const struct ik_link *link, const iotkit_job_t *job) {
  size_t i = 0;
  while (i < link->question_count && link->questions[i].job != job)
    i++;
  return i;
}

static void remove_question(struct ik_link *link, size_t index) {
  link->questions[index] = link->questions[--link->question_count];
}

/* A reference to the job of a question, unless the last one has just gone. With the mutex held. */
static iotkit_job_t *hold(iotkit_job_t *job) {
  unsigned refs = atomic_load(&job->refs);
  while (refs > 0) {
    if (atomic_compare_exchange_weak(&job->refs, &refs, refs + 1)) return job;
  }
  return NULL;
}

/*
 * Takes out the questions about an image of the notice, NULL: all, with the mutex held. References
 * to those of their jobs that are still there.
 */
static size_t take_questions(struct ik_link *link, const struct ik_notice *notice,
                             iotkit_job_t *jobs[IK_LINK_QUESTIONS_MAX]) {
  size_t count = 0;
  for (size_t i = 0; i < link->question_count;) {
    iotkit_job_t *job = link->questions[i].job;
    if (notice != NULL && !ik_job_is_same_image(job, notice)) {
      i++;
      continue;
    }
    remove_question(link, i);
    job = hold(job);
    if (job != NULL) jobs[count++] = job;
  }
  return count;
}

/* Gives the references back. */
static void answer_all(iotkit_job_t *const *jobs, size_t count, const struct ik_notice *notice,
                       int error) {
  for (size_t i = 0; i < count; i++) {
    ik_job_answered(jobs[i], notice, error, "");
    iotkit_job_unref(jobs[i]);
  }
}

/* ---- the client ---- */

/* The client, which stays until end_use(); NULL: the channel is gone. */
static iotkit_mqtt_t *begin_use(struct ik_link *link) {
  if (link == NULL) return NULL;
  ik_mutex_lock(link->mutex);
  iotkit_mqtt_t *client = link->client;
  if (client != NULL) link->users++;
  ik_mutex_unlock(link->mutex);
  return client;
}

static void end_use(struct ik_link *link) {
  ik_mutex_lock(link->mutex);
  link->users--;
  ik_cond_broadcast(link->cond);
  ik_mutex_unlock(link->mutex);
}

static void on_block(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_message *message) {
  const struct ik_link_inlet *inlet = ctx;
  (void)client;
  inlet->on_reply(inlet->ctx, message->payload, message->payload_len);
}

void ik_link_close(struct ik_link *link) {
  iotkit_job_t *jobs[IK_LINK_QUESTIONS_MAX];
  if (link == NULL) return;
  ik_mutex_lock(link->mutex);
  iotkit_mqtt_t *client = link->client;
  link->client = NULL;
  size_t count = take_questions(link, NULL, jobs);
  for (struct ik_link_inlet *inlet = link->inlets; inlet != NULL; inlet = inlet->next)
    inlet->on_close(inlet->ctx);
  for (const struct waiter *waiter = link->waiters; waiter != NULL; waiter = waiter->next)
    ik_wake_signal(waiter->wake);
  /* In a callback of a client that is stepped through the link: that user is this thread. */
  while (link->users > (link->stepper == ik_thread_self() ? 1u : 0u))
    ik_cond_wait(link->cond, link->mutex, UINT64_MAX);
  struct ik_link_inlet *inlets = link->inlets;
  ik_mutex_unlock(link->mutex);
  while (inlets != NULL) {
    struct ik_link_inlet *next = inlets->next;
    iotkit_mqtt_unsubscribe(client, link->topics[IK_OTA_FILE_REPLY], on_block, inlets);
    inlets = next;
  }
  ik_mutex_lock(link->mutex);
  link->inlets = NULL;
  link->closed = true;
  ik_cond_broadcast(link->cond);
  ik_mutex_unlock(link->mutex);
  answer_all(jobs, count, NULL, IK_ECLOSED);
}

/* ---- asking for an upgrade again ---- */

static int add_question(struct ik_link *link, iotkit_job_t *job, uint32_t id) {
  int rc = 0;
  ik_mutex_lock(link->mutex);
  size_t index = find_question(link, job);
  if (link->client == NULL) {
    rc = IK_ECLOSED;
  } else if (index == IK_LINK_QUESTIONS_MAX) {
    rc = IK_EQUEUE_FULL;
  } else {
    if (index == link->question_count) link->question_count++;
    link->questions[index] = (struct question){job, id};
  }
  ik_mutex_unlock(link->mutex);
  return rc;
}

static int publish_get(struct ik_link *link, iotkit_mqtt_t *client, uint32_t id,
                       const char *module) {
  struct ik_buf payload;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_ota_write_get(&payload, id, module);
  if (rc == 0)
    rc = iotkit_mqtt_publish(client, link->topics[IK_OTA_GET], ik_buf_ptr(&payload),
                             ik_buf_size(&payload), 0, false);
  ik_buf_free(&payload);
  return rc;
}

int ik_link_ask(struct ik_link *link, iotkit_job_t *job) {
  iotkit_mqtt_t *client = begin_use(link);
  if (client == NULL) return IK_ECLOSED;
  uint32_t id = ik_link_next_id(link);
  /* Before the request: the reply may be there before publish() returns. */
  int rc = add_question(link, job, id);
  if (rc == 0) rc = publish_get(link, client, id, job->notice.upgrade.module);
  end_use(link);
  return rc;
}

void ik_link_forget(struct ik_link *link, iotkit_job_t *job) {
  if (link == NULL) return;
  ik_mutex_lock(link->mutex);
  size_t index = find_question(link, job);
  if (index < link->question_count) remove_question(link, index);
  ik_mutex_unlock(link->mutex);
}

/* The question with that id is taken out. *job: a reference, NULL: it is gone. */
static bool take_question(struct ik_link *link, const char *id, iotkit_job_t **job) {
  char text[ID_TEXT_MAX];
  bool found = false;
  *job = NULL;
  ik_mutex_lock(link->mutex);
  for (size_t i = 0; i < link->question_count && !found; i++) {
    snprintf(text, sizeof(text), "%" PRIu32, link->questions[i].id);
    found = strcmp(text, id) == 0;
    if (!found) continue;
    *job = hold(link->questions[i].job);
    remove_question(link, i);
  }
  ik_mutex_unlock(link->mutex);
  return found;
}

enum ik_link_reply ik_link_answer(struct ik_link *link, const struct ik_notice *notice, int error,
                                  const char *detail) {
  iotkit_job_t *job;
  if (!take_question(link, notice->upgrade.id, &job)) return IK_LINK_NOT_ASKED;
  if (job == NULL) return IK_LINK_TAKEN;
  enum ik_link_reply reply = IK_LINK_TAKEN;
  if (error != 0) {
    ik_job_answered(job, NULL, error, detail);
  } else if (notice->nothing) {
    ik_job_answered(job, NULL, IK_EURL_EXPIRED, "the platform has no such upgrade any more");
  } else {
    if (!ik_job_is_same_image(job, notice)) reply = IK_LINK_ANOTHER;
    ik_job_answered(job, notice, 0, "");
  }
  iotkit_job_unref(job);
  return reply;
}

bool ik_link_renew(struct ik_link *link, const struct ik_notice *notice) {
  iotkit_job_t *jobs[IK_LINK_QUESTIONS_MAX];
  ik_mutex_lock(link->mutex);
  size_t count = take_questions(link, notice, jobs);
  ik_mutex_unlock(link->mutex);
  answer_all(jobs, count, notice, 0);
  return count > 0;
}

/* ---- blocks ---- */

int ik_link_open_inlet(struct ik_link *link, struct ik_link_inlet *inlet) {
  iotkit_mqtt_t *client = begin_use(link);
  if (client == NULL) return IK_ECLOSED;
  int rc = iotkit_mqtt_subscribe(client, link->topics[IK_OTA_FILE_REPLY], 0, on_block, inlet);
  ik_mutex_lock(link->mutex);
  if (rc >= 0) {
    inlet->next = link->inlets;
    link->inlets = inlet;
    if (link->client == NULL) inlet->on_close(inlet->ctx); /* it waits for this user */
  }
  ik_mutex_unlock(link->mutex);
  end_use(link);
  return rc < 0 ? rc : 0;
}

static void remove_inlet(struct ik_link *link, const struct ik_link_inlet *inlet) {
  struct ik_link_inlet **at = &link->inlets;
  while (*at != NULL && *at != inlet)
    at = &(*at)->next;
  if (*at != NULL) *at = inlet->next;
}

void ik_link_close_inlet(struct ik_link *link, struct ik_link_inlet *inlet) {
  ik_mutex_lock(link->mutex);
  iotkit_mqtt_t *client = link->client;
  if (client == NULL) {
    while (!link->closed)
      ik_cond_wait(link->cond, link->mutex, UINT64_MAX);
    ik_mutex_unlock(link->mutex);
    return;
  }
  remove_inlet(link, inlet);
  link->users++;
  ik_mutex_unlock(link->mutex);
  iotkit_mqtt_unsubscribe(client, link->topics[IK_OTA_FILE_REPLY], on_block, inlet);
  end_use(link);
}

size_t ik_link_block_room(struct ik_link *link) {
  const iotkit_mqtt_t *client = begin_use(link);
  if (client == NULL) return 0;
  size_t max = client->session.reader.max_packet; /* fixed before the client was started */
  size_t head = REPLY_HEAD + strlen(link->topics[IK_OTA_FILE_REPLY]);
  end_use(link);
  return max > head ? max - head : 1;
}

/* When a request may go: 0: now, and it is counted. */
static uint64_t pace(struct ik_link *link, uint64_t now_ms) {
  uint64_t until_ms = 0;
  ik_mutex_lock(link->mutex);
  if (link->pace_ms < now_ms) link->pace_ms = now_ms;
  if (link->pace_ms > now_ms + (PACE_BURST - 1) * PACE_MS) {
    until_ms = link->pace_ms - (PACE_BURST - 1) * PACE_MS;
  } else {
    link->pace_ms += PACE_MS;
  }
  ik_mutex_unlock(link->mutex);
  return until_ms;
}

int ik_link_ask_block(struct ik_link *link, const struct ik_ota_block *block, uint64_t now_ms,
                      uint32_t *id, uint64_t *until_ms) {
  struct ik_buf payload;
  iotkit_mqtt_t *client = begin_use(link);
  if (client == NULL) return IK_ECLOSED;
  *until_ms = pace(link, now_ms);
  int rc = *until_ms != 0 ? IK_EAGAIN : 0;
  if (rc == 0) {
    ik_buf_init(&payload, PAYLOAD_MAX);
    *id = ik_link_next_id(link);
    rc = ik_ota_write_block(&payload, *id, block);
    if (rc == 0)
      rc = iotkit_mqtt_publish(client, link->topics[IK_OTA_FILE], ik_buf_ptr(&payload),
                               ik_buf_size(&payload), 0, false);
    ik_buf_free(&payload);
  }
  end_use(link);
  return rc;
}

/* From now on closing wakes the user; false: it has begun to close. */
static bool add_waiter(struct ik_link *link, struct waiter *waiter) {
  ik_mutex_lock(link->mutex);
  bool open = link->client != NULL;
  if (open) {
    waiter->next = link->waiters;
    link->waiters = waiter;
  }
  ik_mutex_unlock(link->mutex);
  return open;
}

static void remove_waiter(struct ik_link *link, const struct waiter *waiter) {
  ik_mutex_lock(link->mutex);
  struct waiter **at = &link->waiters;
  while (*at != waiter)
    at = &(*at)->next;
  *at = waiter->next;
  ik_mutex_unlock(link->mutex);
}

static void set_stepper(struct ik_link *link, uintptr_t before, uintptr_t thread) {
  ik_mutex_lock(link->mutex);
  if (link->stepper == before) link->stepper = thread;
  ik_mutex_unlock(link->mutex);
}

/* Somebody else steps. */
static int wait_for(const struct ik_wake *wake, uint64_t until_ms) {
  struct ik_pollfd fd = {ik_wake_fd(wake), IOTKIT_READ, 0};
  uint64_t now_ms = ik_port_now_ms();
  uint64_t ms = until_ms > now_ms ? until_ms - now_ms : 0;
  return ik_port_poll(&fd, 1, ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX);
}

static int step(struct ik_link *link, iotkit_mqtt_t *client, struct ik_wake *wake,
                uint64_t until_ms) {
  struct ik_mqtt_turn turn = {.wake = wake};
  int rc = ik_mqtt_enter_pump(client, &turn);
  if (rc == 0) {
    set_stepper(link, 0, ik_thread_self());
    rc = ik_mqtt_pump_entered(client, wake, until_ms);
    set_stepper(link, ik_thread_self(), 0);
    ik_mqtt_leave(client);
  } else if (rc == IK_EAGAIN) {
    rc = wait_for(wake, until_ms);
    ik_mqtt_drop_turn(client, &turn);
  }
  return rc < 0 ? rc : 0;
}

int ik_link_step(struct ik_link *link, struct ik_wake *wake, uint64_t until_ms) {
  struct waiter waiter = {.wake = wake};
  iotkit_mqtt_t *client = begin_use(link);
  if (client == NULL) return IK_ECLOSED;
  int rc = IK_ECLOSED;
  if (add_waiter(link, &waiter)) {
    rc = step(link, client, wake, until_ms);
    remove_waiter(link, &waiter);
  }
  end_use(link);
  return rc;
}
