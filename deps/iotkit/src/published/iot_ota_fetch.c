/* Tested by deps/iotkit/test/published/test_iot_ota.c and test_iot_ota_states.c. */
/*
 * iot_ota_fetch.c - IOT_OTA_IsFetching, _IsFetchFinish and _FetchYield.
 */
#include <limits.h>

#include "published/iot_conn.h"
#include "published/iot_mqtt.h"
#include "published/iot_ota_handle.h"

int IOT_OTA_IsFetching(void *handle) {
  struct iot_ota *ota = ik_iot_ota_enter(handle);
  if (ota == NULL) return 0;
  ik_mutex_lock(ota->mutex);
  ik_iot_ota_promote(ota);
  bool fetching = ota->state == IOT_OTAS_FETCHING;
  if (ota->state == IOT_OTAS_FETCHED) ota->end_seen = true;
  ik_mutex_unlock(ota->mutex);
  return ik_iot_ota_leave(ota, fetching ? 1 : 0);
}

int IOT_OTA_IsFetchFinish(void *handle) {
  struct iot_ota *ota = ik_iot_ota_enter(handle);
  if (ota == NULL) return 0;
  ik_mutex_lock(ota->mutex);
  bool finished = ota->state == IOT_OTAS_FETCHED;
  ik_mutex_unlock(ota->mutex);
  return ik_iot_ota_leave(ota, finished ? 1 : 0);
}

/* The job to fetch, with a reference; NULL: there is none. */
static iotkit_job_t *enter_fetch(struct iot_ota *ota) {
  iotkit_job_t *job = NULL;
  ik_mutex_lock(ota->mutex);
  if (ota->state == IOT_OTAS_FETCHING && !ota->in_fetch) {
    job = iotkit_job_ref(ota->job);
    ota->in_fetch = true;
    ota->fetch_thread = ik_thread_self();
  } else {
    ota->last_error = IOT_OTAE_INVALID_STATE;
  }
  ik_mutex_unlock(ota->mutex);
  return job;
}

/* What FetchYield returns for the result of the fetch; *first: these are the first bytes. */
static int conclude(struct iot_ota *ota, const iotkit_job_t *job, int64_t result, bool *first) {
  *first = false;
  ik_mutex_lock(ota->mutex);
  bool failed = iotkit_job_get_state(job) == IOTKIT_JOB_FAILED;
  /* Replaced or dropped by Ioctl while it was fetched: these bytes belong to no job any more. */
  bool stale = job != ota->job || ota->state != IOT_OTAS_FETCHING;
  if (stale || (result < 0 && !failed)) {
    result = 0;
  } else if (result < 0) {
    ota->last_error = IOT_OTAE_FETCH_FAILED;
    ik_iot_ota_end(ota);
    result = IK_IOT_OTA_FAILED;
  } else {
    *first = result > 0 && !ota->begun && ik_iot_ota_config(ota) == NULL;
    if (*first) ota->begun = true;
    if (iotkit_job_get_state(job) == IOTKIT_JOB_FETCHED) ik_iot_ota_end(ota);
  }
  ik_mutex_unlock(ota->mutex);
  return (int)result;
}

/* `fetched`: it has brought bytes. */
static void end_fetch(struct iot_ota *ota, bool fetched) {
  ik_mutex_lock(ota->mutex);
  ota->in_fetch = false;
  ik_iot_mqtt_note_fetch(ota->mqtt, fetched && ota->state == IOT_OTAS_FETCHING);
  ik_mutex_unlock(ota->mutex);
}

static void log_failure(const iotkit_job_t *job) {
  char detail[IOTKIT_DETAIL_MAX];
  int error = iotkit_job_error(job, detail);
  ik_log(IOTKIT_LOG_ERROR, "ota: download failed: %s: %s", iotkit_error_name(error), detail);
}

/*
 * As iotkit_job_fetch, but that none came in `timeout_ms` is no answer before the time of patience
 * is over: then the first byte is waited for, and what comes with it is taken along.
 */
static int64_t fetch(iotkit_job_t *job, char *buf, size_t len, uint32_t timeout_ms) {
  const uint32_t patience_ms = ik_iot_fetch_patience_ms();
  int64_t got = iotkit_job_fetch(job, buf, len, timeout_ms, NULL);
  const bool over = timeout_ms >= patience_ms || iotkit_job_get_state(job) == IOTKIT_JOB_FETCHED;
  if (got != 0 || over) return got;
  got = iotkit_job_fetch(job, buf, 1, patience_ms - timeout_ms, NULL);
  if (got != 1 || len == 1 || iotkit_job_get_state(job) == IOTKIT_JOB_FETCHED) return got;
  const int64_t more = iotkit_job_fetch(job, buf + 1, len - 1, timeout_ms, NULL);
  return more > 0 ? 1 + more : 1; /* an error is the next call's */
}

static int fetch_yield(struct iot_ota *ota, char *buf, uint32_t buf_len, uint32_t timeout_s) {
  iotkit_job_t *job = enter_fetch(ota);
  if (job == NULL) return IOT_OTAE_INVALID_STATE;
  size_t len = buf_len < INT_MAX ? buf_len : INT_MAX;
  uint32_t timeout_ms = timeout_s < UINT32_MAX / 1000 ? timeout_s * 1000 : UINT32_MAX - 1;
  int64_t result = fetch(job, buf, len, timeout_ms);
  bool failed = result < 0 && iotkit_job_get_state(job) == IOTKIT_JOB_FAILED;
  bool first;
  int returned = conclude(ota, job, result, &first);
  if (failed && returned < 0) log_failure(job);
  /* The report that moves the platform's job on to upgrading. */
  if (first) ik_iot_ota_report_progress(ota, 0, "download begins");
  iotkit_job_unref(job);
  end_fetch(ota, returned > 0);
  return returned;
}

int IOT_OTA_FetchYield(void *handle, char *buf, uint32_t buf_len, uint32_t timeout_s) {
  struct iot_ota *ota = buf != NULL && buf_len > 0 ? ik_iot_ota_enter(handle) : NULL;
  if (ota == NULL) return IOT_OTAE_INVALID_PARAM;
  return ik_iot_ota_leave(ota, fetch_yield(ota, buf, buf_len, timeout_s));
}
