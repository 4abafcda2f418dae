/** The parameters of IOT_MQTT_Construct. */
import type { TopicHandler } from './handles';

/** A function, and what it is called with. */
export interface iotx_mqtt_event_handle_t<Context = unknown> {
  /** null: none. */
  readonly h_fp: TopicHandler<Context> | null;
  /** Handed to the function as it is. */
  readonly pcontext?: Context | undefined;
}

/** Parameters of {@link IOT_MQTT_Construct}; one that is left out is 0 or NULL. */
export interface iotx_mqtt_param_t<Context = unknown> {
  /** 1 to 65535. */
  readonly port: number;
  /** Name or address of the broker. */
  readonly host: string | null;
  /** The platform's is the one of {@link iotx_conn_info_t}. */
  readonly client_id: string | null;
  /** null: none. */
  readonly username?: string | null | undefined;
  /** null: none. Never logged. */
  readonly password?: string | null | undefined;
  /**
   * null: plain TCP; '': TLS with the system's CA store; else TLS with these certificates (PEM).
   */
  readonly pub_key?: string | null | undefined;
  /** 1: a clean session, else a persistent one. */
  readonly clean_session?: number | undefined;
  /** 500 to 5000; any other value means 2000. */
  readonly request_timeout_ms?: number | undefined;
  /** Brought into the range 30000 to 1200000; 0: 60000. */
  readonly keepalive_interval_ms?: number | undefined;
  /** Bytes of the largest packet to send; 0: 257 KiB. */
  readonly write_buf_size?: number | undefined;
  /** Bytes of the largest packet to receive; 0: 257 KiB. */
  readonly read_buf_size?: number | undefined;
  /** Gets events, and messages that no subscription's function takes. */
  readonly handle_event?: iotx_mqtt_event_handle_t<Context> | undefined;
}
