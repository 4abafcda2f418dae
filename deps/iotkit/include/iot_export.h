/**
 * @file
 * iot_export.h - the published API of the SDK: connecting, log, and what exports/ holds: MQTT and
 * OTA.
 *
 * The SDK's own API, which can more, is iotkit.h; both may be used in one program.
 */
#ifndef IOT_EXPORT_H
#define IOT_EXPORT_H

#include <stdint.h>

#include "iotkit_core.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef DLL_IOT_API
#define DLL_IOT_API IOTKIT_API
#endif

/**
 * Sizes that programs declare their buffers with: characters, without the NUL. The SDK refuses
 * longer keys, names and secrets; the other sizes are kept for programs that use them.
 * @{
 */
#ifndef PRODUCT_KEY_LEN
#define PRODUCT_KEY_LEN (20)
#define DEVICE_NAME_LEN (32)
#define DEVICE_ID_LEN (64)
#define DEVICE_SECRET_LEN (64)
#define PRODUCT_SECRET_LEN (64)
#endif
#define MODULE_VENDOR_ID (32)
#define HOST_ADDRESS_LEN (128)
#define HOST_PORT_LEN (8)
#define CLIENT_ID_LEN (256)
#define USER_NAME_LEN (512)
#define PASSWORD_LEN (256)
#define IOTX_PRODUCT_KEY_LEN (20)
#define IOTX_DEVICE_NAME_LEN (32)
#define IOTX_DEVICE_ID_LEN (64)
#define IOTX_DEVICE_SECRET_LEN (64)
#define IOTX_URI_MAX_LEN (135)
/** @} */

/** As iotkit_log_level, in the same order: the lines of a level and of those before it. */
typedef enum _IOT_LogLevel {
  IOT_LOG_NONE = 0,
  IOT_LOG_CRIT,
  IOT_LOG_ERROR,
  IOT_LOG_WARNING,
  IOT_LOG_INFO,
  IOT_LOG_DEBUG
} IOT_LogLevel; /**< of IOT_SetLogLevel */

/** Where the platform is: the host becomes "{product_key}.iot-as-mqtt.{region}.aliyuncs.com". */
typedef enum IOTX_CLOUD_REGION_TYPES {
  IOTX_CLOUD_REGION_SHANGHAI,  /**< cn-shanghai */
  IOTX_CLOUD_REGION_SINGAPORE, /**< ap-southeast-1 */
  IOTX_CLOUD_REGION_JAPAN,     /**< ap-northeast-1 */
  IOTX_CLOUD_REGION_USA_WEST,  /**< us-west-1 */
  IOTX_CLOUD_REGION_GERMANY,   /**< eu-central-1 */
  IOTX_CLOUD_REGION_CUSTOM,    /**< as IOTX_IOCTL_SET_MQTT_DOMAIN says */
  IOTX_CLOUD_DOMAIN_MAX        /**< how many there are; no region */
} iotx_cloud_region_types_t;   /**< of IOTX_IOCTL_SET_REGION; SHANGHAI to begin with */

/** A device as programs keep it, each text with its NUL. No function takes or gives one. */
typedef struct {
  char product_key[PRODUCT_KEY_LEN + 1];       /**< of the product on the platform */
  char device_name[DEVICE_NAME_LEN + 1];       /**< unique within the product */
  char device_id[DEVICE_ID_LEN + 1];           /**< "{product_key}.{device_name}" by custom */
  char device_secret[DEVICE_SECRET_LEN + 1];   /**< signs the device in; not to be logged */
  char module_vendor_id[MODULE_VENDOR_ID + 1]; /**< of the maker, or "" */
} iotx_device_info_t, *iotx_device_info_pt;    /**< points to one; no ownership */

/** What IOT_MQTT_Construct needs to connect one device, as IOT_SetupConnInfo makes it. */
typedef struct {
  uint16_t port;       /**< as IOTX_IOCTL_SET_MQTT_PORT says */
  uint8_t init;        /**< 1: the rest is filled in */
  char *host_name;     /**< by region, domain or endpoint */
  char *client_id;     /**< the signed one, "…|securemode=…|" */
  char *username;      /**< "{device_name}&{product_key}" */
  char *password;      /**< the signature, lower-case hex */
  const char *pub_key; /**< "" for TLS with the system's CA store, NULL for plain TCP */
} iotx_conn_info_t, *iotx_conn_info_pt; /**< what *info_ptr of IOT_SetupConnInfo is */

/**
 * Settings for all later IOT_SetupConnInfo of the process, unless it says otherwise. What is not explained returns
 * FAIL_RETURN.
 */
typedef enum {
  IOTX_IOCTL_SET_REGION = 0, /**< int *: iotx_cloud_region_types_t */
  IOTX_IOCTL_GET_REGION = 1, /**< int * */
  IOTX_IOCTL_SET_MQTT_DOMAIN =
      2, /**< const char *: the host becomes "{product_key}.{domain}"; region CUSTOM */
  IOTX_IOCTL_SET_MQTT_PORT = 3, /**< int *: 1 to 65535; 0: 443 for TLS, 1883 for plain TCP */
  IOTX_IOCTL_SET_ENV = 4,
  IOTX_IOCTL_SET_HTTP_DOMAIN = 5,
  IOTX_IOCTL_SET_DYNAMIC_REGISTER = 6,
  IOTX_IOCTL_GET_DYNAMIC_REGISTER = 7,
  IOTX_IOCTL_RECV_PROP_REPLY = 8,
  IOTX_IOCTL_RECV_EVENT_REPLY = 9,
  IOTX_IOCTL_SEND_PROP_SET_REPLY = 10,
  IOTX_IOCTL_SET_SUBDEV_SIGN = 11,
  IOTX_IOCTL_GET_SUBDEV_LOGIN = 12,
  IOTX_IOCTL_SET_ENDPOINT =
      13, /**< const char *: the host, verbatim; "": again by region or domain */
  IOTX_IOCTL_SET_UUID_ENABLED = 15,
  IOTX_IOCTL_SET_BOOTSTRAP_ENABLED = 16,
  /** the SDK's own */
  /**
   * int *: 1: TLS (the default; without an OpenSSL, connecting fails), 0: plain TCP. Nothing but
   * this setting makes a connection plain.
   */
  IOTX_IOCTL_SET_MQTT_TLS = 1000,
  /** int *: 0: hmacsha256 (the default), 1: hmacsha1, as the published SDK signs in, 2: hmacmd5 */
  IOTX_IOCTL_SET_SIGN_METHOD = 1001,
  /**
   * int *: seconds, 0 (the default) to 86,400. IOT_OTA_FetchYield returns 0 only when no byte came
   * for that long, or for its timeout_s if that is longer; for programs that take 0 for a failure.
   * Counts from the next IOT_OTA_FetchYield of the process. A thread that also yields the client
   * does not meanwhile: keep it below the keep-alive interval.
   */
  IOTX_IOCTL_SET_FETCH_PATIENCE = 1002
} iotx_ioctl_option_t;

/**
 * Log lines up to `level` go to stderr (iotkit_log_set takes them elsewhere). Set it before other
 * threads run.
 */
DLL_IOT_API void IOT_SetLogLevel(IOT_LogLevel level);
/** Writes a line to the log: memory is the C library's, so its tools count it. */
DLL_IOT_API void IOT_DumpMemoryStats(IOT_LogLevel level);

/**
 * Makes the host, client id, user name and password of a device; *info_ptr (may be NULL) becomes an
 * iotx_conn_info_t that belongs to the SDK and is valid until the same device is set up again.
 * Returns 0, or FAIL_RETURN: a text is missing, empty or too long. Two threads must not set up the
 * same device at a time.
 */
DLL_IOT_API int IOT_SetupConnInfo(const char *product_key, const char *device_name,
                                  const char *device_secret, void **info_ptr);
/** SUCCESS_RETURN, or FAIL_RETURN: an option or value that is not known here. */
DLL_IOT_API int IOT_Ioctl(int option, void *data);

#ifdef __cplusplus
}
#endif

#include "exports/iot_export_errno.h" /* IWYU pragma: export */
#include "exports/iot_export_mqtt.h"  /* IWYU pragma: export */
#include "exports/iot_export_ota.h"   /* IWYU pragma: export */

#endif
