/**
 * One update to firmware that was signed with a key of our own: whoever controls the platform or
 * the server cannot make this device install another image.
 *
 *   connect with our public key and rules → report the version → take an upgrade
 *   → verify its signature, download, resume → report the new version
 *
 * The operator attaches the signature to the package as `signature` (extData), made on another
 * machine: openssl dgst -sha256 -sign private.pem firmware.bin | openssl base64 -A
 */
import { readFile } from 'node:fs/promises';
import { connect, type Device, IotkitError, type Upgrade } from 'iotkit-ota';

const USAGE = `usage: signed-update MQTTS_URL CA_FILE PRODUCT_KEY DEVICE_NAME DEVICE_SECRET PUBLIC_KEY VERSION OUTPUT
  Reports VERSION, waits for an upgrade to a newer one, verifies its signature with PUBLIC_KEY (PEM), fetches its
  image into OUTPUT, and reports the new version. Interrupted (Ctrl-C), it goes on the next time.
exit codes: 0 updated, 1 failed, 2 wrong usage, 130 interrupted
`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

interface Arguments {
  readonly url: string;
  readonly ca: Buffer;
  readonly productKey: string;
  readonly deviceName: string;
  readonly deviceSecret: string;
  readonly publicKeys: Buffer;
  /** That runs now. */
  readonly version: string;
  readonly output: string;
}

async function readArguments([...given]: readonly string[]): Promise<Arguments | undefined> {
  const [url, caFile, productKey, deviceName, deviceSecret, keyFile, version, output] = given;
  if (given.length !== 8 || !url || !caFile || !productKey || !deviceName) return undefined;
  if (!deviceSecret || !keyFile || !version || !output) return undefined;
  const [ca, publicKeys] = await Promise.all([readFile(caFile), readFile(keyFile)]);
  return { url, ca, productKey, deviceName, deviceSecret, publicKeys, version, output };
}

/** The next upgrade that has a signature; what has none is rejected, which the operator sees. */
async function nextSigned(device: Device, signal: AbortSignal): Promise<[Upgrade, string]> {
  for await (const upgrade of device.ota.upgrades({ signal })) {
    const { signature } = upgrade.extData;
    if (typeof signature === 'string') return [upgrade, signature];
    process.stderr.write(`${upgrade.version} is not signed\n`);
    await upgrade.reject('the package has no signature');
  }
  throw new IotkitError('ERR_CLOSED');
}

async function update(given: Arguments, signal: AbortSignal): Promise<void> {
  const { url, ca, productKey, deviceName, deviceSecret, publicKeys, version, output } = given;
  await using device = await connect({
    ...{ url, tls: { ca }, productKey, deviceName, deviceSecret, signal },
    fetch: { ca, httpsOnly: true },
    verify: { publicKeys, requireSignature: true, newerOnly: true },
  });
  await device.ota.reportVersion(version, { signal });
  process.stdout.write(`version ${version} reported\n`);

  const [upgrade, value] = await nextSigned(device, signal);
  process.stdout.write(`upgrade to ${upgrade.version}, ${upgrade.size} bytes\n`);
  // Nothing is fetched before the signature is verified; the digest then binds the bytes to it.
  await upgrade.download(output, { signal, signature: { value, over: 'image' } });
  process.stdout.write(`${output} is the signed image\n`);

  // Here a device would write it to its flash and restart.
  await device.ota.reportVersion(upgrade.version, { signal });
  process.stdout.write(`version ${upgrade.version} reported\n`);
}

async function main(): Promise<number> {
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  try {
    const given = await readArguments(process.argv.slice(2));
    if (given === undefined) {
      process.stderr.write(USAGE);
      return EXIT_USAGE;
    }
    await update(given, interrupted.signal);
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) return EXIT_INTERRUPTED;
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return EXIT_FAILED;
  }
}

main().then((code) => {
  process.exitCode = code;
});
