/**
 * @file
 * iot_export_errno.h - the numbers that the published functions return. The SDK's own errors,
 * IK_E*, are in iotkit_errors.h.
 */
#ifndef IOT_EXPORT_ERRNO_H
#define IOT_EXPORT_ERRNO_H

/**
 * The published numbers, for programs that compare with them. Those that are not explained are
 * never returned here.
 */
typedef enum IOT_RETURN_CODES {
  SUCCESS_RETURN = 0,
  FAIL_RETURN = -1,      /**< anything that has no number of its own */
  NULL_VALUE_ERROR = -2, /**< a handle or another argument is NULL */
  ERROR_HTTP_CLOSED = -3,
  ERROR_HTTP = -4,
  ERROR_HTTP_PRTCL = -5,
  ERROR_HTTP_UNRESOLVED_DNS = -6,
  ERROR_HTTP_PARSE = -7,
  ERROR_HTTP_CONN = -8,
  ERROR_NULL_VALUE = -9,
  MQTT_NETWORK_ERROR = -14,
  MQTT_PUBLISH_QOS_ERROR = -20,    /**< QoS 2 cannot be published */
  MQTT_PUBLISH_PACKET_ERROR = -21, /**< larger than write_buf_size */
  MQTT_STATE_ERROR = -27,          /**< not connected */
  MQTT_CONNECT_ERROR = -33,
  MQTT_TOPIC_FORMAT_ERROR = -41, /**< the topic or filter is not of the platform's form */
  MQTT_PUSH_TO_LIST_ERROR = -42  /**< the queue, or the list of the unacknowledged, is full */
} IoT_Error_t;                   /**< the functions return these as int */

#endif
