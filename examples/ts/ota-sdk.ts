/**
 * One firmware update with the published functions, as their documentation has it: c/ota.c in
 * TypeScript, line by line.
 *
 *   connect → Init → ReportVersion → Yield until an upgrade is announced
 *   → FetchYield, write, ReportProgress until the end → check → Deinit
 *   → (the restart) → Init → ReportVersion with the new version
 */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import {
  IOT_Ioctl,
  IOT_MQTT_Construct,
  IOT_MQTT_Destroy,
  IOT_MQTT_Yield,
  IOT_OTA_Deinit,
  IOT_OTA_FetchYield,
  IOT_OTA_GetLastError,
  IOT_OTA_Init,
  IOT_OTA_Ioctl,
  IOT_OTA_IsFetchFinish,
  IOT_OTA_IsFetching,
  IOT_OTA_ReportProgress,
  IOT_OTA_ReportVersion,
  IOT_OTAG_CHECK_FIRMWARE,
  IOT_OTAG_FETCHED_SIZE,
  IOT_OTAG_FILE_SIZE,
  IOT_OTAG_MD5SUM,
  IOT_OTAG_VERSION,
  IOT_OTAP_BURN_FAILED,
  IOT_OTAP_CHECK_FALIED,
  IOT_OTAP_FETCH_FAILED,
  IOT_SetupConnInfo,
  IOTX_IOCTL_SET_MQTT_TLS,
  IOTX_MQTT_EVENT_PUBLISH_SUCCESS,
  type iotx_mqtt_event_msg_t,
  type MqttHandle,
  OTA_VERSION_LEN_MAX,
  type OtaHandle,
  SUCCESS_RETURN,
} from 'iotkit-ota/sdk';

const FETCH_BYTES = 5000;
const FETCH_TIMEOUT_S = 1;
const YIELD_MS = 100;
const NOTICE_WAIT_MS = 60_000;
const ACK_WAIT_MS = 5000;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_NO_UPGRADE = 3;

interface Arguments {
  readonly host: string;
  readonly port: number;
  /** '-': plain TCP */
  readonly ca_file: string;
  readonly product_key: string;
  readonly device_name: string;
  readonly device_secret: string;
  /** that runs now */
  readonly version: string;
  readonly output: string;
}

interface Device {
  readonly args: Arguments;
  mqtt: MqttHandle | null;
  ota: OtaHandle | null;
  /** QoS 1 messages */
  acknowledged: number;
  target: string;
}

function usage(): number {
  process.stderr.write(
    `usage: ota-sdk HOST PORT CA_FILE PRODUCT_KEY DEVICE_NAME DEVICE_SECRET VERSION OUTPUT
  Reports VERSION, waits for an upgrade, fetches its image into OUTPUT, checks it, and reports the new version.
  CA_FILE: certificates (PEM) to trust; "-" connects without TLS.
exit codes: 0 updated, 1 failed, 2 wrong usage, 3 no upgrade was announced within 60 s
`,
  );
  return EXIT_USAGE;
}

function failed(what: string, code: number): number {
  process.stderr.write(`ota: ${what} failed: ${code}\n`);
  return EXIT_FAILED;
}

const print = (text: string) => process.stdout.write(`${text}\n`);
const textOf = (bytes: Buffer) => bytes.toString('utf8', 0, bytes.indexOf(0));

/** The file's text; null: it cannot be read. */
function read_text(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function on_event(device: Device, _client: MqttHandle, event: iotx_mqtt_event_msg_t): void {
  if (event.event_type === IOTX_MQTT_EVENT_PUBLISH_SUCCESS) device.acknowledged++;
}

/** Signs in: 0, or the program's exit code. */
async function connect_device(device: Device): Promise<number> {
  const { args } = device;
  const tls = args.ca_file !== '-';
  const ca = tls ? read_text(args.ca_file) : null;
  if (tls && ca === null) return failed('reading CA_FILE', -1);
  // The firmware's server is checked against the system's CA store; OpenSSL lets this name another.
  if (tls) process.env.SSL_CERT_FILE = args.ca_file;
  IOT_Ioctl(IOTX_IOCTL_SET_MQTT_TLS, tls ? 1 : 0);
  const [rc, info] = IOT_SetupConnInfo(args.product_key, args.device_name, args.device_secret);
  if (rc !== SUCCESS_RETURN || info === null) return failed('IOT_SetupConnInfo', rc);
  device.mqtt = await IOT_MQTT_Construct({
    port: args.port,
    host: args.host,
    client_id: info.client_id,
    username: info.username,
    password: info.password,
    pub_key: ca,
    clean_session: 1,
    request_timeout_ms: 5000,
    keepalive_interval_ms: 60_000,
    handle_event: { h_fp: on_event, pcontext: device },
  });
  return device.mqtt !== null ? 0 : failed('IOT_MQTT_Construct', -1);
}

/** Opens OTA and reports a version; waits until it is acknowledged. */
async function report(device: Device, version: string): Promise<number> {
  const before = device.acknowledged;
  device.ota = IOT_OTA_Init(device.args.product_key, device.args.device_name, device.mqtt);
  if (device.ota === null) return failed('IOT_OTA_Init', -1);
  const rc = IOT_OTA_ReportVersion(device.ota, version);
  if (rc !== 0) return failed('IOT_OTA_ReportVersion', rc);
  const end_ms = performance.now() + ACK_WAIT_MS;
  while (device.acknowledged === before && performance.now() < end_ms)
    await IOT_MQTT_Yield(device.mqtt, YIELD_MS);
  if (device.acknowledged === before) return failed('the acknowledgement of the version', -1);
  print(`version ${version} reported`);
  return 0;
}

async function await_upgrade(device: Device): Promise<number> {
  const end_ms = performance.now() + NOTICE_WAIT_MS;
  while (!IOT_OTA_IsFetching(device.ota)) {
    if (performance.now() >= end_ms) return EXIT_NO_UPGRADE;
    await IOT_MQTT_Yield(device.mqtt, YIELD_MS);
  }
  return 0;
}

function describe(device: Device): void {
  const size = new Uint32Array(1);
  const version = Buffer.alloc(OTA_VERSION_LEN_MAX);
  const md5 = Buffer.alloc(33);
  IOT_OTA_Ioctl(device.ota, IOT_OTAG_VERSION, version);
  IOT_OTA_Ioctl(device.ota, IOT_OTAG_FILE_SIZE, size);
  IOT_OTA_Ioctl(device.ota, IOT_OTAG_MD5SUM, md5);
  device.target = textOf(version);
  print(`upgrade to ${device.target}, ${size[0]} bytes, MD5 ${textOf(md5) || 'not announced'}`);
}

/**
 * Fetches the image into `output`. FetchYield returns less than 0 when the download has failed for
 * good, and 0 when no byte came in time, as while it reconnects: that is no failure, so the loop
 * ends with IsFetchFinish and not with the first 0.
 */
async function fetch(device: Device, output: number): Promise<number> {
  const buffer = new Uint8Array(FETCH_BYTES);
  const fetched = new Uint32Array(1);
  const size = new Uint32Array(1);
  let told = -1;
  do {
    const got = await IOT_OTA_FetchYield(device.ota, buffer, FETCH_TIMEOUT_S);
    if (got < 0) {
      // not <=
      IOT_OTA_ReportProgress(device.ota, IOT_OTAP_FETCH_FAILED, 'the download failed');
      return failed('IOT_OTA_FetchYield', IOT_OTA_GetLastError(device.ota));
    }
    if (!write(output, buffer.subarray(0, got))) {
      IOT_OTA_ReportProgress(device.ota, IOT_OTAP_BURN_FAILED, 'the image could not be written');
      return failed('writing OUTPUT', -1);
    }
    IOT_OTA_Ioctl(device.ota, IOT_OTAG_FETCHED_SIZE, fetched);
    IOT_OTA_Ioctl(device.ota, IOT_OTAG_FILE_SIZE, size);
    const percent = size[0] ? Math.trunc(((fetched[0] ?? 0) * 100) / size[0]) : 0;
    if (percent > told) IOT_OTA_ReportProgress(device.ota, percent, '');
    if (percent > told) told = percent;
    await IOT_MQTT_Yield(device.mqtt, YIELD_MS);
  } while (!IOT_OTA_IsFetchFinish(device.ota));
  print(`fetched ${fetched[0]} of ${size[0]} bytes`);
  return 0;
}

/** Whether all of it was written. */
function write(output: number, bytes: Uint8Array): boolean {
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(output, bytes, at);
    return true;
  } catch {
    return false;
  }
}

function check(device: Device): number {
  const good = new Uint32Array(1);
  const rc = IOT_OTA_Ioctl(device.ota, IOT_OTAG_CHECK_FIRMWARE, good);
  if (rc === 0 && good[0] === 1) {
    print('the image is the announced one');
    return 0;
  }
  IOT_OTA_ReportProgress(device.ota, IOT_OTAP_CHECK_FALIED, 'the image is not the announced one');
  return failed('IOT_OTAG_CHECK_FIRMWARE', IOT_OTA_GetLastError(device.ota));
}

/** Fetches into OUTPUT and checks it; an image that is not good does not stay there. */
async function install(device: Device): Promise<number> {
  let output: number;
  try {
    output = openSync(device.args.output, 'w');
  } catch {
    return failed('opening OUTPUT', -1);
  }
  let rc = await fetch(device, output);
  closeSync(output);
  if (rc === 0) rc = check(device);
  if (rc !== 0) rmSync(device.args.output, { force: true });
  return rc;
}

async function update(device: Device): Promise<number> {
  let rc = await report(device, device.args.version);
  if (rc === 0) rc = await await_upgrade(device);
  if (rc !== 0) return rc;
  describe(device);
  rc = await install(device);
  if (rc !== 0) return rc;
  rc = await IOT_OTA_Deinit(device.ota);
  device.ota = null;
  if (rc !== 0) return failed('IOT_OTA_Deinit', rc);
  print('restart');
  return report(device, device.target);
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv.length !== 8) return usage();
  const [host, port, ca_file, product_key, device_name, device_secret, version, output] = argv as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const args: Arguments = {
    host,
    port: Number.parseInt(port, 10),
    ca_file,
    product_key,
    device_name,
    device_secret,
    version,
    output,
  };
  const device: Device = { args, mqtt: null, ota: null, acknowledged: 0, target: '' };
  if (!(args.port >= 1 && args.port <= 0xffff)) return usage();
  let rc = await connect_device(device);
  if (rc === 0) rc = await update(device);
  if (device.ota !== null) await IOT_OTA_Deinit(device.ota);
  if (device.mqtt !== null) await IOT_MQTT_Destroy(device.mqtt);
  if (rc === EXIT_NO_UPGRADE) process.stderr.write('ota: no upgrade was announced\n');
  return rc;
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
