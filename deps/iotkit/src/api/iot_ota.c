/*
 * iot_ota.c - IOT_OTA_*, the published functions, over a channel and its jobs; iot_ota_ioctl.c has
 * IOT_OTA_Ioctl, iot_ota_config.c remote configuration.
 *
 * A handle owns one channel, the job that is fetched or was, and the newest ones that wait behind
 * it, one of firmware and one of configuration. The mutex guards them; it is held during no
 * callback, no fetch and no publish. A fetch works on its own reference of the job, so that Ioctl
 * may replace it meanwhile; only Deinit waits for a fetch to return.
 */
#include "api/iot_ota.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/iot_mqtt.h"
#include "api/mqtt_client.h"
#include "api/ota.h"
#include "base/limits.h"

int ik_iot_ota_fail(struct iot_ota *ota, int returned, int error) {
  ik_mutex_lock(ota->mutex);
  ota->last_error = error;
  ik_mutex_unlock(ota->mutex);
  return returned;
}

/* ---- jobs; with the mutex held ---- */

void ik_iot_ota_set_state(struct iot_ota *ota, IOT_OTA_State_t state) {
  if (ota->state == IOT_OTAS_FETCHING && state != IOT_OTAS_FETCHING) {
    ik_mqtt_fetching(ota->client, -1);
  }
  if (ota->state != IOT_OTAS_FETCHING && state == IOT_OTAS_FETCHING) {
    ik_mqtt_fetching(ota->client, 1);
  }
  ota->state = state;
}

/* Takes over the job. */
void ik_iot_ota_start(struct iot_ota *ota, iotkit_job_t *job) {
  if (ota->job != NULL) iotkit_job_abort(ota->job);
  iotkit_job_unref(ota->job);
  ota->job = job;
  ota->end_seen = false;
  ota->begun = false;
  ota->not_counted = 0;
  ik_iot_ota_set_state(ota, IOT_OTAS_FETCHING);
}

static void end_job(struct iot_ota *ota) {
  ota->end_seen = false;
  ik_iot_ota_set_state(ota, IOT_OTAS_FETCHED);
}

const struct ik_config *ik_iot_ota_config(const struct iot_ota *ota) {
  return ota->job != NULL ? ota->job->notice.config : NULL;
}

static bool same_kind(const iotkit_job_t *a, const iotkit_job_t *b) {
  return (a->notice.config != NULL) == (b->notice.config != NULL);
}

static void take_out(struct iot_ota *ota, size_t index) {
  ota->waiting_count--;
  for (size_t i = index; i < ota->waiting_count; i++)
    ota->waiting[i] = ota->waiting[i + 1];
}

/* Takes over the job. The newest of its kind waits; firmware and configuration displace not. */
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

/* A job that waited takes the place of one whose end was seen. */
static void promote(struct iot_ota *ota) {
  if (ota->state == IOT_OTAS_FETCHED && ota->end_seen) ik_iot_ota_start_waiting(ota);
}

/* A newer notice replaces one that waits, or of which nothing was fetched; else it waits itself. */
static void take_job(struct iot_ota *ota, iotkit_job_t *job) {
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
  promote(ota);
}

/* ---- announcements ---- */

void ik_iot_ota_offer(struct iot_ota *ota, iotkit_job_t *job) {
  ik_job_set_no_rewind(job);
  ik_mutex_lock(ota->mutex);
  take_job(ota, job);
  int (*on_pushed)(void *context) = ota->on_pushed;
  ik_mutex_unlock(ota->mutex);
  if (on_pushed != NULL) on_pushed(ota);
}

void ik_iot_ota_refused(struct iot_ota *ota, int error) {
  ik_iot_ota_fail(ota, 0, error == IK_ENO_MEMORY ? IOT_OTAE_NOMEM : IOT_OTAE_GENERAL);
}

/* The published functions hand out one image: what has several files is refused by name. */
static void refuse_files(struct iot_ota *ota, iotkit_ota_t *channel, iotkit_job_t *job) {
  static const char why[] = "files: IOT_OTA_* cannot fetch upgrades of several files";
  char desc[IOTKIT_DETAIL_MAX];
  ik_detail(desc, "%s: %s", iotkit_error_name(IK_EUNSUPPORTED), why);
  ik_log(IOTKIT_LOG_WARNING, "ota: refused a notice: %s", desc);
  int rc = iotkit_ota_report_progress(channel, IOT_OTAP_GENERAL_FAILED, desc,
                                      iotkit_job_upgrade(job)->module);
  if (rc < 0) ik_log(IOTKIT_LOG_WARNING, "ota: refusal not reported: %s", iotkit_strerror(rc));
  ik_iot_ota_refused(ota, IK_EUNSUPPORTED);
  iotkit_job_unref(job);
}

static void on_upgrade(void *ctx, iotkit_ota_t *channel, iotkit_job_t *job) {
  if (iotkit_job_upgrade(job)->file_count > 0) {
    refuse_files(ctx, channel, job);
  } else {
    ik_iot_ota_offer(ctx, job);
  }
}

static void on_refused(void *ctx, iotkit_ota_t *channel, int error, const char *detail,
                       const char *request_id) {
  (void)request_id;
  (void)channel;
  (void)detail;
  ik_iot_ota_refused(ctx, error);
}

/* ---- life ---- */

static void free_handle(struct iot_ota *ota) {
  iotkit_job_unref(ota->job);
  for (size_t i = 0; i < ota->waiting_count; i++)
    iotkit_job_unref(ota->waiting[i]);
  ik_cond_free(ota->cond);
  ik_mutex_free(ota->mutex);
  free(ota);
}

/* Afterwards no callback runs. */
static void close_channels(struct iot_ota *ota) {
  ik_iot_ota_config_close(ota);
  iotkit_ota_free(ota->channel);
}

void *IOT_OTA_Init(const char *product_key, const char *device_name, void *ch_signal) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_mqtt_t *client = ik_iot_mqtt_client(ch_signal);
  if (product_key == NULL || device_name == NULL || client == NULL) return NULL;
  struct iot_ota *ota = calloc(1, sizeof(*ota));
  if (ota == NULL) return NULL;
  ota->client = client;
  ota->state = IOT_OTAS_INITED;
  ota->mutex = ik_mutex_new();
  ota->cond = ik_cond_new();
  const struct iotkit_ota_options options = {
      .product_key = product_key,
      .device_name = device_name,
      .on_upgrade = on_upgrade,
      .on_refused = on_refused,
      .ctx = ota,
  };
  int rc = ota->mutex != NULL && ota->cond != NULL ? 0 : IK_ENO_MEMORY;
  if (rc == 0) rc = iotkit_ota_new(client, &options, &ota->channel, detail);
  if (rc == 0) rc = ik_iot_ota_config_open(ota, product_key, device_name, detail);
  if (rc == 0) return ota;
  ik_log(IOTKIT_LOG_ERROR, "IOT_OTA_Init: %s: %s", iotkit_strerror(rc), detail);
  close_channels(ota);
  free_handle(ota);
  return NULL;
}

int IOT_OTA_Deinit(void *handle) {
  struct iot_ota *ota = handle;
  if (ota == NULL) return IOT_OTAE_INVALID_PARAM;
  if (ik_ota_in_callback(ota->channel) || ik_iot_ota_config_in_callback(ota)) {
    return ik_iot_ota_fail(ota, IOT_OTAE_INVALID_STATE, IOT_OTAE_INVALID_STATE);
  }
  ik_mutex_lock(ota->mutex);
  /* In a callback that runs because FetchYield steps the client: it would wait for itself. */
  if (ota->in_fetch && ota->fetch_thread == ik_thread_self()) {
    ota->last_error = IOT_OTAE_INVALID_STATE;
    ik_mutex_unlock(ota->mutex);
    return IOT_OTAE_INVALID_STATE;
  }
  ik_iot_ota_set_state(ota, IOT_OTAS_UNINITED);
  if (ota->job != NULL) iotkit_job_abort(ota->job);
  while (ota->in_fetch)
    ik_cond_wait(ota->cond, ota->mutex, UINT64_MAX);
  ik_mutex_unlock(ota->mutex);
  close_channels(ota);
  free_handle(ota);
  return 0;
}

int IOT_OTA_SetOnPushedCallback(void *handle, int (*on_pushed)(void *context)) {
  struct iot_ota *ota = handle;
  if (ota == NULL) return IOT_OTAE_INVALID_PARAM;
  ik_mutex_lock(ota->mutex);
  ota->on_pushed = on_pushed;
  ik_mutex_unlock(ota->mutex);
  return 0;
}

int IOT_OTA_GetLastError(void *handle) {
  struct iot_ota *ota = handle;
  if (ota == NULL) return IOT_OTAE_INVALID_PARAM;
  ik_mutex_lock(ota->mutex);
  int error = ota->last_error;
  ik_mutex_unlock(ota->mutex);
  return error;
}

/* ---- reports ---- */

static int publish_version(struct iot_ota *ota, enum ik_ota_topic topic, const char *version) {
  size_t len = strlen(version);
  if (len < 1 || len > IK_VERSION_MAX)
    return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED, IOT_OTAE_INVALID_PARAM);
  int rc = ik_ota_publish_version(ota->channel, topic, version, NULL);
  if (rc >= 0) return 0;
  return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED,
                         rc == IK_EINVALID_ARGUMENT ? IOT_OTAE_INVALID_PARAM : IOT_OTAE_OSC_FAILED);
}

int IOT_OTA_ReportVersion(void *handle, const char *version) {
  if (handle == NULL || version == NULL) return IOT_OTAE_INVALID_PARAM;
  return publish_version(handle, IK_OTA_INFORM, version);
}

int iotx_req_image(void *handle, const char *version) {
  struct iot_ota *ota = handle;
  if (ota == NULL || version == NULL) return IOT_OTAE_INVALID_PARAM;
  if (IOT_OTA_IsFetching(ota))
    return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED, IOT_OTAE_INVALID_STATE);
  return publish_version(ota, IK_OTA_REQUEST, version);
}

/* Progress belongs to the module of the upgrade. */
static int report_progress(struct iot_ota *ota, int step, const char *msg) {
  ik_mutex_lock(ota->mutex);
  iotkit_job_t *job = iotkit_job_ref(ota->job);
  ik_mutex_unlock(ota->mutex);
  const char *module = job != NULL ? iotkit_job_upgrade(job)->module : NULL;
  int rc = iotkit_ota_report_progress(ota->channel, step, msg, module);
  iotkit_job_unref(job);
  return rc;
}

int IOT_OTA_ReportProgress(void *handle, IOT_OTA_Progress_t progress, const char *msg) {
  struct iot_ota *ota = handle;
  if (ota == NULL) return IOT_OTAE_INVALID_PARAM;
  int step = (int)progress;
  if (step < IOT_OTAP_BURN_FAILED || step > IOT_OTAP_FETCH_PERCENTAGE_MAX) {
    return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED, IOT_OTAE_INVALID_PARAM);
  }
  int rc = report_progress(ota, step, msg);
  if (rc >= 0) return 0;
  if (rc == IK_ETOO_LONG) return ik_iot_ota_fail(ota, IOT_OTAE_STR_TOO_LONG, IOT_OTAE_STR_TOO_LONG);
  if (rc == IK_EINVALID_ARGUMENT)
    return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED, IOT_OTAE_INVALID_PARAM);
  return ik_iot_ota_fail(ota, IOT_OTAE_OSC_FAILED, IOT_OTAE_OSC_FAILED);
}

/* ---- fetching ---- */

int IOT_OTA_IsFetching(void *handle) {
  struct iot_ota *ota = handle;
  if (ota == NULL) return 0;
  ik_mutex_lock(ota->mutex);
  promote(ota);
  bool fetching = ota->state == IOT_OTAS_FETCHING;
  if (ota->state == IOT_OTAS_FETCHED) ota->end_seen = true;
  ik_mutex_unlock(ota->mutex);
  return fetching ? 1 : 0;
}

int IOT_OTA_IsFetchFinish(void *handle) {
  struct iot_ota *ota = handle;
  if (ota == NULL) return 0;
  ik_mutex_lock(ota->mutex);
  bool finished = ota->state == IOT_OTAS_FETCHED;
  ik_mutex_unlock(ota->mutex);
  return finished ? 1 : 0;
}

/* The job to fetch, with a reference; NULL: there is none. */
static iotkit_job_t *enter_fetch(struct iot_ota *ota) {
  iotkit_job_t *job = NULL;
  ik_mutex_lock(ota->mutex);
  if (ota->state == IOT_OTAS_FETCHING && !ota->in_fetch) {
    job = iotkit_job_ref(ota->job);
    ota->in_fetch = true;
    ota->fetch_thread = ik_thread_self();
    ik_mqtt_fetching(ota->client, -1);
  } else {
    ota->last_error = IOT_OTAE_INVALID_STATE;
  }
  ik_mutex_unlock(ota->mutex);
  return job;
}

/* What FetchYield returns for the result of the job; *first: these are the first bytes of it. */
static int leave_fetch(struct iot_ota *ota, const iotkit_job_t *job, int64_t result, bool *first) {
  *first = false;
  ik_mutex_lock(ota->mutex);
  bool failed = iotkit_job_get_state(job) == IOTKIT_JOB_FAILED;
  /* Begun again, or forgotten, while it was being fetched: these bytes belong to nothing. */
  bool stale = job != ota->job || ota->state != IOT_OTAS_FETCHING;
  if (stale || (result < 0 && !failed)) {
    result = 0;
  } else if (result < 0) {
    ota->last_error = IOT_OTAE_FETCH_FAILED;
    end_job(ota);
    result = IK_IOT_OTA_FAILED;
  } else {
    *first = result > 0 && !ota->begun && ik_iot_ota_config(ota) == NULL;
    if (*first) ota->begun = true;
    if (iotkit_job_get_state(job) == IOTKIT_JOB_FETCHED) end_job(ota);
  }
  ik_mutex_unlock(ota->mutex);
  return (int)result;
}

/* From here on Deinit may free the handle. */
static void end_fetch(struct iot_ota *ota) {
  ik_mutex_lock(ota->mutex);
  ota->in_fetch = false;
  ik_mqtt_fetching(ota->client, 1);
  ik_cond_broadcast(ota->cond);
  ik_mutex_unlock(ota->mutex);
}

static void log_failure(const iotkit_job_t *job) {
  char detail[IOTKIT_DETAIL_MAX];
  int error = iotkit_job_error(job, detail);
  ik_log(IOTKIT_LOG_ERROR, "ota: download failed: %s: %s", iotkit_error_name(error), detail);
}

int IOT_OTA_FetchYield(void *handle, char *buf, uint32_t buf_len, uint32_t timeout_s) {
  struct iot_ota *ota = handle;
  if (ota == NULL || buf == NULL || buf_len == 0) return IOT_OTAE_INVALID_PARAM;
  iotkit_job_t *job = enter_fetch(ota);
  if (job == NULL) return IOT_OTAE_INVALID_STATE;
  size_t len = buf_len < INT_MAX ? buf_len : INT_MAX;
  uint32_t timeout_ms = timeout_s < UINT32_MAX / 1000 ? timeout_s * 1000 : UINT32_MAX - 1;
  int64_t result = iotkit_job_fetch(job, buf, len, timeout_ms, NULL);
  bool failed = result < 0 && iotkit_job_get_state(job) == IOTKIT_JOB_FAILED;
  bool first;
  int returned = leave_fetch(ota, job, result, &first);
  if (failed && returned < 0) log_failure(job);
  /* The report that moves the platform's job on to upgrading. */
  if (first) report_progress(ota, 0, "download begins");
  iotkit_job_unref(job);
  end_fetch(ota);
  return returned;
}
