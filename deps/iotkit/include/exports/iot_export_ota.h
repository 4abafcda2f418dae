/**
 * @file
 * iot_export_ota.h - the published OTA API: firmware updates and remote configuration of one
 * device, over one MQTT client.
 *
 * The sequence: IOT_MQTT_Construct, IOT_OTA_Init, IOT_OTA_ReportVersion, IOT_MQTT_Yield until
 * IOT_OTA_IsFetching says 1; IOT_OTA_FetchYield, writing what it returns, IOT_OTA_ReportProgress
 * and IOT_MQTT_Yield until IOT_OTA_IsFetchFinish says 1; IOT_OTA_Ioctl with
 * IOT_OTAG_CHECK_FIRMWARE; IOT_OTA_Deinit; after the restart Init and ReportVersion with the new
 * version.
 *
 * A configuration that arrives, pushed or asked for by iotx_ota_get_config, is fetched the same
 * way: IOT_OTAG_OTA_TYPE says which of the two it is, IOT_OTAG_CHECK_CONFIG whether it came well.
 * One fetch is under way at a time; of what is announced meanwhile the newest firmware and the
 * newest configuration wait their turn.
 *
 * Any number of handles, also on one client. Every function may be called from any thread and
 * inside any callback, but for IOT_OTA_Deinit inside the pushed callback of the same handle. A handle
 * that was deinited is none for every function, as NULL is, until Init gives out the same address
 * again. One thread at a time fetches on a handle: a second one gets IOT_OTAE_INVALID_STATE.
 */
#ifndef IOT_EXPORT_OTA_EXPORTS_H
#define IOT_EXPORT_OTA_EXPORTS_H

#include <stddef.h>
#include <stdint.h>

#include "../iotkit_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes that hold any version, the ending NUL included. */
#define OTA_VERSION_LEN_MAX 65

/** What a function returns when it fails, or IOT_OTA_GetLastError. */
typedef enum {
  IOT_OTAE_GENERAL = -1,       /**< anything else */
  IOT_OTAE_INVALID_PARAM = -2, /**< an argument is NULL, 0, too long or out of range */
  IOT_OTAE_INVALID_STATE = -3, /**< not possible in this state */
  IOT_OTAE_STR_TOO_LONG = -4,  /**< a text is too long */
  IOT_OTAE_FETCH_FAILED = -5,  /**< the download failed for good */
  IOT_OTAE_NOMEM = -6,         /**< out of memory */
  IOT_OTAE_OSC_FAILED = -7,    /**< a message could not be handed to the MQTT client */
  IOT_OTAE_NONE = 0
} IOT_OTA_Err_t;

/** How far an upgrade has come, as IOT_OTA_IsFetching and IOT_OTA_IsFetchFinish tell it. */
typedef enum {
  IOT_OTAS_UNINITED = 0, /**< being closed */
  IOT_OTAS_INITED,       /**< no upgrade */
  IOT_OTAS_FETCHING,     /**< an upgrade was announced, or its image is being fetched */
  IOT_OTAS_FETCHED,      /**< the fetch has ended, well or badly */
  IOT_OTAS_PUSHED        /**< of a later release; a pushed upgrade is IOT_OTAS_FETCHING here */
} IOT_OTA_State_t;

/** What is being fetched (IOT_OTAG_OTA_TYPE). */
typedef enum {
  IOT_OTAT_NONE = 0, /**< nothing, or the fetch has ended */
  IOT_OTAT_COTA,     /**< remote configuration */
  IOT_OTAT_FOTA      /**< firmware */
} IOT_OTA_Type_t;

/** Steps of IOT_OTA_ReportProgress: 0 to 100 percent, or why the upgrade failed. */
typedef enum {
  IOT_OTAP_BURN_FAILED = -4,  /**< writing to flash */
  IOT_OTAP_CHECK_FALIED = -3, /**< verification; the published name is misspelt */
  IOT_OTAP_FETCH_FAILED = -2, /**< download */
  IOT_OTAP_GENERAL_FAILED = -1,
  IOT_OTAP_FETCH_PERCENTAGE_MIN = 0,
  IOT_OTAP_FETCH_PERCENTAGE_MAX = 100
} IOT_OTA_Progress_t;

/**
 * What IOT_OTA_Ioctl gets or does, and what `buf` must be. A number is a uint32_t at an address
 * that is a multiple of 4.
 */
typedef enum {
  /**
   * Of configurations only. A char ** to a NULL, which becomes a new text for HAL_Free; buf_len is
   * any but 0.
   */
  IOT_OTAG_COTA_CONFIG_ID = 0,
  IOT_OTAG_COTA_CONFIG_SIZE, /**< as IOT_OTAG_FILE_SIZE; 0 for firmware */
  IOT_OTAG_COTA_SIGN,        /**< char **; as it was sent, and so the others */
  IOT_OTAG_COTA_SIGN_METHOD, /**< char ** */
  IOT_OTAG_COTA_URL,         /**< char ** */
  IOT_OTAG_COTA_GETTYPE,     /**< char ** */
  IOT_OTAG_OTA_TYPE,         /**< number: IOT_OTA_Type_t of the fetch under way */
  IOT_OTAG_FETCHED_SIZE,     /**< number, or uint64_t with a length of 8: bytes fetched */
  IOT_OTAG_FILE_SIZE,        /**< number, or uint64_t with a length of 8: bytes announced */
  /**
   * text of 32 hexadecimal digits, also where a SHA-256 decides; an error when none was announced
   */
  IOT_OTAG_MD5SUM,
  IOT_OTAG_VERSION, /**< text; OTA_VERSION_LEN_MAX bytes hold it; an error for configurations */
  IOT_OTAG_CHECK_FIRMWARE,     /**< number: 1 when the fetched image is the announced one, else 0 */
  IOT_OTAG_CHECK_CONFIG,       /**< number: the same of a configuration; neither takes the other */
  IOT_OTAG_RESET_FETCHED_SIZE, /**< begins again at the image's first byte; `buf` is not touched */
  IOT_OTAG_MODULE,             /**< text: the module of the firmware, "" is the default one (3.2) */
  IOT_OTAG_RESET_STATE         /**< forgets the upgrade; `buf` is not touched (3.2) */
} IOT_OTA_CmdType_t;

/** Channels of signals and of images; one of each exists. */
enum { OTA_CH_SIGNAL_MQTT = 0, OTA_CH_SIGNAL_COAP = 1, OTA_CH_FETCH_HTTP = 1 };

/**
 * Opens OTA for a device on `ch_signal`, a handle of IOT_MQTT_Construct, which may be destroyed
 * before or after IOT_OTA_Deinit. The names are copied. NULL: a name is NULL, empty or no topic
 * level, `ch_signal` is NULL or destroyed, or memory is out. A program whose MQTT client is another
 * one gives its connection to iotkit_ota_new_over() instead (iotkit_over.h).
 */
IOTKIT_API void *IOT_OTA_Init(const char *product_key, const char *device_name, void *ch_signal);

/**
 * Closes it: subscriptions and connections end, a fetch running on another thread returns, every
 * other call of another thread is waited for. 0; IOT_OTAE_INVALID_PARAM for NULL and what is
 * deinited, also by another thread at the same time; IOT_OTAE_INVALID_STATE inside the pushed
 * callback of the same handle, or in any callback that runs inside its IOT_OTA_FetchYield.
 */
IOTKIT_API int IOT_OTA_Deinit(void *handle);

/**
 * Reports the version that runs, 1-64 bytes of UTF-8; QoS 1. What ends an upgrade on the platform
 * is this with the target version. 0; IOT_OTAE_INVALID_PARAM for NULL; -1 with the last error
 * INVALID_PARAM or OSC_FAILED.
 */
IOTKIT_API int IOT_OTA_ReportVersion(void *handle, const char *version);

/**
 * Reports progress, with a text of at most 1024 bytes or NULL; QoS 0. 0; IOT_OTAE_INVALID_PARAM for
 * NULL; -1 with the last error INVALID_PARAM; IOT_OTAE_STR_TOO_LONG; IOT_OTAE_OSC_FAILED.
 */
IOTKIT_API int IOT_OTA_ReportProgress(void *handle, IOT_OTA_Progress_t progress, const char *msg);

/** 1: an upgrade is announced or being fetched; else 0, also for NULL. */
IOTKIT_API int IOT_OTA_IsFetching(void *handle);

/**
 * 1: the fetch has ended, well or badly (IOT_OTAG_CHECK_FIRMWARE says which); else 0, also for
 * NULL.
 */
IOTKIT_API int IOT_OTA_IsFetchFinish(void *handle);

/**
 * Receives the next bytes of the image, at most `buf_len`, waiting at most `timeout_s` seconds
 * until the buffer is full or the image ends. After a drop it reconnects and goes on where it was.
 *
 * \attention 0 is no failure. It says that no byte came in `timeout_s` seconds, as while it
 * reconnects: call it again until IOT_OTA_IsFetchFinish says 1. A loop that reports a failed
 * download (step -2) for 0, as the vendor's sample does, gives up upgrades that would succeed.
 * IOTX_IOCTL_SET_FETCH_PATIENCE lets it wait longer before it returns 0.
 *
 * Returns how many bytes; 0; IOT_OTAE_INVALID_PARAM; IOT_OTAE_INVALID_STATE when there is nothing
 * to fetch; -1 when the download has failed for good (last error IOT_OTAE_FETCH_FAILED).
 *
 * An image that is announced with "dProtocol":"mqtt" comes in blocks on the MQTT connection. While
 * no other thread is inside IOT_MQTT_Yield this handles the client's messages meanwhile, so that
 * callbacks run inside it.
 */
IOTKIT_API int IOT_OTA_FetchYield(void *handle, char *buf, uint32_t buf_len, uint32_t timeout_s);

/**
 * Asks or does what `type` says. Texts are cut to the buffer, always end with NUL, and the rest of
 * the buffer is zeroed. 0; IOT_OTAE_INVALID_PARAM: NULL or no length; IOT_OTAE_INVALID_STATE: no
 * upgrade so far; -1 with the last error INVALID_PARAM (type, length, alignment, a size that does
 * not fit, a char * that is not NULL, or a configuration's text where there is firmware),
 * INVALID_STATE (checked too early, or what was not fetched), GENERAL (there is none) or NOMEM.
 */
IOTKIT_API int IOT_OTA_Ioctl(void *handle, IOT_OTA_CmdType_t type, void *buf, size_t buf_len);

/** The last error of this handle, never reset to 0; IOT_OTAE_INVALID_PARAM for NULL. */
IOTKIT_API int IOT_OTA_GetLastError(void *handle);

/**
 * `on_pushed(handle)` is called when an upgrade was announced, on the thread that yields the
 * client; NULL: nobody. There the function set before may be running still. An upgrade announced
 * while another is being fetched waits until that one has ended and its end was seen
 * (IOT_OTA_IsFetching said 0, or CHECK_FIRMWARE or CHECK_CONFIG was asked). 0;
 * IOT_OTAE_INVALID_PARAM. (3.2)
 */
IOTKIT_API int IOT_OTA_SetOnPushedCallback(void *handle, int (*on_pushed)(void *context));

/**
 * Publishes the version to the legacy request topic, QoS 1: is there an image for me. As
 * IOT_OTA_ReportVersion; -1 while fetching.
 */
IOTKIT_API int iotx_req_image(void *handle, const char *version);

/**
 * Asks for the remote configuration of a scope ("product"), to be had in a way ("file"), all of it
 * ("") or some keys; QoS 0. When the answer comes, IOT_OTA_IsFetching says 1. 0;
 * IOT_OTAE_INVALID_PARAM for NULL; -1 with the last error INVALID_STATE while fetching,
 * STR_TOO_LONG for more than 1024 bytes, INVALID_PARAM for what is no UTF-8, or OSC_FAILED.
 */
IOTKIT_API int iotx_ota_get_config(void *handle, const char *configScope, const char *getType,
                                   const char *attributeKeys);

#ifdef __cplusplus
}
#endif
#endif
