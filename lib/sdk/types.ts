/** The structs of the published API. */
import type { iotx_conn_info_t } from '../addon/results';
import type {
  IOTX_MQTT_EVENT_BUFFER_OVERFLOW,
  IOTX_MQTT_EVENT_DISCONNECT,
  IOTX_MQTT_EVENT_PUBLISH_RECEIVED,
  IOTX_MQTT_EVENT_RECONNECT,
  iotx_mqtt_event_type_t,
  iotx_mqtt_qos_t,
} from './constants';

export type { iotx_conn_info_t };

/** A message that has come. */
export interface iotx_mqtt_topic_info_t {
  /** 0 with QoS 0. */
  readonly packet_id: number;
  /** {@link iotx_mqtt_qos_t} of this delivery. */
  readonly qos: number;
  /** 1: delivered again, an earlier delivery may have been handled. */
  readonly dup: number;
  /** 1: the broker has kept it from before the subscription. */
  readonly retain: number;
  /** Bytes. */
  readonly topic_len: number;
  /** Bytes. */
  readonly payload_len: number;
  /** Its topic. */
  readonly ptopic: string;
  /** A copy, yours to keep. */
  readonly payload: Buffer;
}

/** A message to publish. */
export interface PublishMessage {
  /** 0 or 1. */
  readonly qos: iotx_mqtt_qos_t;
  /** Text is sent as UTF-8. null: NULL. */
  readonly payload: string | Uint8Array | null;
  /** 1: the broker keeps it for those who subscribe later. */
  readonly retain?: number | undefined;
  /** Set by {@link IOT_MQTT_Publish} with QoS 1. */
  packet_id?: number | undefined;
}

type TextEvent =
  | typeof IOTX_MQTT_EVENT_DISCONNECT
  | typeof IOTX_MQTT_EVENT_RECONNECT
  | typeof IOTX_MQTT_EVENT_BUFFER_OVERFLOW;

/** The event a callback gets: a message, a text, or the packet id that an answer belongs to. */
export type iotx_mqtt_event_msg_t =
  | {
      /** A message has come. */
      readonly event_type: typeof IOTX_MQTT_EVENT_PUBLISH_RECEIVED;
      /** The message. */
      readonly msg: iotx_mqtt_topic_info_t;
    }
  | {
      /** The connection was lost, is there again, or a message was too large. */
      readonly event_type: TextEvent;
      /** What happened, for a person. */
      readonly msg: string;
    }
  | {
      /** The answer to a subscription, an end of one, or a publish. */
      readonly event_type: Exclude<
        iotx_mqtt_event_type_t,
        typeof IOTX_MQTT_EVENT_PUBLISH_RECEIVED | TextEvent
      >;
      /** The packet id that the answer belongs to. */
      readonly msg: number;
    };
