/* Tested by deps/iotkit/test/published/test_iot_ota.c. */
/*
 * iot_ota_handle.c - which job of a handle is fetched, and which waits.
 */
#include "published/iot_ota_handle.h"

#include "published/iot_mqtt.h"

struct ik_iot_handles ik_iot_ota_handles;

struct iot_ota *ik_iot_ota_enter(void *handle) {
  if (handle == NULL) return NULL;
  struct iot_ota *ota = (struct iot_ota *)ik_iot_handle_take(&ik_iot_ota_handles, handle);
  if (ota == NULL) return NULL;
  ik_mutex_lock(ota->mutex);
  const bool open = ota->state != IOT_OTAS_UNINITED;
  if (open) ota->calls++;
  ik_mutex_unlock(ota->mutex);
  if (open) return ota;
  ik_iot_handle_drop(&ota->counted);
  return NULL;
}

int ik_iot_ota_leave(struct iot_ota *ota, int returned) {
  ik_mutex_lock(ota->mutex);
  ota->calls--;
  ik_cond_broadcast(ota->cond);
  ik_mutex_unlock(ota->mutex);
  ik_iot_handle_drop(&ota->counted);
  return returned;
}

int ik_iot_ota_fail(struct iot_ota *ota, int returned, int error) {
  ik_mutex_lock(ota->mutex);
  ota->last_error = error;
  ik_mutex_unlock(ota->mutex);
  return returned;
}

int ik_iot_ota_report_progress(struct iot_ota *ota, int step, const char *msg) {
  ik_mutex_lock(ota->mutex);
  iotkit_job_t *job = iotkit_job_ref(ota->job);
  ik_mutex_unlock(ota->mutex);
  const char *module = job != NULL ? iotkit_job_upgrade(job)->module : NULL;
  int rc = iotkit_ota_report_progress(ota->channel, step, msg, module);
  iotkit_job_unref(job);
  return rc;
}

/* ---- jobs; with the mutex held ---- */

void ik_iot_ota_set_state(struct iot_ota *ota, IOT_OTA_State_t state) {
  ota->state = state;
}

void ik_iot_ota_start(struct iot_ota *ota, iotkit_job_t *job) {
  if (ota->job != NULL) iotkit_job_abort(ota->job);
  iotkit_job_unref(ota->job);
  ota->job = job;
  ota->end_seen = false;
  ota->begun = false;
  ota->not_counted = 0;
  ik_iot_ota_set_state(ota, IOT_OTAS_FETCHING);
}

void ik_iot_ota_end(struct iot_ota *ota) {
  ota->end_seen = false;
  ik_iot_ota_set_state(ota, IOT_OTAS_FETCHED);
}

const struct iotkit_config_info *ik_iot_ota_config(const struct iot_ota *ota) {
  return ota->job != NULL ? ik_job_announcement(ota->job)->config : NULL;
}

static bool same_kind(const iotkit_job_t *a, const iotkit_job_t *b) {
  return (ik_job_announcement(a)->config != NULL) == (ik_job_announcement(b)->config != NULL);
}

static void take_out(struct iot_ota *ota, size_t index) {
  ota->waiting_count--;
  for (size_t i = index; i < ota->waiting_count; i++)
    ota->waiting[i] = ota->waiting[i + 1];
}

/* Takes over the job. The newest of its kind waits; neither kind displaces the other. */
static void put_waiting(struct iot_ota *ota, iotkit_job_t *job) {
  for (size_t i = 0; i < ota->waiting_count; i++) {
    if (!same_kind(ota->waiting[i], job)) continue;
    iotkit_job_unref(ota->waiting[i]);
    take_out(ota, i);
    break;
  }
  ota->waiting[ota->waiting_count++] = job;
}

bool ik_iot_ota_start_waiting(struct iot_ota *ota) {
  if (ota->waiting_count == 0) return false;
  iotkit_job_t *job = ota->waiting[0];
  take_out(ota, 0);
  ik_iot_ota_start(ota, job);
  return true;
}

void ik_iot_ota_promote(struct iot_ota *ota) {
  if (ota->state == IOT_OTAS_FETCHED && ota->end_seen) ik_iot_ota_start_waiting(ota);
}

void ik_iot_ota_take(struct iot_ota *ota, iotkit_job_t *job) {
  if (ota->state == IOT_OTAS_UNINITED) {
    iotkit_job_unref(job);
    return;
  }
  bool untouched = ota->state == IOT_OTAS_FETCHING && !ota->in_fetch && same_kind(ota->job, job) &&
                   iotkit_job_get_state(ota->job) == IOTKIT_JOB_READY;
  if (ota->state == IOT_OTAS_INITED || untouched) {
    ik_iot_ota_start(ota, job);
    return;
  }
  put_waiting(ota, job);
  ik_iot_ota_promote(ota);
}
