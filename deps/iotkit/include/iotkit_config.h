/**
 * @file
 * iotkit_config.h - remote configuration of a device: asked for, pushed, answered.
 *
 * A configuration is one file of at most 64 KiB for all devices of a product. It becomes a job
 * (iotkit_job_t), so that it is downloaded and verified as firmware is; iotkit_job_config() says
 * what it has besides. The platform pushes a new one to the devices that are connected, and never
 * again to those that were not: a device asks after it has connected. Protocol: Alibaba Cloud IoT
 * Platform, documents 89308 (topics and payloads) and 84891 (limits; the URL is valid for 30
 * minutes).
 */
#ifndef IOTKIT_CONFIG_H
#define IOTKIT_CONFIG_H

#include "iotkit_ota.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IOTKIT_CONFIG_ACCEPTED 200     /**< as `code`: the configuration is taken */
#define IOTKIT_CONFIG_MESSAGE_MAX 1024 /**< bytes of the text that goes with an answer */

/** What a configuration has beyond an upgrade. The texts live as long as the job; absent ones "". */
struct iotkit_config_info {
  const char *config_id;   /**< the platform's name for this file; another file has another */
  const char *sign;        /**< the digest as it was sent, hex; iotkit_upgrade has its bytes */
  const char *sign_method; /**< as it was sent, such as "Sha256" */
  const char *get_type;    /**< "file" */
  bool pushed; /**< by the platform, which awaits an answer; else a reply to a request */
};

/**
 * What the configuration of a job is, the job's own, never changing; NULL: the job is firmware. The
 * job's upgrade has id, URL, size and digest; its version and module are "". Keys of the fetch
 * options have no say: the platform signs no configuration, so its digest, which came over the
 * device's MQTT connection, is what verifies it. Nor does it wait for another URL: where the server
 * says that its own has expired, the fetch ends with IK_EURL_EXPIRED, and a new request brings a new
 * job.
 */
IOTKIT_API const struct iotkit_config_info *iotkit_job_config(const iotkit_job_t *job);

/** The configurations of a device; borrows its OTA channel. */
typedef struct iotkit_config iotkit_config_t;

/** Of iotkit_config_new(). Callbacks that are NULL are not called. */
struct iotkit_config_options {
  size_t struct_size; /**< sizeof of this struct, or 0: see iotkit_core.h */
  /**
   * Each push is answered by itself, with 200 before on_config is called; else the program does it
   * with iotkit_config_answer(). One that cannot be read is answered with 460, or 500 where memory
   * was missing, in either case.
   */
  bool answer_pushes;
  /** There is a configuration to fetch. The callee owns the job's reference. */
  void (*on_config)(void *ctx, iotkit_config_t *config, iotkit_job_t *job);
  /**
   * The platform refused a request (IK_EPLATFORM_PARAMETERS, code 460; IK_EPLATFORM_UNAVAILABLE,
   * 429 and 500; IK_ECONFIG_DISABLED, 6713; IK_ENOTICE_CODE, another one, which `detail` has), or a
   * message of it was refused here (IK_ENOTICE_JSON, IK_ENOTICE_FIELD, IK_EDIGEST_METHOD, IK_EURL,
   * IK_EURL_SCHEME, IK_ETOO_LONG, IK_ENO_MEMORY). `detail` names what is wrong; `request_id` is that
   * of the request it answers, "" for a push. Both valid during the callback.
   */
  void (*on_refused)(void *ctx, iotkit_config_t *config, int error, const char *detail,
                     const char *request_id);
  /** The platform answered a request that the product has no configuration (6710, or none in 200). */
  void (*on_nothing)(void *ctx, iotkit_config_t *config, const char *request_id);
  void *ctx; /**< of the callbacks, which run on the thread that steps the client; not touched */
};

/**
 * Subscribes the topics of the device of `ota`; returns at once. The channel must outlive it; its
 * jobs are fetched as the channel's options say. `detail` may be NULL. Errors:
 * IK_EINVALID_ARGUMENT, IK_ENO_MEMORY, those of iotkit_mqtt_subscribe(). Callbacks may run before it
 * returns.
 */
IOTKIT_API int iotkit_config_new(iotkit_ota_t *ota, const struct iotkit_config_options *options,
                                 iotkit_config_t **out, char *detail);
/**
 * Unsubscribes; afterwards no callback runs. Not inside a callback of the same object:
 * IK_EIN_CALLBACK; nor while another thread is in a call with it. NULL is allowed.
 */
IOTKIT_API int iotkit_config_free(iotkit_config_t *config);
/**
 * Asks for the configuration (thing/config/get, QoS 0); one of the callbacks follows. `request_id`
 * (may be NULL, else 16 bytes) gets the id that the reply will carry. The errors of
 * iotkit_mqtt_publish().
 */
IOTKIT_API int iotkit_config_request(iotkit_config_t *config, char *request_id);
/**
 * Answers the push whose message has the id `push_id` (the job's upgrade has it; QoS 0). `code`:
 * IOTKIT_CONFIG_ACCEPTED, or a positive number of the program's own, for which the platform's 460
 * (the parameters are wrong) and 500 (the device has failed) are the ones in use; `message` says
 * why, NULL: nothing. Errors: IK_EINVALID_ARGUMENT: `push_id` is NULL or empty, `code` is not above
 * 0, a text is not UTF-8; IK_ETOO_LONG; those of iotkit_mqtt_publish().
 */
IOTKIT_API int iotkit_config_answer(iotkit_config_t *config, const char *push_id, int code,
                                    const char *message);

#ifdef __cplusplus
}
#endif
#endif
