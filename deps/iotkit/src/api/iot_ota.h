/*
 * iot_ota.h - what stands behind a handle of IOT_OTA_Init, for iot_ota.c and iot_ota_ioctl.c.
 */
#ifndef IK_API_IOT_OTA_H
#define IK_API_IOT_OTA_H

#include "api/job.h"
#include "iot_export_ota.h"
#include "iotkit_ota.h"
#include "port/port.h"

#define IK_IOT_OTA_FAILED (-1) /* what functions return where the last error says more */

struct iot_ota {
  iotkit_mqtt_t *client; /* borrowed */
  iotkit_ota_t *channel;
  struct ik_mutex *mutex;
  struct ik_cond *cond;  /* a fetch returned */
  IOT_OTA_State_t state; /* INITED, FETCHING, FETCHED */
  int last_error;
  iotkit_job_t *job;  /* NULL while INITED */
  iotkit_job_t *next; /* announced meanwhile; NULL: none */
  bool in_fetch;
  bool end_seen; /* FETCHED, and the program has been told: the next job may take its place */
  bool begun;    /* the first bytes were reported */
  uint64_t not_counted; /* bytes fetched before RESET_FETCHED_SIZE, in state FETCHED */
  int (*on_pushed)(void *context);
};

/* Takes over the job, which becomes the one to fetch. With the mutex held. */
void ik_iot_ota_start(struct iot_ota *ota, iotkit_job_t *job);
/*
 * The only way to change the state: the client is told whether an upgrade is being fetched. With
 * the mutex held.
 */
void ik_iot_ota_set_state(struct iot_ota *ota, IOT_OTA_State_t state);

#endif
