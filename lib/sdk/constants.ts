/** Constants of the published C headers, under their names and with their values. */

type Values<T> = T[keyof T];

/** What an OTA function returns when it fails, or {@link IOT_OTA_GetLastError}. */
export const IOT_OTA_Err_t = {
  IOT_OTAE_GENERAL: -1,
  IOT_OTAE_INVALID_PARAM: -2,
  IOT_OTAE_INVALID_STATE: -3,
  IOT_OTAE_STR_TOO_LONG: -4,
  IOT_OTAE_FETCH_FAILED: -5,
  IOT_OTAE_NOMEM: -6,
  IOT_OTAE_OSC_FAILED: -7,
  IOT_OTAE_NONE: 0,
} as const;
export type IOT_OTA_Err_t = Values<typeof IOT_OTA_Err_t>;
export const {
  IOT_OTAE_GENERAL,
  IOT_OTAE_INVALID_PARAM,
  IOT_OTAE_INVALID_STATE,
  IOT_OTAE_STR_TOO_LONG,
  IOT_OTAE_FETCH_FAILED,
  IOT_OTAE_NOMEM,
  IOT_OTAE_OSC_FAILED,
  IOT_OTAE_NONE,
} = IOT_OTA_Err_t;

export const IOT_OTA_State_t = {
  IOT_OTAS_UNINITED: 0,
  IOT_OTAS_INITED: 1,
  IOT_OTAS_FETCHING: 2,
  IOT_OTAS_FETCHED: 3,
  IOT_OTAS_PUSHED: 4,
} as const;
export type IOT_OTA_State_t = Values<typeof IOT_OTA_State_t>;
export const {
  IOT_OTAS_UNINITED,
  IOT_OTAS_INITED,
  IOT_OTAS_FETCHING,
  IOT_OTAS_FETCHED,
  IOT_OTAS_PUSHED,
} = IOT_OTA_State_t;

/** What is being fetched: nothing, a remote configuration, a firmware. */
export const IOT_OTA_Type_t = { IOT_OTAT_NONE: 0, IOT_OTAT_COTA: 1, IOT_OTAT_FOTA: 2 } as const;
export type IOT_OTA_Type_t = Values<typeof IOT_OTA_Type_t>;
export const { IOT_OTAT_NONE, IOT_OTAT_COTA, IOT_OTAT_FOTA } = IOT_OTA_Type_t;

/** Steps of {@link IOT_OTA_ReportProgress}: 0 to 100 percent, or one of the negative ones. */
export const IOT_OTA_Progress_t = {
  IOT_OTAP_BURN_FAILED: -4,
  /** The published name is misspelt. */
  IOT_OTAP_CHECK_FALIED: -3,
  IOT_OTAP_FETCH_FAILED: -2,
  IOT_OTAP_GENERAL_FAILED: -1,
  IOT_OTAP_FETCH_PERCENTAGE_MIN: 0,
  IOT_OTAP_FETCH_PERCENTAGE_MAX: 100,
} as const;
export type IOT_OTA_Progress_t = Values<typeof IOT_OTA_Progress_t>;
export const {
  IOT_OTAP_BURN_FAILED,
  IOT_OTAP_CHECK_FALIED,
  IOT_OTAP_FETCH_FAILED,
  IOT_OTAP_GENERAL_FAILED,
  IOT_OTAP_FETCH_PERCENTAGE_MIN,
  IOT_OTAP_FETCH_PERCENTAGE_MAX,
} = IOT_OTA_Progress_t;

/** What {@link IOT_OTA_Ioctl} asks or does; see there for the buffers. */
export const IOT_OTA_CmdType_t = {
  IOT_OTAG_COTA_CONFIG_ID: 0,
  IOT_OTAG_COTA_CONFIG_SIZE: 1,
  IOT_OTAG_COTA_SIGN: 2,
  IOT_OTAG_COTA_SIGN_METHOD: 3,
  IOT_OTAG_COTA_URL: 4,
  IOT_OTAG_COTA_GETTYPE: 5,
  IOT_OTAG_OTA_TYPE: 6,
  IOT_OTAG_FETCHED_SIZE: 7,
  IOT_OTAG_FILE_SIZE: 8,
  IOT_OTAG_MD5SUM: 9,
  IOT_OTAG_VERSION: 10,
  IOT_OTAG_CHECK_FIRMWARE: 11,
  IOT_OTAG_CHECK_CONFIG: 12,
  IOT_OTAG_RESET_FETCHED_SIZE: 13,
  IOT_OTAG_MODULE: 14,
  IOT_OTAG_RESET_STATE: 15,
} as const;
export type IOT_OTA_CmdType_t = Values<typeof IOT_OTA_CmdType_t>;
export const {
  IOT_OTAG_COTA_CONFIG_ID,
  IOT_OTAG_COTA_CONFIG_SIZE,
  IOT_OTAG_COTA_SIGN,
  IOT_OTAG_COTA_SIGN_METHOD,
  IOT_OTAG_COTA_URL,
  IOT_OTAG_COTA_GETTYPE,
  IOT_OTAG_OTA_TYPE,
  IOT_OTAG_FETCHED_SIZE,
  IOT_OTAG_FILE_SIZE,
  IOT_OTAG_MD5SUM,
  IOT_OTAG_VERSION,
  IOT_OTAG_CHECK_FIRMWARE,
  IOT_OTAG_CHECK_CONFIG,
  IOT_OTAG_RESET_FETCHED_SIZE,
  IOT_OTAG_MODULE,
  IOT_OTAG_RESET_STATE,
} = IOT_OTA_CmdType_t;

/** Bytes that hold any version, the ending NUL included. */
export const OTA_VERSION_LEN_MAX = 65;

export const iotx_mqtt_qos_t = { IOTX_MQTT_QOS0: 0, IOTX_MQTT_QOS1: 1, IOTX_MQTT_QOS2: 2 } as const;
export type iotx_mqtt_qos_t = Values<typeof iotx_mqtt_qos_t>;
export const { IOTX_MQTT_QOS0, IOTX_MQTT_QOS1, IOTX_MQTT_QOS2 } = iotx_mqtt_qos_t;

/** Types of events; what `msg` is with each, {@link iotx_mqtt_event_msg_t} says. */
export const iotx_mqtt_event_type_t = {
  IOTX_MQTT_EVENT_UNDEF: 0,
  IOTX_MQTT_EVENT_DISCONNECT: 1,
  IOTX_MQTT_EVENT_RECONNECT: 2,
  IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS: 3,
  IOTX_MQTT_EVENT_SUBCRIBE_TIMEOUT: 4,
  IOTX_MQTT_EVENT_SUBCRIBE_NACK: 5,
  IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS: 6,
  IOTX_MQTT_EVENT_UNSUBCRIBE_TIMEOUT: 7,
  IOTX_MQTT_EVENT_UNSUBCRIBE_NACK: 8,
  IOTX_MQTT_EVENT_PUBLISH_SUCCESS: 9,
  IOTX_MQTT_EVENT_PUBLISH_TIMEOUT: 10,
  IOTX_MQTT_EVENT_PUBLISH_NACK: 11,
  IOTX_MQTT_EVENT_PUBLISH_RECEIVED: 12,
  IOTX_MQTT_EVENT_BUFFER_OVERFLOW: 13,
} as const;
export type iotx_mqtt_event_type_t = Values<typeof iotx_mqtt_event_type_t>;
export const {
  IOTX_MQTT_EVENT_UNDEF,
  IOTX_MQTT_EVENT_DISCONNECT,
  IOTX_MQTT_EVENT_RECONNECT,
  IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS,
  IOTX_MQTT_EVENT_SUBCRIBE_TIMEOUT,
  IOTX_MQTT_EVENT_SUBCRIBE_NACK,
  IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS,
  IOTX_MQTT_EVENT_UNSUBCRIBE_TIMEOUT,
  IOTX_MQTT_EVENT_UNSUBCRIBE_NACK,
  IOTX_MQTT_EVENT_PUBLISH_SUCCESS,
  IOTX_MQTT_EVENT_PUBLISH_TIMEOUT,
  IOTX_MQTT_EVENT_PUBLISH_NACK,
  IOTX_MQTT_EVENT_PUBLISH_RECEIVED,
  IOTX_MQTT_EVENT_BUFFER_OVERFLOW,
} = iotx_mqtt_event_type_t;

export const IOT_LogLevel = {
  IOT_LOG_NONE: 0,
  IOT_LOG_CRIT: 1,
  IOT_LOG_ERROR: 2,
  IOT_LOG_WARNING: 3,
  IOT_LOG_INFO: 4,
  IOT_LOG_DEBUG: 5,
} as const;
export type IOT_LogLevel = Values<typeof IOT_LogLevel>;
export const {
  IOT_LOG_NONE,
  IOT_LOG_CRIT,
  IOT_LOG_ERROR,
  IOT_LOG_WARNING,
  IOT_LOG_INFO,
  IOT_LOG_DEBUG,
} = IOT_LogLevel;

export const iotx_cloud_region_types_t = {
  IOTX_CLOUD_REGION_SHANGHAI: 0,
  IOTX_CLOUD_REGION_SINGAPORE: 1,
  IOTX_CLOUD_REGION_JAPAN: 2,
  IOTX_CLOUD_REGION_USA_WEST: 3,
  IOTX_CLOUD_REGION_GERMANY: 4,
  IOTX_CLOUD_REGION_CUSTOM: 5,
} as const;
export type iotx_cloud_region_types_t = Values<typeof iotx_cloud_region_types_t>;
export const {
  IOTX_CLOUD_REGION_SHANGHAI,
  IOTX_CLOUD_REGION_SINGAPORE,
  IOTX_CLOUD_REGION_JAPAN,
  IOTX_CLOUD_REGION_USA_WEST,
  IOTX_CLOUD_REGION_GERMANY,
  IOTX_CLOUD_REGION_CUSTOM,
} = iotx_cloud_region_types_t;

/** Options of {@link IOT_Ioctl} that this SDK knows; the published others return FAIL_RETURN. */
export const iotx_ioctl_option_t = {
  IOTX_IOCTL_SET_REGION: 0,
  IOTX_IOCTL_GET_REGION: 1,
  IOTX_IOCTL_SET_MQTT_DOMAIN: 2,
  IOTX_IOCTL_SET_MQTT_PORT: 3,
  IOTX_IOCTL_SET_ENDPOINT: 13,
  IOTX_IOCTL_SET_MQTT_TLS: 1000,
  IOTX_IOCTL_SET_SIGN_METHOD: 1001,
} as const;
export type iotx_ioctl_option_t = Values<typeof iotx_ioctl_option_t>;
export const {
  IOTX_IOCTL_SET_REGION,
  IOTX_IOCTL_GET_REGION,
  IOTX_IOCTL_SET_MQTT_DOMAIN,
  IOTX_IOCTL_SET_MQTT_PORT,
  IOTX_IOCTL_SET_ENDPOINT,
  IOTX_IOCTL_SET_MQTT_TLS,
  IOTX_IOCTL_SET_SIGN_METHOD,
} = iotx_ioctl_option_t;

/** Numbers that the MQTT and connecting functions return. */
export const IoT_Error_t = {
  SUCCESS_RETURN: 0,
  FAIL_RETURN: -1,
  NULL_VALUE_ERROR: -2,
  MQTT_PUBLISH_QOS_ERROR: -20,
  MQTT_PUBLISH_PACKET_ERROR: -21,
  MQTT_STATE_ERROR: -27,
  MQTT_TOPIC_FORMAT_ERROR: -41,
  MQTT_PUSH_TO_LIST_ERROR: -42,
} as const;
export type IoT_Error_t = Values<typeof IoT_Error_t>;
export const {
  SUCCESS_RETURN,
  FAIL_RETURN,
  NULL_VALUE_ERROR,
  MQTT_PUBLISH_QOS_ERROR,
  MQTT_PUBLISH_PACKET_ERROR,
  MQTT_STATE_ERROR,
  MQTT_TOPIC_FORMAT_ERROR,
  MQTT_PUSH_TO_LIST_ERROR,
} = IoT_Error_t;
