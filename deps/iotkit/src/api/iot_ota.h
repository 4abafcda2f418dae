/*
 * iot_ota.h - what stands behind a handle of IOT_OTA_Init, for iot_ota.c, iot_ota_config.c and
 * iot_ota_ioctl.c.
 */
#ifndef IK_API_IOT_OTA_H
#define IK_API_IOT_OTA_H

#include <stdatomic.h>

#include "api/job.h"
#include "iot_export_ota.h"
#include "iotkit_ota.h"
#include "ota/config.h"
#include "port/port.h"

#define IK_IOT_OTA_FAILED (-1)   /* what functions return where the last error says more */
#define IK_IOT_OTA_WAITING_MAX 2 /* the newest firmware and the newest configuration */

/* Remote configuration of a handle. */
struct ik_iot_ota_config {
  char topics[IK_CONFIG_TOPICS][IK_OTA_TOPIC_MAX];
  size_t subscribed;
  atomic_uintptr_t callback_thread; /* 0: none runs */
};

struct iot_ota {
  iotkit_mqtt_t *client; /* borrowed */
  iotkit_ota_t *channel;
  struct ik_iot_ota_config config;
  struct ik_mutex *mutex;
  struct ik_cond *cond;  /* a fetch returned */
  IOT_OTA_State_t state; /* INITED, FETCHING, FETCHED */
  int last_error;
  iotkit_job_t *job; /* NULL while INITED */
  /* Announced meanwhile, in their order; of firmware and of configurations the newest. */
  iotkit_job_t *waiting[IK_IOT_OTA_WAITING_MAX];
  size_t waiting_count;
  bool in_fetch;
  uintptr_t fetch_thread; /* while in_fetch */
  bool end_seen; /* FETCHED, and the program has been told: the next job may take its place */
  bool begun;    /* the first bytes were reported */
  uint64_t not_counted; /* bytes fetched before RESET_FETCHED_SIZE, in state FETCHED */
  int (*on_pushed)(void *context);
};

/* The configuration of the job that is fetched or was; NULL: that is firmware, or there is none. */
const struct ik_config *ik_iot_ota_config(const struct iot_ota *ota);
/* Sets the last error and gives back what the function returns. */
int ik_iot_ota_fail(struct iot_ota *ota, int returned, int error);
/* A job was announced: takes over the reference, tells the pushed callback. */
void ik_iot_ota_offer(struct iot_ota *ota, iotkit_job_t *job);
/* An announcement was refused. */
void ik_iot_ota_refused(struct iot_ota *ota, int error);

/* Takes over the job, which becomes the one to fetch. With the mutex held. */
void ik_iot_ota_start(struct iot_ota *ota, iotkit_job_t *job);
/*
 * The only way to change the state: the client is told whether an upgrade is being fetched. With
 * the mutex held.
 */
void ik_iot_ota_set_state(struct iot_ota *ota, IOT_OTA_State_t state);
/* Begins the job that has waited longest; false: none waits. With the mutex held. */
bool ik_iot_ota_start_waiting(struct iot_ota *ota);

/* ---- iot_ota_config.c ---- */

/* Subscribes, once there is a channel; `detail` names what failed. */
int ik_iot_ota_config_open(struct iot_ota *ota, const char *product_key, const char *device_name,
                           char *detail);
/* Unsubscribes; afterwards no callback runs. May be called without open. */
void ik_iot_ota_config_close(struct iot_ota *ota);
/* Whether the calling thread is inside a callback of it. */
bool ik_iot_ota_config_in_callback(const struct iot_ota *ota);

#endif
