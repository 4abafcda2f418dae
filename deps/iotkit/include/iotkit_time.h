/**
 * @file
 * iotkit_time.h - the platform's time, asked for over a device's MQTT connection.
 *
 * For devices whose own clock may be wrong: no battery, no NTP server in reach. One exchange is two
 * small messages with QoS 0 (Alibaba Cloud IoT Platform, "NTP service" of its manual); either may
 * be lost. The platform's clock is read as in NTP: it is assumed that the message took as long
 * there as back, so that half of the round trip is what a reading may be wrong by.
 */
#ifndef IOTKIT_TIME_H
#define IOTKIT_TIME_H

#include "iotkit_ota.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The platform's time, as one exchange or the best of several has it. */
struct iotkit_time_reading {
  uint64_t time_ms;  /**< the platform's time, milliseconds since 1970 UTC, at the moment `at_ms` */
  uint64_t at_ms;    /**< of iotkit_now_ms(): when the answer came */
  int64_t offset_ms; /**< the platform's time less this machine's clock, at that moment */
  uint32_t uncertainty_ms; /**< time and offset are right by so much, if the platform's clock is */
};

/** The time of a device's platform; borrows its OTA channel. */
typedef struct iotkit_time iotkit_time_t;

/** Of iotkit_time_new(). Callbacks that are NULL are not called. */
struct iotkit_time_options {
  size_t struct_size; /**< sizeof of this struct, or 0: see iotkit_core.h */
  /**
   * The answer to iotkit_time_request(), whose `request_id` it was. `reading` is valid during the
   * callback.
   */
  void (*on_time)(void *ctx, iotkit_time_t *time, const struct iotkit_time_reading *reading,
                  const char *request_id);
  /**
   * A message of the platform's was refused: IK_ENOTICE_JSON, IK_ENOTICE_FIELD, IK_ETOO_LONG,
   * IK_ENO_MEMORY. `detail` names what is wrong; `request_id` is that of the request it answers, "":
   * it does not say. Both valid during the callback.
   */
  void (*on_refused)(void *ctx, iotkit_time_t *time, int error, const char *detail,
                     const char *request_id);
  void *ctx; /**< of the callbacks, which run on the thread that steps the client; not touched */
};

#define IOTKIT_TIME_EXCHANGES_MAX 16 /**< of one iotkit_time_measure() */
#define IOTKIT_TIME_ID_MAX 24        /**< bytes of a request's id, its NUL included */

/**
 * Subscribes the topic of the device of `ota`; returns at once. The channel must outlive it.
 * `detail` may be NULL. Errors: IK_EINVALID_ARGUMENT, IK_ENO_MEMORY, those of
 * iotkit_mqtt_subscribe().
 */
IOTKIT_API int iotkit_time_new(iotkit_ota_t *ota, const struct iotkit_time_options *options,
                               iotkit_time_t **out, char *detail);
/**
 * Unsubscribes; afterwards no callback runs. Not inside a callback of the same object:
 * IK_EIN_CALLBACK; nor while another thread is in a call with it. NULL is allowed.
 */
IOTKIT_API int iotkit_time_free(iotkit_time_t *time);
/**
 * Begins one exchange; on_time follows, unless a message is lost. `request_id` (may be NULL, else
 * IOTKIT_TIME_ID_MAX bytes) gets the id that the callback will have. Of more than 16 that wait the
 * oldest is given up. The errors of iotkit_mqtt_publish().
 */
IOTKIT_API int iotkit_time_request(iotkit_time_t *time, char *request_id);
/**
 * Does `exchanges` (1 to IOTKIT_TIME_EXCHANGES_MAX) one after the other and writes the reading with
 * the smallest round trip. Blocks for at most `timeout_ms`, of which each exchange gets an equal
 * share; a lost one counts as done. The client is driven meanwhile as iotkit_job_fetch() does it for
 * MQTT blocks, so that callbacks may run inside; on_time is not called. One call at a time. Errors:
 * IK_ETIMEOUT: no answer; IK_EBUSY: another thread measures; IK_EIN_CALLBACK: inside a callback of
 * the client; IK_EINVALID_ARGUMENT, and those of iotkit_mqtt_publish() where no exchange succeeded.
 */
IOTKIT_API int iotkit_time_measure(iotkit_time_t *time, unsigned exchanges, uint32_t timeout_ms,
                                   struct iotkit_time_reading *out);

#ifdef __cplusplus
}
#endif
#endif
