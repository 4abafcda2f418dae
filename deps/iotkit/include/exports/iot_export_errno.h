/**
 * @file
 * iot_export_errno.h - the numbers that the published functions return. The SDK's own errors,
 * IK_E*, are in iotkit_errors.h.
 */
#ifndef IOT_EXPORT_ERRNO_H
#define IOT_EXPORT_ERRNO_H

typedef enum IOT_RETURN_CODES {
  SUCCESS_RETURN = 0,
  FAIL_RETURN = -1,
  NULL_VALUE_ERROR = -2,
  ERROR_HTTP_CLOSED = -3,
  ERROR_HTTP = -4,
  ERROR_HTTP_PRTCL = -5,
  ERROR_HTTP_UNRESOLVED_DNS = -6,
  ERROR_HTTP_PARSE = -7,
  ERROR_HTTP_CONN = -8,
  ERROR_NULL_VALUE = -9,
  MQTT_NETWORK_ERROR = -14,
  MQTT_PUBLISH_QOS_ERROR = -20,
  MQTT_PUBLISH_PACKET_ERROR = -21,
  MQTT_STATE_ERROR = -27,
  MQTT_CONNECT_ERROR = -33,
  MQTT_TOPIC_FORMAT_ERROR = -41,
  MQTT_PUSH_TO_LIST_ERROR = -42
} IoT_Error_t;

#endif
