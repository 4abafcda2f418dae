/// <reference types="node" preserve="true" />
/**
 * This room is the published C API, function by function, in the shape of its headers: what a user
 * imports as `iotkit-ota/sdk`. It may import base and addon, and knows nothing of the other API.
 * Its types name those of Node.js (Buffer), so a TypeScript program needs @types/node for it.
 */
export { IOT_DumpMemoryStats, IOT_Ioctl, IOT_SetLogLevel, IOT_SetupConnInfo } from './connection';
export * from './constants';
export type { MqttHandle, OtaHandle, TopicHandler } from './handles';
export {
  IOT_MQTT_CheckStateNormal,
  IOT_MQTT_Construct,
  IOT_MQTT_Destroy,
  IOT_MQTT_Publish,
  IOT_MQTT_Publish_Simple,
  IOT_MQTT_Subscribe,
  IOT_MQTT_Subscribe_Sync,
  IOT_MQTT_Unsubscribe,
  IOT_MQTT_Yield,
} from './mqtt';
export {
  IOT_OTA_Deinit,
  IOT_OTA_FetchYield,
  IOT_OTA_GetLastError,
  IOT_OTA_Init,
  IOT_OTA_Ioctl,
  IOT_OTA_IsFetchFinish,
  IOT_OTA_IsFetching,
  IOT_OTA_ReportProgress,
  IOT_OTA_ReportVersion,
  IOT_OTA_SetOnPushedCallback,
  iotx_ota_get_config,
  iotx_req_image,
} from './ota';
export type { iotx_mqtt_event_handle_t, iotx_mqtt_param_t } from './params';
export type {
  iotx_conn_info_t,
  iotx_mqtt_event_msg_t,
  iotx_mqtt_topic_info_t,
  PublishMessage,
} from './types';
