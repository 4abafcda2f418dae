// Tested by test/sdk/constants.test.ts
/**
 * Constants of the published C headers, under their names and with their values: in an object for
 * each enum, and by themselves.
 */

type Values<T> = T[keyof T];

/** Results of OTA functions that fail, and of {@link IOT_OTA_GetLastError}. */
export const IOT_OTA_Err_t = {
  /** Anything else. */
  IOT_OTAE_GENERAL: -1,
  /** An argument is null, 0, too long or out of range. */
  IOT_OTAE_INVALID_PARAM: -2,
  /** Not possible in this state. */
  IOT_OTAE_INVALID_STATE: -3,
  /** A text is too long. */
  IOT_OTAE_STR_TOO_LONG: -4,
  /** The download has failed for good. */
  IOT_OTAE_FETCH_FAILED: -5,
  /** Out of memory. */
  IOT_OTAE_NOMEM: -6,
  /** A message could not be handed to the MQTT client. */
  IOT_OTAE_OSC_FAILED: -7,
  /** No error. */
  IOT_OTAE_NONE: 0,
} as const;
/** One of the numbers of IOT_OTA_Err_t. */
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

/** How far an upgrade has come. */
export const IOT_OTA_State_t = {
  /** Being closed. */
  IOT_OTAS_UNINITED: 0,
  /** No upgrade. */
  IOT_OTAS_INITED: 1,
  /** An upgrade was announced, or its image is being fetched. */
  IOT_OTAS_FETCHING: 2,
  /** The fetch has ended, well or badly. */
  IOT_OTAS_FETCHED: 3,
  /** Of a later release; a pushed upgrade is `IOT_OTAS_FETCHING` here. */
  IOT_OTAS_PUSHED: 4,
} as const;
/** One of the numbers of IOT_OTA_State_t. */
export type IOT_OTA_State_t = Values<typeof IOT_OTA_State_t>;
export const {
  IOT_OTAS_UNINITED,
  IOT_OTAS_INITED,
  IOT_OTAS_FETCHING,
  IOT_OTAS_FETCHED,
  IOT_OTAS_PUSHED,
} = IOT_OTA_State_t;

/** What is being fetched: nothing, a remote configuration, a firmware. */
export const IOT_OTA_Type_t = {
  /** Nothing, or the fetch has ended. */
  IOT_OTAT_NONE: 0,
  /** Remote configuration. */
  IOT_OTAT_COTA: 1,
  /** Firmware. */
  IOT_OTAT_FOTA: 2,
} as const;
/** One of the numbers of IOT_OTA_Type_t. */
export type IOT_OTA_Type_t = Values<typeof IOT_OTA_Type_t>;
export const { IOT_OTAT_NONE, IOT_OTAT_COTA, IOT_OTAT_FOTA } = IOT_OTA_Type_t;

/** Steps of {@link IOT_OTA_ReportProgress}: 0 to 100 percent, or one of the negative ones. */
export const IOT_OTA_Progress_t = {
  /** Writing to flash has failed. */
  IOT_OTAP_BURN_FAILED: -4,
  /** Verification has failed. The published name is misspelt. */
  IOT_OTAP_CHECK_FALIED: -3,
  /** The download has failed. */
  IOT_OTAP_FETCH_FAILED: -2,
  /** The upgrade has failed. */
  IOT_OTAP_GENERAL_FAILED: -1,
  /** Percent: it begins. */
  IOT_OTAP_FETCH_PERCENTAGE_MIN: 0,
  /** Percent: the image is complete. */
  IOT_OTAP_FETCH_PERCENTAGE_MAX: 100,
} as const;
/** One of the numbers of IOT_OTA_Progress_t. */
export type IOT_OTA_Progress_t = Values<typeof IOT_OTA_Progress_t>;
export const {
  IOT_OTAP_BURN_FAILED,
  IOT_OTAP_CHECK_FALIED,
  IOT_OTAP_FETCH_FAILED,
  IOT_OTAP_GENERAL_FAILED,
  IOT_OTAP_FETCH_PERCENTAGE_MIN,
  IOT_OTAP_FETCH_PERCENTAGE_MAX,
} = IOT_OTA_Progress_t;

/** What {@link IOT_OTA_Ioctl} queries or sets; see there for the buffers. */
export const IOT_OTA_CmdType_t = {
  /** Text: the id of the configuration. */
  IOT_OTAG_COTA_CONFIG_ID: 0,
  /** Number: bytes of the configuration; 0 for firmware. */
  IOT_OTAG_COTA_CONFIG_SIZE: 1,
  /** Text: the digest of the configuration, as it was sent. */
  IOT_OTAG_COTA_SIGN: 2,
  /** Text: how that was made. */
  IOT_OTAG_COTA_SIGN_METHOD: 3,
  /** Text: where the configuration is. */
  IOT_OTAG_COTA_URL: 4,
  /** Text: how it is got, as it was sent. */
  IOT_OTAG_COTA_GETTYPE: 5,
  /** Number: {@link IOT_OTA_Type_t} of the fetch under way. */
  IOT_OTAG_OTA_TYPE: 6,
  /** Number: bytes fetched. */
  IOT_OTAG_FETCHED_SIZE: 7,
  /** Number: bytes announced. */
  IOT_OTAG_FILE_SIZE: 8,
  /** Text of 32 hexadecimal digits, also where a SHA-256 decides; an error if none was announced. */
  IOT_OTAG_MD5SUM: 9,
  /** Text: the version announced; an error for configurations. */
  IOT_OTAG_VERSION: 10,
  /** Number: 1 when the fetched image is the announced one, else 0. */
  IOT_OTAG_CHECK_FIRMWARE: 11,
  /** Number: the same of a configuration; neither takes the other. */
  IOT_OTAG_CHECK_CONFIG: 12,
  /** Begins again at the image's first byte. */
  IOT_OTAG_RESET_FETCHED_SIZE: 13,
  /** Text: the module of the firmware, `''` is the default one. */
  IOT_OTAG_MODULE: 14,
  /** Forgets the upgrade. */
  IOT_OTAG_RESET_STATE: 15,
} as const;
/** One of the numbers of IOT_OTA_CmdType_t. */
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

/** How hard the delivery of a message is tried. */
export const iotx_mqtt_qos_t = {
  /** At most once. */
  IOTX_MQTT_QOS0: 0,
  /** At least once. */
  IOTX_MQTT_QOS1: 1,
  /** Exactly once: for subscribing only. */
  IOTX_MQTT_QOS2: 2,
} as const;
/** One of the numbers of iotx_mqtt_qos_t. */
export type iotx_mqtt_qos_t = Values<typeof iotx_mqtt_qos_t>;
export const { IOTX_MQTT_QOS0, IOTX_MQTT_QOS1, IOTX_MQTT_QOS2 } = iotx_mqtt_qos_t;

/** Types of events; what `msg` is with each, {@link iotx_mqtt_event_msg_t} says. */
export const iotx_mqtt_event_type_t = {
  /** Never sent. */
  IOTX_MQTT_EVENT_UNDEF: 0,
  /** Text: why the connection was lost. */
  IOTX_MQTT_EVENT_DISCONNECT: 1,
  /** Text: there is a connection again. */
  IOTX_MQTT_EVENT_RECONNECT: 2,
  /** Packet id: the subscription was accepted. The published name is misspelt; so below. */
  IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS: 3,
  /** Packet id: not answered in time; it is sent again. */
  IOTX_MQTT_EVENT_SUBCRIBE_TIMEOUT: 4,
  /** Packet id: refused; asked for again after the next reconnect. */
  IOTX_MQTT_EVENT_SUBCRIBE_NACK: 5,
  /** Packet id: the subscription has ended. */
  IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS: 6,
  /** Packet id: not answered in time. */
  IOTX_MQTT_EVENT_UNSUBCRIBE_TIMEOUT: 7,
  /** Never sent: MQTT 3.1.1 cannot say it. */
  IOTX_MQTT_EVENT_UNSUBCRIBE_NACK: 8,
  /** Packet id: a QoS 1 publish was acknowledged. */
  IOTX_MQTT_EVENT_PUBLISH_SUCCESS: 9,
  /** Never sent: what is not acknowledged is sent again after a reconnect. */
  IOTX_MQTT_EVENT_PUBLISH_TIMEOUT: 10,
  /** Never sent. */
  IOTX_MQTT_EVENT_PUBLISH_NACK: 11,
  /** {@link iotx_mqtt_topic_info_t}: a message. */
  IOTX_MQTT_EVENT_PUBLISH_RECEIVED: 12,
  /** Text: a message larger than `read_buf_size` was skipped. */
  IOTX_MQTT_EVENT_BUFFER_OVERFLOW: 13,
} as const;
/** One of the numbers of iotx_mqtt_event_type_t. */
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

/** What {@link IOT_SetLogLevel} lets through: this level and those above it. */
export const IOT_LogLevel = {
  /** Nothing. */
  IOT_LOG_NONE: 0,
  /** What ends the SDK. */
  IOT_LOG_CRIT: 1,
  /** What has failed. */
  IOT_LOG_ERROR: 2,
  /** What was put right, or refused. */
  IOT_LOG_WARNING: 3,
  /** What happens. */
  IOT_LOG_INFO: 4,
  /** Everything. */
  IOT_LOG_DEBUG: 5,
} as const;
/** One of the numbers of IOT_LogLevel. */
export type IOT_LogLevel = Values<typeof IOT_LogLevel>;
export const {
  IOT_LOG_NONE,
  IOT_LOG_CRIT,
  IOT_LOG_ERROR,
  IOT_LOG_WARNING,
  IOT_LOG_INFO,
  IOT_LOG_DEBUG,
} = IOT_LogLevel;

/** Where the platform is: the host becomes `{product_key}.iot-as-mqtt.{region}.aliyuncs.com`. */
export const iotx_cloud_region_types_t = {
  /** cn-shanghai */
  IOTX_CLOUD_REGION_SHANGHAI: 0,
  /** ap-southeast-1 */
  IOTX_CLOUD_REGION_SINGAPORE: 1,
  /** ap-northeast-1 */
  IOTX_CLOUD_REGION_JAPAN: 2,
  /** us-west-1 */
  IOTX_CLOUD_REGION_USA_WEST: 3,
  /** eu-central-1 */
  IOTX_CLOUD_REGION_GERMANY: 4,
  /** As `IOTX_IOCTL_SET_MQTT_DOMAIN` says. */
  IOTX_CLOUD_REGION_CUSTOM: 5,
} as const;
/** One of the numbers of iotx_cloud_region_types_t. */
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
  /** Number: {@link iotx_cloud_region_types_t}; Shanghai to begin with. */
  IOTX_IOCTL_SET_REGION: 0,
  /** Number: the region. */
  IOTX_IOCTL_GET_REGION: 1,
  /** Text: the host becomes `{product_key}.{domain}`; the region `CUSTOM`. */
  IOTX_IOCTL_SET_MQTT_DOMAIN: 2,
  /** Number: 1 to 65535; 0: 443 for TLS, 1883 for plain TCP. */
  IOTX_IOCTL_SET_MQTT_PORT: 3,
  /** Text: the host, verbatim; `''`: again by region or domain. */
  IOTX_IOCTL_SET_ENDPOINT: 13,
  /** Number: 1: TLS (the default; without an OpenSSL, connecting fails), 0: plain TCP. */
  IOTX_IOCTL_SET_MQTT_TLS: 1000,
  /** Number: 0: hmacsha256 (the default), 1: hmacsha1, as the published SDK signs in, 2: hmacmd5. */
  IOTX_IOCTL_SET_SIGN_METHOD: 1001,
  /**
   * Number: seconds, 0 (the default) to 86,400, that {@link IOT_OTA_FetchYield} waits for a byte
   * before it returns 0.
   */
  IOTX_IOCTL_SET_FETCH_PATIENCE: 1002,
} as const;
/** One of the numbers of iotx_ioctl_option_t. */
export type iotx_ioctl_option_t = Values<typeof iotx_ioctl_option_t>;
export const {
  IOTX_IOCTL_SET_REGION,
  IOTX_IOCTL_GET_REGION,
  IOTX_IOCTL_SET_MQTT_DOMAIN,
  IOTX_IOCTL_SET_MQTT_PORT,
  IOTX_IOCTL_SET_ENDPOINT,
  IOTX_IOCTL_SET_MQTT_TLS,
  IOTX_IOCTL_SET_SIGN_METHOD,
  IOTX_IOCTL_SET_FETCH_PATIENCE,
} = iotx_ioctl_option_t;

/** Numbers that the MQTT and connecting functions return. */
export const IoT_Error_t = {
  /** No error. */
  SUCCESS_RETURN: 0,
  /** Anything that has no number of its own. */
  FAIL_RETURN: -1,
  /** A handle or another argument is null. */
  NULL_VALUE_ERROR: -2,
  /** QoS 2 cannot be published. */
  MQTT_PUBLISH_QOS_ERROR: -20,
  /** Larger than `write_buf_size`. */
  MQTT_PUBLISH_PACKET_ERROR: -21,
  /** Not connected. */
  MQTT_STATE_ERROR: -27,
  /** The topic or filter is not of the platform's form. */
  MQTT_TOPIC_FORMAT_ERROR: -41,
  /** The queue, or the list of the unacknowledged, is full. */
  MQTT_PUSH_TO_LIST_ERROR: -42,
} as const;
/** One of the numbers of IoT_Error_t. */
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
