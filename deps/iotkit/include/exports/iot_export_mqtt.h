/**
 * @file
 * iot_export_mqtt.h - the published MQTT functions, over iotkit_mqtt.h.
 *
 * A handle is one client; there may be any number. Every function may be called from any thread and
 * inside any callback, but Yield, Subscribe_Sync and Destroy of a handle not inside a callback of
 * that handle: they return FAIL_RETURN there. Callbacks run on the thread that yields. The client
 * reconnects by itself (1 s, doubled up to 60 s, with jitter) and then restores its subscriptions.
 *
 * A handle of NULL means the only client of the process while exactly one is open (constructed and
 * not yet destroyed); while there is none or several it is an error, NULL_VALUE_ERROR. For Destroy
 * it always is.
 *
 * A handle may be destroyed while other threads call with it: calls that run by then return soon, and
 * with a handle that no longer exists each function returns NULL_VALUE_ERROR (CheckStateNormal 0). Do
 * not count on it after another Construct, which may give the same address again.
 */
#ifndef IOT_EXPORT_MQTT_H
#define IOT_EXPORT_MQTT_H

#include <stdint.h>

#include "../iotkit_core.h"
#include "iot_export_errno.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef DLL_IOT_API
#define DLL_IOT_API IOTKIT_API
#endif

/** Of the published multi-subscribe, which is not offered here; its name is misspelt. */
#define MUTLI_SUBSCIRBE_MAX (5)

/** How hard the delivery of a message is tried. */
typedef enum {
  IOTX_MQTT_QOS0 = 0, /**< at most once */
  IOTX_MQTT_QOS1 = 1, /**< at least once */
  IOTX_MQTT_QOS2 = 2  /**< exactly once: for subscribing only */
} iotx_mqtt_qos_t;

/** What `msg` of an event points to is said behind each. */
typedef enum {
  IOTX_MQTT_EVENT_UNDEF = 0,
  IOTX_MQTT_EVENT_DISCONNECT = 1,       /**< text: why */
  IOTX_MQTT_EVENT_RECONNECT = 2,        /**< text */
  IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS = 3, /**< (uintptr_t)msg is the packet id; so below */
  IOTX_MQTT_EVENT_SUBCRIBE_TIMEOUT = 4, /**< not answered in time; it is sent again */
  IOTX_MQTT_EVENT_SUBCRIBE_NACK = 5,    /**< refused; asked for again after the next reconnect */
  IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS = 6,
  IOTX_MQTT_EVENT_UNSUBCRIBE_TIMEOUT = 7,
  IOTX_MQTT_EVENT_UNSUBCRIBE_NACK = 8,   /**< never: MQTT 3.1.1 cannot say it */
  IOTX_MQTT_EVENT_PUBLISH_SUCCESS = 9,   /**< a QoS 1 publish was acknowledged */
  IOTX_MQTT_EVENT_PUBLISH_TIMEOUT = 10,  /**< never: it is sent again after a reconnect */
  IOTX_MQTT_EVENT_PUBLISH_NACK = 11,     /**< never */
  IOTX_MQTT_EVENT_PUBLISH_RECEIVED = 12, /**< iotx_mqtt_topic_info_t */
  IOTX_MQTT_EVENT_BUFFER_OVERFLOW = 13 /**< text: a message larger than read_buf_size was skipped */
} iotx_mqtt_event_type_t;

/** A message. To publish: qos, payload and payload_len are read, and retain; packet_id is set. */
typedef struct {
  uint16_t packet_id;   /**< arrived: 0 with QoS 0; published: set with QoS 1 */
  uint8_t qos;          /**< iotx_mqtt_qos_t */
  uint8_t dup;          /**< 1: delivered again, an earlier delivery may have been handled */
  uint8_t retain;       /**< 1: kept by the broker for those who subscribe later */
  uint16_t topic_len;   /**< bytes */
  uint32_t payload_len; /**< bytes */
  const char *ptopic;   /**< not NUL-terminated; valid during the callback */
  const char *payload;  /**< likewise */
} iotx_mqtt_topic_info_t, *iotx_mqtt_topic_info_pt; /**< of IOT_MQTT_Publish, not NULL */

/** What happened, valid during the callback. */
typedef struct {
  iotx_mqtt_event_type_t event_type; /**< says what `msg` is */
  void *msg;                         /**< a pointer to be read only, or a packet id in its place */
} iotx_mqtt_event_msg_t, *iotx_mqtt_event_msg_pt; /**< never NULL in a callback */

/** Called on the thread that yields; `pclient` is the handle, `pcontext` what was given with it. */
typedef void (*iotx_mqtt_event_handle_func_fpt)(void *pcontext, void *pclient,
                                                iotx_mqtt_event_msg_pt msg);

/** A function and what it is called with. */
typedef struct {
  iotx_mqtt_event_handle_func_fpt h_fp;                 /**< NULL: none */
  void *pcontext;                                       /**< handed to h_fp; not touched */
} iotx_mqtt_event_handle_t, *iotx_mqtt_event_handle_pt; /**< points to one; no ownership */

/** What IOT_MQTT_Construct connects with. Texts are copied by it. */
typedef struct {
  uint16_t port;         /**< 1 to 65535 */
  const char *host;      /**< name or address */
  const char *client_id; /**< UTF-8; the platform's is the one of iotx_conn_info_t */
  const char *username;  /**< NULL: none */
  const char *password;  /**< NULL: none; never logged */
  /** NULL: plain TCP; "": TLS, the system's CA store; else TLS, the CA in PEM */
  const char *pub_key;
  uint8_t clean_session; /**< 1: a clean session, else a persistent one */
  /** of CONNACK, SUBACK, UNSUBACK, PINGRESP; 500 to 5,000, else 2,000 */
  uint32_t request_timeout_ms;
  uint32_t keepalive_interval_ms; /**< taken into 30,000 to 1,200,000; 0: 60,000 */
  uint32_t write_buf_size;        /**< bytes of the largest packet to send; 0: 257 KiB */
  uint32_t read_buf_size;         /**< bytes of the largest packet to receive; 0: 257 KiB */
  iotx_mqtt_event_handle_t
      handle_event; /**< events, and messages that no subscription's function takes */
} iotx_mqtt_param_t, *iotx_mqtt_param_pt; /**< points to one; no ownership */

/**
 * Connects and returns the handle when the broker has accepted, or NULL: a parameter is not valid,
 * there is no connection within 10 s, no CONNACK within request_timeout_ms, or a refusal. NULL
 * parameters: as IOT_SetupConnInfo makes them of HAL_GetProductKey, HAL_GetDeviceName and
 * HAL_GetDeviceSecret.
 */
DLL_IOT_API void *IOT_MQTT_Construct(iotx_mqtt_param_t *pInitParams);
/**
 * Awaits the acknowledgements of what was published, disconnects, waits for the broker to end the
 * connection, all of it within 2 s; sets *phandler to NULL. Callbacks may run meanwhile; one that
 * another thread is in is waited for, as long as it takes. OTA handles of the client may be open
 * still: their calls that need it return errors from then on, images over HTTP are fetched to their
 * end, and IOT_OTA_Deinit frees what is left. NULL_VALUE_ERROR, also where another thread has
 * destroyed it or does so now; FAIL_RETURN inside a callback.
 */
DLL_IOT_API int IOT_MQTT_Destroy(void **phandler);
/**
 * Sends and receives, and runs callbacks. Returns 0 when something was handled or timeout_ms is
 * over, which is an upper bound; at once where it stands between two IOT_OTA_FetchYields of this
 * thread, of which the first has brought bytes.
 * FAIL_RETURN for a negative time-out.
 */
DLL_IOT_API int IOT_MQTT_Yield(void *handle, int timeout_ms);
/** 1: connected, 0: not. */
DLL_IOT_API int IOT_MQTT_CheckStateNormal(void *handle);
/**
 * Calls topic_handle_func for each message that matches. Returns the packet id, for
 * SUBCRIBE_SUCCESS; 0: it is sent with the next connect; MQTT_TOPIC_FORMAT_ERROR, NULL_VALUE_ERROR,
 * FAIL_RETURN.
 */
DLL_IOT_API int IOT_MQTT_Subscribe(void *handle, const char *topic_filter, iotx_mqtt_qos_t qos,
                                   iotx_mqtt_event_handle_func_fpt topic_handle_func,
                                   void *pcontext);
/**
 * As Subscribe, and waits for the answer. Returns the packet id; FAIL_RETURN: refused, or none
 * within timeout_ms.
 */
DLL_IOT_API int IOT_MQTT_Subscribe_Sync(void *handle, const char *topic_filter, iotx_mqtt_qos_t qos,
                                        iotx_mqtt_event_handle_func_fpt topic_handle_func,
                                        void *pcontext, int timeout_ms);
/**
 * Removes all functions of that filter, and asks the broker to forget it, also where nothing was
 * subscribed: a persistent session may have it from an earlier run. Returns the packet id; 0:
 * nothing is sent now, because the client is not connected (a persistent session sends it then) or
 * because an OTA handle needs the filter. MQTT_TOPIC_FORMAT_ERROR, NULL_VALUE_ERROR.
 */
DLL_IOT_API int IOT_MQTT_Unsubscribe(void *handle, const char *topic_filter);
/**
 * QoS 0: 0. QoS 1: the packet id. Topics begin with '/' and are 1 to 128 printable ASCII characters
 * without wildcards, else MQTT_TOPIC_FORMAT_ERROR. MQTT_PUBLISH_QOS_ERROR: another QoS;
 * MQTT_PUBLISH_PACKET_ERROR: larger than write_buf_size; MQTT_STATE_ERROR: not connected;
 * MQTT_PUSH_TO_LIST_ERROR: 20 are unacknowledged, or the queue is full.
 */
DLL_IOT_API int IOT_MQTT_Publish(void *handle, const char *topic_name,
                                 iotx_mqtt_topic_info_pt topic_msg);
/** As Publish; every error is FAIL_RETURN. */
DLL_IOT_API int IOT_MQTT_Publish_Simple(void *handle, const char *topic_name, int qos, void *data,
                                        int len);

#ifdef __cplusplus
}
#endif
#endif
