/** The structs of the published API. */
import type {
  IOTX_MQTT_EVENT_BUFFER_OVERFLOW,
  IOTX_MQTT_EVENT_DISCONNECT,
  IOTX_MQTT_EVENT_PUBLISH_RECEIVED,
  IOTX_MQTT_EVENT_RECONNECT,
  iotx_mqtt_event_type_t,
  iotx_mqtt_qos_t,
} from './constants';

/** A message that has come. */
export interface iotx_mqtt_topic_info_t {
  /** 0 with QoS 0. */
  readonly packet_id: number;
  readonly qos: number;
  readonly dup: number;
  readonly retain: number;
  /** Bytes. */
  readonly topic_len: number;
  readonly payload_len: number;
  readonly ptopic: string;
  /** A copy, yours to keep. */
  readonly payload: Buffer;
}

/** A message to publish. */
export interface PublishMessage {
  readonly qos: iotx_mqtt_qos_t;
  /** Text is sent as UTF-8. null: NULL. */
  readonly payload: string | Uint8Array | null;
  readonly retain?: number;
  /** Set by {@link IOT_MQTT_Publish} with QoS 1. */
  packet_id?: number;
}

type TextEvent =
  | typeof IOTX_MQTT_EVENT_DISCONNECT
  | typeof IOTX_MQTT_EVENT_RECONNECT
  | typeof IOTX_MQTT_EVENT_BUFFER_OVERFLOW;

/** What a callback is told: a message, a text, or the packet id that an answer belongs to. */
export type iotx_mqtt_event_msg_t =
  | {
      readonly event_type: typeof IOTX_MQTT_EVENT_PUBLISH_RECEIVED;
      readonly msg: iotx_mqtt_topic_info_t;
    }
  | { readonly event_type: TextEvent; readonly msg: string }
  | {
      readonly event_type: Exclude<
        iotx_mqtt_event_type_t,
        typeof IOTX_MQTT_EVENT_PUBLISH_RECEIVED | TextEvent
      >;
      readonly msg: number;
    };

/** What {@link IOT_MQTT_Construct} needs to connect one device. */
export interface iotx_conn_info_t {
  readonly port: number;
  readonly host_name: string;
  readonly client_id: string;
  readonly username: string;
  readonly password: string;
  /** '' for TLS with the system's CA store, null for plain TCP. */
  readonly pub_key: string | null;
}
