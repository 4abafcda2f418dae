/** What every fault has. All of it is plain data, so that it also travels as JSON. */
export interface FaultScope {
  /** Only this firmware. Absent: all. */
  readonly firmwareId?: string;
  /** Only this device (notice and MQTT faults). Absent: all. */
  readonly deviceName?: string;
  /** How often it strikes before it is spent. Absent: until removed. */
  readonly times?: number;
  /** How many occasions pass unharmed before it strikes. Default 0. */
  readonly skip?: number;
}

/** Faults of the firmware server. Byte counts are of the response's body, offsets of the file. */
export type HttpFault = FaultScope &
  (
    | { readonly kind: 'http-status'; readonly status: number; readonly retryAfterSeconds?: number }
    /** Destroys the connection after `afterBytes`. */
    | { readonly kind: 'http-drop'; readonly afterBytes: number }
    /** Sends no more after `afterBytes`; the connection stays open until the client ends it. */
    | { readonly kind: 'http-stall'; readonly afterBytes: number }
    /** Accepts the request and never answers. */
    | { readonly kind: 'http-no-answer' }
    /** Inverts the bits of the byte at this offset of the file. */
    | { readonly kind: 'http-corrupt'; readonly offset: number }
    /** Content-Length is right, `missingBytes` of the body are not sent, the connection ends. */
    | { readonly kind: 'http-short-body'; readonly missingBytes: number }
    /** Content-Length and body are both shorter by `missingBytes`, consistently. */
    | { readonly kind: 'http-short-length'; readonly missingBytes: number }
    /** Content-Length and body are both longer by `extraBytes` than the notice announced. */
    | { readonly kind: 'http-long-body'; readonly extraBytes: number }
    /**
     * A chain of `hops` redirects before the answer, or to `location`; `downgrade` goes to http.
     */
    | {
        readonly kind: 'http-redirect';
        readonly hops?: number;
        readonly status?: 301 | 302 | 303 | 307 | 308;
        readonly location?: string;
        readonly downgrade?: boolean;
      }
    /** Answers as to an expired URL: 403, AccessDenied. */
    | { readonly kind: 'http-expired' }
    /** Answers 200 with the whole file to a range request. */
    | { readonly kind: 'http-ignore-range' }
    /** Shifts the first byte position stated in Content-Range. */
    | { readonly kind: 'http-wrong-content-range'; readonly shift: number }
    /** Chunked transfer coding, without Content-Length. */
    | { readonly kind: 'http-chunked'; readonly chunkBytes?: number }
    | { readonly kind: 'http-slow'; readonly bytesPerSecond: number }
    /** No ETag and no Last-Modified. */
    | { readonly kind: 'http-no-etag' }
    /** Sends this ETag instead of the file's. */
    | { readonly kind: 'http-etag'; readonly etag: string }
    /** Sends more header fields: `count` of `bytes` each. */
    | { readonly kind: 'http-headers'; readonly count: number; readonly bytes: number }
  );

/** Faults in the upgrade notice. */
export type NoticeFault = FaultScope &
  /** A digest of the right length and form that is wrong. */
  (
    | { readonly kind: 'notice-digest' }
    /** `size` differs by `delta` bytes. */
    | { readonly kind: 'notice-size'; readonly delta: number }
    /** The payload is this text; default: the right one, cut in half. */
    | { readonly kind: 'notice-malformed'; readonly payload?: string }
    /** Members of `data` are replaced; null takes one away. */
    | {
        readonly kind: 'notice-patch';
        readonly data: Readonly<
          Record<string, string | number | boolean | null | readonly unknown[] | object>
        >;
      }
    /** The task becomes `pushed`, but nothing is sent. */
    | { readonly kind: 'notice-lost' }
  );

/** Faults of the embedded broker; an external one cannot be made to misbehave. */
export type MqttFault = FaultScope &
  /** Ends the device's connection when it has connected, publishes, or is sent a notice. */
  (
    | { readonly kind: 'mqtt-drop'; readonly on: 'connect' | 'publish' | 'notice' }
    /** Refuses the connection with this code; 3 is "server unavailable". */
    | { readonly kind: 'mqtt-refuse'; readonly returnCode: 2 | 3 | 4 | 5 }
    /** Takes a QoS 1 message in and does not acknowledge it. */
    | { readonly kind: 'mqtt-no-puback' }
    /**
     * What a connection publishes over so many messages in a second vanishes, unacknowledged. The
     * platform's own rates are the defaults: 30 at QoS 0, 10 at QoS 1.
     */
    | { readonly kind: 'mqtt-rate-limit'; readonly qos0?: number; readonly qos1?: number }
  );

/** Faults of the answers to `thing/file/download`. */
export type BlockFault = FaultScope &
  /** No answer. */
  (
    | { readonly kind: 'mqtt-block-lost' }
    /** The answer comes twice. */
    | { readonly kind: 'mqtt-block-duplicate' }
    /** A bit of the block is inverted, its CRC stays. */
    | { readonly kind: 'mqtt-block-corrupt' }
    /** The answer is refused with this code; default 500. */
    | { readonly kind: 'mqtt-block-error'; readonly code?: number }
    /** The answer is sent after so many later ones; default 1. If none follow, it is lost. */
    | { readonly kind: 'mqtt-block-late'; readonly blocks?: number }
    /** Members of the answer's `data` are replaced; null takes one away. */
    | {
        readonly kind: 'mqtt-block-patch';
        readonly data: Readonly<Record<string, string | number | null>>;
      }
  );

/** Faults of the answers to gateways; `deviceName` is the gateway's. */
export type GatewayFault = FaultScope &
  /** The request is refused with this code. */
  (
    | { readonly kind: 'gateway-error'; readonly code: number; readonly request?: string }
    /** Neither done nor answered. */
    | { readonly kind: 'gateway-lost'; readonly request?: string }
    /** Holds gateways to 200 logins a second: a request beyond them is refused with 429. */
    | { readonly kind: 'gateway-rate' }
  );

/** Something that goes wrong on request. */
export type Fault = HttpFault | NoticeFault | MqttFault | BlockFault | GatewayFault;

/** The discriminant of {@link Fault}. */
export type FaultKind = Fault['kind'];

/** A fault as it is set. */
export type FaultRecord = Fault & {
  readonly id: string;
  /** How often it struck. */
  readonly hits: number;
};
