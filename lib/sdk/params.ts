/** What IOT_MQTT_Construct is given. */
import type { TopicHandler } from './handles';

export interface iotx_mqtt_event_handle_t<Context = unknown> {
  /** null: none. */
  readonly h_fp: TopicHandler<Context> | null;
  readonly pcontext?: Context;
}

/** Parameters of {@link IOT_MQTT_Construct}; what may be left out is 0 or NULL then. */
export interface iotx_mqtt_param_t<Context = unknown> {
  readonly port: number;
  readonly host: string | null;
  readonly client_id: string | null;
  readonly username?: string | null;
  readonly password?: string | null;
  /**
   * null: plain TCP; '': TLS with the system's CA store; else TLS with these certificates (PEM).
   */
  readonly pub_key?: string | null;
  /** 1: a clean session, else a persistent one. */
  readonly clean_session?: number;
  /** 500 to 5000, else 2000. */
  readonly request_timeout_ms?: number;
  /** Taken into 30000 to 1200000; 0: 60000. */
  readonly keepalive_interval_ms?: number;
  /** Bytes of the largest packet to send; 0: 257 KiB. */
  readonly write_buf_size?: number;
  /** Bytes of the largest packet to receive; 0: 257 KiB. */
  readonly read_buf_size?: number;
  /** Events, and messages that no subscription's function takes. */
  readonly handle_event?: iotx_mqtt_event_handle_t<Context>;
}
