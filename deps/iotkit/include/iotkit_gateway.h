/**
 * @file
 * iotkit_gateway.h - a gateway's sub-devices: topology, logins, and their OTA channels, all on the
 * gateway's one MQTT connection.
 *
 * A sub-device has an identity of its own at the platform, but no connection: the gateway logs it in,
 * and then its topics are used on the gateway's connection. Whoever is to be logged in stays so: the
 * gateway logs them all in again after each reconnect, in batches and below the platform's rate.
 *
 * A gateway needs a client of this library (iotkit_mqtt_t), with which it is driven and by which it
 * subscribes for one connection at a time; a connection of the program's (iotkit_over.h) will not do.
 *
 * A gateway (iotkit_gateway_t) borrows its client and has no thread: it works whenever the client is
 * stepped or yielded, and has its part in iotkit_mqtt_deadline(). Answers and events come on that
 * thread, with no lock held; every function of this header may be called inside them but
 * iotkit_gateway_free(). A lost connection logs all sub-devices out; that is reported by the client's
 * EVENT_STATE alone. Protocol: Alibaba Cloud IoT Platform, documents 89298 and 89299 (registration,
 * topology), 89300 (logins), 89303 (disabling), 30527 (limits).
 */
#ifndef IOTKIT_GATEWAY_H
#define IOTKIT_GATEWAY_H

#include "iotkit_ota.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IOTKIT_SUBDEVICES_MAX 2000 /**< of one gateway */

/** Of one client; there is one gateway for each. */
typedef struct iotkit_gateway iotkit_gateway_t;

/** A sub-device's identity. The texts are copied where they are needed later. */
struct iotkit_subdevice {
  const char *product_key;   /**< 1-20 characters */
  const char *device_name;   /**< 1-32 characters */
  const char *device_secret; /**< 1-64 characters; for add and login */
  /** for add and login, 1-128 bytes of UTF-8 that are signed as they are; NULL: "{product_key}.{device_name}" */
  const char *client_id;
  enum iotkit_sign_method method; /**< for add and login; HMAC-SHA256 by default */
  /** for login: the platform keeps the QoS 1 messages that it has not delivered yet */
  bool keep_session;
  uint64_t reserved[2]; /**< 0 */
};

/* ---- requests ---- */

/** A sub-device in an answer or event. */
struct iotkit_subdevice_name {
  const char *product_key;   /**< never NULL */
  const char *device_name;   /**< never NULL */
  const char *device_secret; /**< of a registration; else NULL. Not to be logged */
  const char *iot_id;        /**< the platform's id, of a registration; else NULL */
};

/** What became of a request. All of it is valid during the callback only. */
struct iotkit_gateway_answer {
  /**
   * 0: done. IK_EGATEWAY_…, IK_ESUBDEVICE_…: refused with `code`. IK_ETIMEOUT; IK_ENOT_CONNECTED: the
   * connection was lost, the platform may have done it or not; IK_ECLOSED: the gateway or the client
   * was closed; IK_ENOTICE_JSON, IK_ENOTICE_FIELD: the answer could not be read, `message` says why
   */
  int error;
  uint32_t code;       /**< the platform's: 200 for success; 0: there is none */
  const char *message; /**< what the platform says about it; "" for nothing */
  const struct iotkit_subdevice_name *devices; /**< those that the answer names */
  size_t count;                                /**< of `devices` */
};

/** Called once for each request that was accepted. */
typedef void (*iotkit_gateway_answer_fn)(void *ctx, iotkit_gateway_t *gateway,
                                         const struct iotkit_gateway_answer *answer);

/* ---- events ---- */

/** What happened to a sub-device. */
enum iotkit_gateway_event_type {
  IOTKIT_GATEWAY_LOGGED_IN = 1, /**< its topics may be used; after each reconnect, too */
  /**
   * `error`, `code`, `message`: it is not tried again before the next connection or
   * iotkit_gateway_login()
   */
  IOTKIT_GATEWAY_REFUSED,
  /** as was asked for, or because the platform lost the session: then it is logged in again by itself */
  IOTKIT_GATEWAY_LOGGED_OUT,
  /** IK_ESUBDEVICE_KICKED: the same device has logged in elsewhere; it is not logged in again */
  IOTKIT_GATEWAY_KICKED,
  IOTKIT_GATEWAY_DISABLED,   /**< by the operator: it is offline until it is enabled again */
  IOTKIT_GATEWAY_ENABLED,    /**< again: if it is to be logged in, that follows by itself */
  IOTKIT_GATEWAY_DELETED,    /**< from the topology or the platform: it is not logged in again */
  IOTKIT_GATEWAY_CREATED,    /**< the topology has it now */
  IOTKIT_GATEWAY_ADD_WANTED, /**< the owner wants it: add it, then log it in */
  /**
   * Sub-devices of `product_key` ("": of any product) may join for `timeout_s`: look for them, then
   * iotkit_gateway_found() or iotkit_gateway_add(). `device_name` is "". It was answered already
   */
  IOTKIT_GATEWAY_PERMIT
};

/** One event. All of it is valid during the callback only. */
struct iotkit_gateway_event {
  enum iotkit_gateway_event_type type; /**< says which of the fields count */
  const char *product_key;             /**< of the sub-device; never NULL */
  const char *device_name;             /**< likewise */
  int error;                           /**< of REFUSED and KICKED; else 0 */
  uint32_t code;                       /**< the platform's; 0: there is none */
  const char *message;                 /**< what the platform says about it; "" for nothing */
  uint32_t timeout_s; /**< of PERMIT, seconds as the platform said; 0: it did not say how long */
};

/* ---- life ---- */

/** Of iotkit_gateway_new(). */
struct iotkit_gateway_options {
  size_t struct_size;          /**< sizeof of this struct, or 0: see iotkit_core.h */
  const char *product_key;     /**< of the gateway itself, as its client has signed in; copied */
  const char *device_name;     /**< likewise */
  uint32_t request_timeout_ms; /**< for each answer; 0: 10,000 */
  /** NULL: nobody hears of events */
  void (*on_event)(void *ctx, iotkit_gateway_t *gateway, const struct iotkit_gateway_event *event);
  void *ctx; /**< of on_event; not touched */
  /**
   * version reports of all sub-devices together, in a second, 1-1000. 0: 20, half of them with QoS 1 and
   * half with QoS 0, which a platform takes even if it counts whatever the connection carries as the
   * gateway's. More, all with QoS 1, where it counts by device (document 30527 speaks of "a single
   * device") or does not count at all; one that is held to less drops them without a word
   */
  uint32_t reports_per_s;
};

/**
 * Subscribes the gateway's topics; returns at once. The client must outlive the gateway. Errors:
 * IK_EINVALID_ARGUMENT, IK_ETOO_LONG, IK_ENO_MEMORY, those of iotkit_mqtt_subscribe(); `detail` (may be
 * NULL) names what is wrong.
 */
IOTKIT_API int iotkit_gateway_new(iotkit_mqtt_t *client,
                                  const struct iotkit_gateway_options *options,
                                  iotkit_gateway_t **out, char *detail);
/**
 * Unsubscribes, answers what is not answered yet with IK_ECLOSED, on the calling thread, wipes the
 * secrets and frees; afterwards no callback runs. It logs nobody out: the platform does when the
 * connection ends. IK_EIN_CALLBACK inside an answer, an event, or a callback of a sub-device's channel;
 * IK_EINVALID_STATE: free the sub-devices' channels first. Not while another thread is in a call with
 * it. NULL is allowed.
 */
IOTKIT_API int iotkit_gateway_free(iotkit_gateway_t *gateway);

/* ---- topology ---- */

/**
 * Each of these sends one message (QoS 0) about 1 to 30 sub-devices; `on_answer` (may be NULL) follows
 * with `ctx`. Errors, after which no answer follows: IK_EINVALID_ARGUMENT, IK_ETOO_LONG (`detail`, may
 * be NULL, names the field), IK_EQUEUE_FULL (48 requests wait), IK_ENO_MEMORY, and those of
 * iotkit_mqtt_publish(), IK_ENOT_CONNECTED above all. Adds sub-devices to the topology; device secrets
 * are needed.
 */
IOTKIT_API int iotkit_gateway_add(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                                  size_t count, iotkit_gateway_answer_fn on_answer, void *ctx,
                                  char *detail);
/** Takes sub-devices out of the topology, which logs them out. As iotkit_gateway_add(). */
IOTKIT_API int iotkit_gateway_delete(iotkit_gateway_t *gateway,
                                     const struct iotkit_subdevice *devices, size_t count,
                                     iotkit_gateway_answer_fn on_answer, void *ctx, char *detail);
/**
 * Reports sub-devices that were found, so that the owner may want them (IOTKIT_GATEWAY_ADD_WANTED). As
 * iotkit_gateway_add().
 */
IOTKIT_API int iotkit_gateway_found(iotkit_gateway_t *gateway,
                                    const struct iotkit_subdevice *devices, size_t count,
                                    iotkit_gateway_answer_fn on_answer, void *ctx, char *detail);
/**
 * Registers sub-devices whose names the platform has: the answer brings their secrets. As
 * iotkit_gateway_add().
 */
IOTKIT_API int iotkit_gateway_register(iotkit_gateway_t *gateway,
                                       const struct iotkit_subdevice *devices, size_t count,
                                       iotkit_gateway_answer_fn on_answer, void *ctx, char *detail);
/**
 * Registers sub-devices of one product by the product's secret (1-64 characters; wiped from every
 * buffer afterwards), where the product has dynamic registration switched on: the answer brings the
 * secrets of those that were registered, which may be fewer. Of `devices` product key, device name and
 * method count. As iotkit_gateway_add(); also IK_EINVALID_ARGUMENT: they are of several products.
 */
IOTKIT_API int iotkit_gateway_provision(iotkit_gateway_t *gateway, const char *product_secret,
                                        const struct iotkit_subdevice *devices, size_t count,
                                        iotkit_gateway_answer_fn on_answer, void *ctx,
                                        char *detail);
/** Asks which sub-devices the topology has. As iotkit_gateway_add(). */
IOTKIT_API int iotkit_gateway_get(iotkit_gateway_t *gateway, iotkit_gateway_answer_fn on_answer,
                                  void *ctx);

/* ---- logins ---- */

/**
 * From now on these sub-devices are to be logged in, whether there is a connection or not; an event
 * follows for each. The topology must have them. One that is logged in already stays so, with what is
 * new of its identity used for the next login. Secrets are kept until iotkit_gateway_logout(). All or
 * none are taken: IK_EINVALID_ARGUMENT, IK_ETOO_LONG (`detail`, may be NULL, names the field),
 * IK_ESUBDEVICE_LIMIT (above IOTKIT_SUBDEVICES_MAX), IK_ENO_MEMORY.
 */
IOTKIT_API int iotkit_gateway_login(iotkit_gateway_t *gateway,
                                    const struct iotkit_subdevice *devices, size_t count,
                                    char *detail);
/**
 * From now on they are not to be logged in; names that are not known are left out.
 * IOTKIT_GATEWAY_LOGGED_OUT follows for those that were. IK_EINVALID_ARGUMENT.
 */
IOTKIT_API int iotkit_gateway_logout(iotkit_gateway_t *gateway,
                                     const struct iotkit_subdevice *devices, size_t count);
/** Whether it is logged in at this moment; another thread may be changing it. */
IOTKIT_API bool iotkit_gateway_is_logged_in(iotkit_gateway_t *gateway, const char *product_key,
                                            const char *device_name);

/* ---- a sub-device's OTA channel ---- */

/**
 * As iotkit_ota_new() for a sub-device that iotkit_gateway_login() was called for, logged in or not;
 * one channel each, to be freed before the gateway. The gateway subscribes its topics after each login.
 * What iotkit_ota_report_version() takes (and then returns 0) is kept, one version a module, sent when
 * the sub-device is logged in, at `reports_per_s` for all of them, and again after each later login.
 * Progress and requests are IK_ENOT_CONNECTED while it is not, and so are those of remote configuration
 * (iotkit_config.h) and time (iotkit_time.h) over such a channel. Channels whose `fetch` options are all 0
 * share one copy of the defaults for each product. Errors: also IK_EINVALID_STATE: no such sub-device,
 * or it has a channel.
 */
IOTKIT_API int iotkit_gateway_ota_new(iotkit_gateway_t *gateway,
                                      const struct iotkit_ota_options *options, iotkit_ota_t **out,
                                      char *detail);

#ifdef __cplusplus
}
#endif
#endif
