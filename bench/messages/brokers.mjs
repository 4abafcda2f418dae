// What the clients talk to: a mosquitto, and the bare peer.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Over TLS where a certificate is given, its `file` and its `key`. `cpu()`: microseconds that it has taken, where
 * the system says so. `feeds`: who subscribes gets messages from itself.
 */
export async function startMosquitto(certificate) {
  const directory = mkdtempSync(path.join(tmpdir(), 'iotkit-ota-bench-'));
  const port = await freePort();
  const file = path.join(directory, 'mosquitto.conf');
  const user = process.getuid?.() === 0 ? 'user root\n' : '';
  const tls = certificate ? `certfile ${certificate.file}\nkeyfile ${certificate.key}\n` : '';
  writeFileSync(
    file,
    `${user}listener ${port} 127.0.0.1\n${tls}allow_anonymous true\nmax_queued_messages 0\n`,
  );
  const mosquitto = spawn('mosquitto', ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  await once(mosquitto.stderr, 'data');
  mosquitto.stderr.resume();
  const stop = () => {
    mosquitto.kill();
    rmSync(directory, { recursive: true, force: true });
  };
  return { name: 'mosquitto', port, feeds: false, cpu: () => cpuOf(mosquitto.pid), stop };
}

export async function startBare(count) {
  const script = fileURLToPath(new URL('bare.mjs', import.meta.url));
  const peer = spawn(process.execPath, [script, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = await once(peer.stdout, 'data');
  return {
    name: 'bare',
    port: Number(port),
    feeds: true,
    cpu: () => cpuOf(peer.pid),
    stop: () => peer.kill(),
  };
}

let ticksPerSecond;

/** Linux counts in ticks, of a hundredth of a second mostly. */
function cpuOf(pid) {
  if (process.platform !== 'linux') return Number.NaN;
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / ticksPerSecond;
}

async function freePort() {
  if (spawnSync('mosquitto', ['-h']).error) throw new Error('mosquitto is not installed');
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
