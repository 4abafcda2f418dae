/*
 * iot_ota.c - IOT_OTA_*: life of a handle, announcements, reports.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "channel/ota.h"
#include "published/iot_mqtt.h"
#include "published/iot_ota_handle.h"

/* ---- announcements ---- */

/* A job was announced: takes over the reference and calls the program's callback. */
static void offer(struct iot_ota *ota, iotkit_job_t *job) {
  ik_job_set_no_rewind(job);
  ik_mutex_lock(ota->mutex);
  ik_iot_ota_take(ota, job);
  int (*on_pushed)(void *context) = ota->state == IOT_OTAS_UNINITED ? NULL : ota->on_pushed;
  ik_mutex_unlock(ota->mutex);
  if (on_pushed != NULL) on_pushed(ota);
}

static void note_refusal(struct iot_ota *ota, int error) {
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
  note_refusal(ota, IK_EUNSUPPORTED);
  iotkit_job_unref(job);
}

static void on_upgrade(void *ctx, iotkit_ota_t *channel, iotkit_job_t *job) {
  if (iotkit_job_upgrade(job)->file_count > 0) {
    refuse_files(ctx, channel, job);
  } else {
    offer(ctx, job);
  }
}

static void on_refused(void *ctx, iotkit_ota_t *channel, int error, const char *detail,
                       const char *request_id) {
  (void)request_id;
  (void)channel;
  (void)detail;
  note_refusal(ctx, error);
}

static void on_config(void *ctx, iotkit_config_t *config, iotkit_job_t *job) {
  (void)config;
  offer(ctx, job);
}

static void on_config_refused(void *ctx, iotkit_config_t *config, int error, const char *detail,
                              const char *request_id) {
  (void)config;
  (void)detail;
  (void)request_id;
  note_refusal(ctx, error);
}

/* ---- life ---- */

static void free_handle(struct ik_iot_handle *counted) {
  struct iot_ota *ota = (struct iot_ota *)counted;
  iotkit_job_unref(ota->job);
  for (size_t i = 0; i < ota->waiting_count; i++)
    iotkit_job_unref(ota->waiting[i]);
  ik_cond_free(ota->cond);
  ik_mutex_free(ota->mutex);
  ik_iot_mqtt_drop(ota->mqtt);
  free(ota);
}

/* Afterwards no callback runs. */
static void close_channels(struct iot_ota *ota) {
  iotkit_config_free(ota->config);
  iotkit_ota_free(ota->channel);
}

static int open_channels(struct iot_ota *ota, const char *product_key, const char *device_name,
                         char *detail) {
  const struct iotkit_ota_options options = {
      .product_key = product_key,
      .device_name = device_name,
      .on_upgrade = on_upgrade,
      .on_refused = on_refused,
      .ctx = ota,
  };
  const struct iotkit_config_options config = {
      .answer_pushes = true,
      .on_config = on_config,
      .on_refused = on_config_refused,
      .ctx = ota,
  };
  int rc = iotkit_ota_new(ota->client, &options, &ota->channel, detail);
  if (rc == 0) rc = iotkit_config_new(ota->channel, &config, &ota->config, detail);
  return rc;
}

void *IOT_OTA_Init(const char *product_key, const char *device_name, void *ch_signal) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  if (product_key == NULL || device_name == NULL || ch_signal == NULL) return NULL;
  struct iot_ota *ota = calloc(1, sizeof(*ota));
  if (ota == NULL) return NULL;
  ik_iot_handle_init(&ota->counted, &ik_iot_ota_handles, free_handle);
  ota->mqtt = ik_iot_mqtt_take(ch_signal);
  ota->client = ik_iot_mqtt_client(ota->mqtt);
  ota->state = IOT_OTAS_INITED;
  ota->mutex = ik_mutex_new();
  ota->cond = ik_cond_new();
  int rc = ota->mutex != NULL && ota->cond != NULL ? 0 : IK_ENO_MEMORY;
  if (rc == 0 && ota->client == NULL) rc = IK_EINVALID_ARGUMENT; /* destroyed already */
  if (rc == 0) rc = open_channels(ota, product_key, device_name, detail);
  if (rc == 0) return ota;
  ik_log(IOTKIT_LOG_ERROR, "IOT_OTA_Init: %s: %s", iotkit_strerror(rc), detail);
  close_channels(ota);
  ik_iot_handle_drop(&ota->counted);
  return NULL;
}

/* From now on only this call is inside; false: another one does it, or this thread fetches. */
static bool shut(struct iot_ota *ota, int *error) {
  ik_mutex_lock(ota->mutex);
  /* In a callback that runs because FetchYield drives the client: it would wait for itself. */
  const bool fetches = ota->in_fetch && ota->fetch_thread == ik_thread_self();
  const bool ended = ota->state == IOT_OTAS_UNINITED;
  *error = fetches ? IOT_OTAE_INVALID_STATE : IOT_OTAE_INVALID_PARAM;
  if (fetches) ota->last_error = IOT_OTAE_INVALID_STATE;
  if (!fetches && !ended) {
    ik_iot_ota_set_state(ota, IOT_OTAS_UNINITED);
    if (ota->job != NULL) iotkit_job_abort(ota->job);
    while (ota->calls > 1)
      ik_cond_wait(ota->cond, ota->mutex, UINT64_MAX);
  }
  ik_mutex_unlock(ota->mutex);
  return !fetches && !ended;
}

static int deinit(struct iot_ota *ota) {
  int error;
  if (ik_ota_in_callback(ota->channel) || ik_config_in_callback(ota->config))
    return ik_iot_ota_fail(ota, IOT_OTAE_INVALID_STATE, IOT_OTAE_INVALID_STATE);
  if (!shut(ota, &error)) return error;
  close_channels(ota);
  ik_iot_handle_drop(&ota->counted); /* the program's */
  return 0;
}

int IOT_OTA_Deinit(void *handle) {
  struct iot_ota *ota = ik_iot_ota_enter(handle);
  return ota != NULL ? ik_iot_ota_leave(ota, deinit(ota)) : IOT_OTAE_INVALID_PARAM;
}

int IOT_OTA_SetOnPushedCallback(void *handle, int (*on_pushed)(void *context)) {
  struct iot_ota *ota = ik_iot_ota_enter(handle);
  if (ota == NULL) return IOT_OTAE_INVALID_PARAM;
  ik_mutex_lock(ota->mutex);
  ota->on_pushed = on_pushed;
  ik_mutex_unlock(ota->mutex);
  return ik_iot_ota_leave(ota, 0);
}

int IOT_OTA_GetLastError(void *handle) {
  struct iot_ota *ota = ik_iot_ota_enter(handle);
  if (ota == NULL) return IOT_OTAE_INVALID_PARAM;
  ik_mutex_lock(ota->mutex);
  int error = ota->last_error;
  ik_mutex_unlock(ota->mutex);
  return ik_iot_ota_leave(ota, error);
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
  struct iot_ota *ota = version != NULL ? ik_iot_ota_enter(handle) : NULL;
  if (ota == NULL) return IOT_OTAE_INVALID_PARAM;
  return ik_iot_ota_leave(ota, publish_version(ota, IK_OTA_INFORM, version));
}

static int request_image(struct iot_ota *ota, const char *version) {
  if (IOT_OTA_IsFetching(ota))
    return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED, IOT_OTAE_INVALID_STATE);
  return publish_version(ota, IK_OTA_REQUEST, version);
}

int iotx_req_image(void *handle, const char *version) {
  struct iot_ota *ota = version != NULL ? ik_iot_ota_enter(handle) : NULL;
  if (ota == NULL) return IOT_OTAE_INVALID_PARAM;
  return ik_iot_ota_leave(ota, request_image(ota, version));
}

static int report_progress(struct iot_ota *ota, int step, const char *msg) {
  if (step < IOT_OTAP_BURN_FAILED || step > IOT_OTAP_FETCH_PERCENTAGE_MAX) {
    return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED, IOT_OTAE_INVALID_PARAM);
  }
  int rc = ik_iot_ota_report_progress(ota, step, msg);
  if (rc >= 0) return 0;
  if (rc == IK_ETOO_LONG) return ik_iot_ota_fail(ota, IOT_OTAE_STR_TOO_LONG, IOT_OTAE_STR_TOO_LONG);
  if (rc == IK_EINVALID_ARGUMENT)
    return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED, IOT_OTAE_INVALID_PARAM);
  return ik_iot_ota_fail(ota, IOT_OTAE_OSC_FAILED, IOT_OTAE_OSC_FAILED);
}

int IOT_OTA_ReportProgress(void *handle, IOT_OTA_Progress_t progress, const char *msg) {
  struct iot_ota *ota = ik_iot_ota_enter(handle);
  if (ota == NULL) return IOT_OTAE_INVALID_PARAM;
  return ik_iot_ota_leave(ota, report_progress(ota, (int)progress, msg));
}
