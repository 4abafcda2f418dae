/*
 * time.c - the platform's time: exchanges by what their requests call themselves.
 *
 * Whoever makes one owns it. A request may come from any thread; its answer is handled on the thread
 * that steps the client, which no lock is held on while a callback runs. An exchange is taken out of
 * the table before its answer is handed on, so each is answered once.
 */
#include "iotkit_time.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alink/time.h"
#include "base/limits.h"
#include "base/sized.h"
#include "channel/ota.h"

#define PENDING_MAX 16
#define PAYLOAD_MAX (1 * IK_KIB)

struct pending {
  uint64_t device_send; /* the wall clock, made unique; what the answer repeats */
  uint64_t sent_ms;
};

/* The exchange that iotkit_time_measure() waits for. */
struct measurement {
  bool running;
  uint64_t device_send; /* 0: none, or it was answered */
  int error;            /* of its answer */
  struct iotkit_time_reading reading;
};

struct iotkit_time {
  iotkit_ota_t *ota;          /* borrowed */
  struct ik_carrier *carrier; /* borrowed, the channel's */
  struct iotkit_time_options options;
  char request_topic[IK_OTA_TOPIC_MAX];
  char response_topic[IK_OTA_TOPIC_MAX];
  struct ik_line_own own; /* response_topic */
  bool subscribed;
  atomic_uintptr_t callback_thread; /* 0: none runs */
  struct ik_wake *wake;             /* signalled when `measurement` has its answer */
  struct ik_mutex *mutex;
  /* with the mutex */
  struct pending pending[PENDING_MAX]; /* oldest first */
  size_t count;
  uint64_t last_device_send;
  struct measurement measurement;
};

/* ---- exchanges; with the mutex held ---- */

static void remove_at(iotkit_time_t *time, size_t index) {
  time->count--;
  memmove(&time->pending[index], &time->pending[index + 1],
          (time->count - index) * sizeof(time->pending[0]));
}

static bool take(iotkit_time_t *time, uint64_t device_send, struct pending *out) {
  for (size_t i = 0; i < time->count; i++) {
    if (time->pending[i].device_send != device_send) continue;
    *out = time->pending[i];
    remove_at(time, i);
    return true;
  }
  return false;
}

static uint64_t add(iotkit_time_t *time) {
  const uint64_t now = ik_port_time_ms();
  const uint64_t next = time->last_device_send + 1;
  time->last_device_send = now > next ? now : next;
  if (time->count == PENDING_MAX) remove_at(time, 0);
  time->pending[time->count++] = (struct pending){time->last_device_send, iotkit_now_ms()};
  return time->last_device_send;
}

/* ---- asking ---- */

static int publish(iotkit_time_t *time, uint64_t device_send) {
  struct ik_buf payload;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_time_write_request(&payload, device_send);
  if (rc == 0) rc = ik_ota_publish_own(time->ota, time->request_topic, &payload, 0);
  ik_buf_free(&payload);
  return rc;
}

/* Its answer would be to nobody. */
static void give_up(iotkit_time_t *time, uint64_t device_send) {
  struct pending unused;
  ik_mutex_lock(time->mutex);
  take(time, device_send, &unused);
  ik_mutex_unlock(time->mutex);
}

static int begin(iotkit_time_t *time, bool is_measured, char *request_id) {
  ik_mutex_lock(time->mutex);
  const uint64_t device_send = add(time);
  if (is_measured) time->measurement.device_send = device_send;
  ik_mutex_unlock(time->mutex);
  /* The answer may be there before publish() returns. */
  if (request_id != NULL) snprintf(request_id, IOTKIT_TIME_ID_MAX, "%" PRIu64, device_send);
  const int rc = publish(time, device_send);
  if (rc < 0) give_up(time, device_send);
  return rc;
}

int iotkit_time_request(iotkit_time_t *time, char *request_id) {
  return time != NULL ? begin(time, false, request_id) : IK_EINVALID_ARGUMENT;
}

/* ---- measuring ---- */

static bool start_measuring(iotkit_time_t *time) {
  ik_mutex_lock(time->mutex);
  const bool is_free = !time->measurement.running;
  if (is_free) time->measurement = (struct measurement){.running = true};
  ik_mutex_unlock(time->mutex);
  return is_free;
}

static void stop_measuring(iotkit_time_t *time) {
  ik_mutex_lock(time->mutex);
  time->measurement = (struct measurement){0};
  ik_mutex_unlock(time->mutex);
}

/* Whether the answer has come; then what it says. */
static bool has_answer(iotkit_time_t *time, int *error, struct iotkit_time_reading *reading) {
  ik_mutex_lock(time->mutex);
  const struct measurement *measurement = &time->measurement;
  const bool answered = measurement->device_send == 0;
  if (answered) {
    *error = measurement->error;
    *reading = measurement->reading;
  }
  ik_mutex_unlock(time->mutex);
  return answered;
}

/* An answer that comes later is to nobody. */
static void leave_exchange(iotkit_time_t *time) {
  ik_mutex_lock(time->mutex);
  const uint64_t device_send = time->measurement.device_send;
  time->measurement.device_send = 0;
  ik_mutex_unlock(time->mutex);
  if (device_send != 0) give_up(time, device_send);
}

static int exchange(iotkit_time_t *time, uint64_t until_ms, struct iotkit_time_reading *reading) {
  int error = IK_ETIMEOUT;
  ik_wake_clear(time->wake);
  int rc = begin(time, true, NULL);
  while (rc >= 0 && !has_answer(time, &error, reading) && iotkit_now_ms() < until_ms)
    rc = time->carrier->ops->pump(time->carrier, time->wake, until_ms);
  leave_exchange(time);
  return rc < 0 ? rc : error;
}

static int measure(iotkit_time_t *time, unsigned exchanges, uint64_t until_ms,
                   struct iotkit_time_reading *out) {
  bool found = false;
  int error = 0;
  for (unsigned left = exchanges; left > 0; left--) {
    struct iotkit_time_reading reading = {0};
    const uint64_t now_ms = iotkit_now_ms();
    const uint64_t share_ms = now_ms < until_ms ? (until_ms - now_ms) / left : 0;
    const int rc = exchange(time, now_ms + share_ms, &reading);
    if (rc == IK_EIN_CALLBACK) return rc;
    if (rc < 0) error = rc;
    if (rc == 0 && (!found || reading.uncertainty_ms < out->uncertainty_ms)) {
      *out = reading;
      found = true;
    }
  }
  return found ? 0 : error;
}

int iotkit_time_measure(iotkit_time_t *time, unsigned exchanges, uint32_t timeout_ms,
                        struct iotkit_time_reading *out) {
  struct iotkit_time_reading best = {0};
  if (time == NULL || out == NULL || exchanges == 0 || exchanges > IOTKIT_TIME_EXCHANGES_MAX)
    return IK_EINVALID_ARGUMENT;
  if (!start_measuring(time)) return IK_EBUSY;
  const int rc = measure(time, exchanges, iotkit_now_ms() + timeout_ms, &best);
  stop_measuring(time);
  if (rc == 0) *out = best;
  return rc;
}

/* ---- answers ---- */

/* Whether iotkit_time_measure() waits for it. */
static bool give_to_measurement(iotkit_time_t *time, uint64_t device_send, int error,
                                const struct iotkit_time_reading *reading) {
  ik_mutex_lock(time->mutex);
  struct measurement *measurement = &time->measurement;
  const bool waits = measurement->running && measurement->device_send == device_send;
  if (waits) {
    measurement->device_send = 0;
    measurement->error = error;
    measurement->reading = *reading;
  }
  ik_mutex_unlock(time->mutex);
  if (waits) ik_wake_signal(time->wake);
  return waits;
}

static void refuse(iotkit_time_t *time, int error, const char *detail, const char *request_id) {
  const struct iotkit_time_options *options = &time->options;
  ik_log(IOTKIT_LOG_WARNING, "time: refused an answer: %s: %s", iotkit_error_name(error), detail);
  if (options->on_refused != NULL)
    options->on_refused(options->ctx, time, error, detail, request_id);
}

/* `error`: the answer could not be read further than what it answers. */
static void take_answer(iotkit_time_t *time, const struct ik_time_answer *answer, int error,
                        char *detail, uint64_t received_ms) {
  const struct iotkit_time_options *options = &time->options;
  struct iotkit_time_reading reading = {0};
  struct pending pending;
  char request_id[IOTKIT_TIME_ID_MAX];
  ik_mutex_lock(time->mutex);
  const bool found = take(time, answer->device_send, &pending);
  ik_mutex_unlock(time->mutex);
  if (!found && error == 0) return; /* given up, or somebody else's */
  if (!found) {
    refuse(time, error, detail, "");
    return;
  }
  const struct ik_time_exchange around = {pending.sent_ms, received_ms, ik_port_time_ms()};
  if (error == 0) error = ik_time_read(answer, &around, &reading, detail);
  snprintf(request_id, sizeof(request_id), "%" PRIu64, pending.device_send);
  if (give_to_measurement(time, pending.device_send, error, &reading)) return;
  if (error != 0) {
    refuse(time, error, detail, request_id);
  } else if (options->on_time != NULL) {
    options->on_time(options->ctx, time, &reading, request_id);
  }
}

static void on_response(void *ctx, iotkit_mqtt_t *client,
                        const struct iotkit_mqtt_message *message) {
  iotkit_time_t *time = ctx;
  const uint64_t received_ms = iotkit_now_ms();
  const struct ik_str text = {(const char *)message->payload, message->payload_len};
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_time_answer answer;
  (void)client;
  atomic_store(&time->callback_thread, ik_thread_self());
  const int rc = ik_time_parse(text, &answer, detail);
  take_answer(time, &answer, rc, detail, received_ms);
  atomic_store(&time->callback_thread, 0);
}

/* ---- life ---- */

static int subscribe(iotkit_time_t *time, char *detail) {
  time->own =
      (struct ik_line_own){.topic = time->response_topic, .handler = on_response, .ctx = time};
  int rc = ik_ota_subscribe_own(time->ota, &time->own);
  if (rc < 0) return ik_refuse(detail, rc, "%s: %s", time->response_topic, iotkit_strerror(rc));
  time->subscribed = true;
  return 0;
}

static int make_topics(iotkit_time_t *time, const iotkit_ota_t *ota, char *detail) {
  int rc = ik_ota_make_own_topic(ota, IK_TIME_HEAD, IK_TIME_REQUEST_TAIL, time->request_topic);
  if (rc == 0)
    rc = ik_ota_make_own_topic(ota, IK_TIME_HEAD, IK_TIME_RESPONSE_TAIL, time->response_topic);
  if (rc != 0) ik_detail(detail, "product key and device name are too long");
  return rc;
}

static int open_time(iotkit_ota_t *ota, const struct iotkit_time_options *options,
                     iotkit_time_t **out, char *detail) {
  iotkit_time_t *time = calloc(1, sizeof(*time));
  if (time == NULL) return IK_ENO_MEMORY;
  time->ota = ota;
  time->carrier = ik_ota_carrier(ota);
  time->options = *options;
  atomic_init(&time->callback_thread, 0);
  time->mutex = ik_mutex_new();
  int rc = time->mutex != NULL ? ik_wake_new(&time->wake) : IK_ENO_MEMORY;
  if (rc == 0) rc = make_topics(time, ota, detail);
  if (rc == 0) rc = subscribe(time, detail);
  if (rc == 0) {
    *out = time;
  } else {
    iotkit_time_free(time);
  }
  return rc;
}

int iotkit_time_new(iotkit_ota_t *ota, const struct iotkit_time_options *options,
                    iotkit_time_t **out, char *detail) {
  struct iotkit_time_options own = {0};
  if (out != NULL) *out = NULL;
  if (ota == NULL || options == NULL || out == NULL)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "channel, options and out are needed");
  int rc = IK_SIZED_READ(&own, options, detail);
  return rc == 0 ? open_time(ota, &own, out, detail) : rc;
}

int iotkit_time_free(iotkit_time_t *time) {
  if (time == NULL) return 0;
  if (atomic_load(&time->callback_thread) == ik_thread_self()) return IK_EIN_CALLBACK;
  if (time->subscribed) ik_ota_unsubscribe_own(time->ota, &time->own);
  ik_wake_free(time->wake);
  ik_mutex_free(time->mutex);
  free(time);
  return 0;
}
