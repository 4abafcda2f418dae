/**
 * Plain objects that the addon makes and that the public API hands on unchanged: each is declared
 * here once, with its documentation.
 */

/** Live native objects of this process, over all its threads; for diagnostics and leak tests. */
export interface Stats {
  /** Environments (main thread, workers) that have loaded the addon. */
  readonly environments: number;
  /** Devices that are not yet closed or collected. */
  readonly devices: number;
  /** Upgrades that are not yet collected. */
  readonly jobs: number;
  /** Downloads, waiting ones included, that are not yet collected. */
  readonly transfers: number;
  /** Downloads that wait for their turn. */
  readonly waiting: number;
  /** Threads: one for all connections, two for a download that has begun, one for a busy `sdk` handle. */
  readonly threads: number;
  /** Buffers that are lent to downloads. */
  readonly lent: number;
  /** What keeps this environment's event loop alive. */
  readonly holds: number;
}

/** One file of an upgrade that has several. */
export interface UpgradeFile {
  /** The name it gets in the directory. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** What the digest is made with. */
  readonly digestMethod: 'md5' | 'sha256';
  /** The announced digest, lower-case hex. */
  readonly digest: string;
}

/** What {@link IOT_MQTT_Construct} needs to connect one device. */
export interface iotx_conn_info_t {
  /** As `IOTX_IOCTL_SET_MQTT_PORT` says. */
  readonly port: number;
  /** By region, domain or endpoint. */
  readonly host_name: string;
  /** The signed one, `…|securemode=…|`. */
  readonly client_id: string;
  /** `{device_name}&{product_key}` */
  readonly username: string;
  /** The signature, lower-case hex: a secret. */
  readonly password: string;
  /** '' for TLS with the system's CA store, null for plain TCP. */
  readonly pub_key: string | null;
}
