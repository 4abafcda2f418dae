/*
 * iot_ota_handle.h - the handle of IOT_OTA_Init, below the files that have the IOT_OTA_* functions:
 * iot_ota.c, iot_ota_fetch.c, iot_ota_config.c, iot_ota_ioctl.c.
 *
 * A handle owns two channels, for firmware and for configurations; the job that is fetched or was;
 * and the newest job of each kind that waits for its turn. The mutex guards the jobs and what
 * belongs to them; it is held during no callback, no fetch and no publish. A fetch works on its own
 * reference of the job, so that Ioctl may replace it meanwhile; only Deinit waits for a fetch, as for
 * every other call, to return.
 *
 *   INITED      nothing was announced     a job → FETCHING
 *   FETCHING    `job` is to be fetched    all fetched, or failed → FETCHED; RESET_STATE → INITED,
 *                                         or FETCHING when another job waits
 *   FETCHED     `job` was fetched, or     once the program has seen that (end_seen), a job that
 *               its fetch has failed      waits → FETCHING; RESET_STATE as above
 *   UNINITED    Deinit has begun          nothing
 */
#ifndef IK_PUBLISHED_IOT_OTA_HANDLE_H
#define IK_PUBLISHED_IOT_OTA_HANDLE_H

#include "alink/announcement.h"
#include "channel/config.h"
#include "download/job.h"
#include "iot_export_ota.h"
#include "iotkit_ota.h"
#include "port/port.h"
#include "published/iot_handles.h"

#define IK_IOT_OTA_FAILED (-1)   /* what functions return where the last error says more */
#define IK_IOT_OTA_WAITING_MAX 2 /* the newest firmware and the newest configuration */

struct ik_iot_mqtt;

struct iot_ota {
  struct ik_iot_handle counted; /* by the program and by each call */
  struct ik_iot_mqtt *mqtt;     /* with a reference: Destroy may come first */
  iotkit_mqtt_t *client;        /* its client */
  iotkit_ota_t *channel;
  iotkit_config_t *config;
  struct ik_mutex *mutex;
  struct ik_cond *cond;  /* a call returned */
  unsigned calls;        /* under way, Deinit's own included */
  IOT_OTA_State_t state; /* see above */
  int last_error;
  iotkit_job_t *job; /* NULL while INITED */
  /* Announced meanwhile, oldest first; the newest firmware and the newest configuration. */
  iotkit_job_t *waiting[IK_IOT_OTA_WAITING_MAX];
  size_t waiting_count;
  bool in_fetch;
  uintptr_t fetch_thread; /* while in_fetch */
  bool end_seen;          /* FETCHED, and the program knows: the next job may take its place */
  bool begun;             /* the first bytes were reported */
  uint64_t not_counted;   /* bytes fetched before RESET_FETCHED_SIZE, in state FETCHED */
  int (*on_pushed)(void *context);
};

/*
 * Each IOT_OTA_* function begins with enter and ends with leave, which gives `returned` back. NULL:
 * Deinit has begun, or there is no such handle. Until all calls have left, Deinit waits.
 */
struct iot_ota *ik_iot_ota_enter(void *handle);
int ik_iot_ota_leave(struct iot_ota *ota, int returned);
/* The handles that exist. */
extern struct ik_iot_handles ik_iot_ota_handles;

/* Sets the last error and gives back what the function returns. Without the mutex. */
int ik_iot_ota_fail(struct iot_ota *ota, int returned, int error);
/*
 * Reports progress for the module of the job that is fetched or was. The results of
 * iotkit_ota_report_progress(). Without the mutex.
 */
int ik_iot_ota_report_progress(struct iot_ota *ota, int step, const char *msg);

/* ---- with the mutex held ---- */

/* The configuration of the job that is fetched or was; NULL: that is firmware, or there is none. */
const struct iotkit_config_info *ik_iot_ota_config(const struct iot_ota *ota);
/* The only way to change the state. */
void ik_iot_ota_set_state(struct iot_ota *ota, IOT_OTA_State_t state);
/*
 * A job was announced; takes it over. It replaces one of its kind that waits, or of which nothing
 * was fetched; else it waits.
 */
void ik_iot_ota_take(struct iot_ota *ota, iotkit_job_t *job);
/* Takes over the job, which becomes the one to fetch. */
void ik_iot_ota_start(struct iot_ota *ota, iotkit_job_t *job);
/* Starts the job that has waited longest; false: none waits. */
bool ik_iot_ota_start_waiting(struct iot_ota *ota);
/* Starts it if the program has seen the end of the one before. */
void ik_iot_ota_promote(struct iot_ota *ota);
/* All of the job was fetched, or its fetch has failed. */
void ik_iot_ota_end(struct iot_ota *ota);

#endif
