// Measures what the C library takes, and writes docs/size.md: code by object file (`size`), allocated bytes per client,
// handle and download, stack depth under the calls of each kind of thread. Linux with glibc, a C compiler, binutils,
// openssl.
//
//   node scripts/measure/size.mjs
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { at } from '../lib/paths.mjs';

const compiler = process.env.CC ?? 'cc';
const flags = ['-std=gnu11', '-Os', '-D_GNU_SOURCE', '-D_FILE_OFFSET_BITS=64'];
const shrink = ['-fvisibility=hidden', '-ffunction-sections', '-fdata-sections'];
const include = ['-I', at('deps/iotkit/include'), '-I', at('deps/iotkit/src')];
const IMAGE_SIZE = 4 * 1024 * 1024;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'iotkit-size-'));
try {
  const objects = compileAll();
  const measured = await measure(Object.values(objects).flat());
  fs.mkdirSync(at('docs'), { recursive: true });
  fs.writeFileSync(at('docs/size.md'), page(objects, measured));
  console.log('docs/size.md is written');
} finally {
  fs.rmSync(folder, { recursive: true });
}

// --- code ---

/** The objects of each group of sources.json, in the order of the list. */
function compileAll() {
  const { iotkit } = JSON.parse(fs.readFileSync(at('sources.json'), 'utf8'));
  const groups = Object.entries(iotkit).flatMap(([name, sources]) =>
    Array.isArray(sources)
      ? [[name, sources]]
      : Object.entries(sources).map(([port, files]) => [`${name}/${port}`, files]),
  );
  return Object.fromEntries(
    groups.map(([name, sources]) => [name, sources.map((source) => compile(source))]),
  );
}

function compile(source) {
  const object = path.join(folder, source.replaceAll('/', '_').replace(/\.c$/, '.o'));
  execFileSync(compiler, [...flags, ...shrink, ...include, '-c', at(source), '-o', object]);
  const [, line] = execFileSync('size', [object], { encoding: 'utf8' }).split('\n');
  const [text, data, bss] = line.trim().split(/\s+/).map(Number);
  return { source, object, text, data, bss };
}

// --- run time ---

async function measure(objects) {
  const program = path.join(folder, 'memory');
  const files = objects.map(({ object }) => object);
  const source = at('scripts/measure/memory.c');
  execFileSync(compiler, [
    ...flags,
    ...include,
    source,
    ...files,
    '-o',
    program,
    '-lpthread',
    '-ldl',
  ]);
  const image = Buffer.alloc(IMAGE_SIZE, 'firmware');
  const md5 = createHash('md5').update(image).digest('hex');
  const { key, cert } = certificate();
  const serve = (_request, response) => response.end(image);
  const servers = [broker(), http.createServer(serve), https.createServer({ key, cert }, serve)];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const data = { size: IMAGE_SIZE, version: '2', url: 'http://127.0.0.1/f', md5 };
  const notice = JSON.stringify({ code: '1000', id: 1, message: 'success', data });
  servers[0].notice = notice;
  const ports = servers.map((server) => String(server.address().port));
  const args = [...ports, path.join(folder, 'cert.pem'), String(IMAGE_SIZE), md5, folder];
  try {
    const { stdout } = await promisify(execFile)(program, args);
    return JSON.parse(stdout);
  } finally {
    for (const server of servers) {
      server.closeAllConnections?.();
      server.close();
    }
  }
}

function certificate() {
  const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync(
    'openssl',
    ['req', '-x509', ...kind, ...subject, '-days', '2', '-keyout', key, '-out', cert],
    { stdio: 'ignore' },
  );
  return { key: fs.readFileSync(key), cert: fs.readFileSync(cert) };
}

/**
 * Accepts every client, grants every subscription and login, and announces an upgrade to those of an upgrade topic,
 * sub-devices left out.
 */
function broker() {
  const server = net.createServer((socket) => {
    let waiting = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      waiting = Buffer.concat([waiting, chunk]);
      for (
        let end = packetEnd(waiting);
        end > 0 && end <= waiting.length;
        end = packetEnd(waiting)
      ) {
        answer(socket, waiting.subarray(0, end));
        waiting = waiting.subarray(end);
      }
    });
  });
  const answer = (socket, packet) => {
    const body = packet.subarray(headLength(packet));
    if (packet[0] === 0x10) socket.write(Buffer.from([0x20, 2, 0, 0]));
    if (packet[0] >> 4 === 3 && packet[0] & 2) {
      const id = body.subarray(2 + body.readUInt16BE(0)).subarray(0, 2);
      socket.write(Buffer.concat([Buffer.from([0x40, 2]), id]));
    }
    if (packet[0] === 0x30) answerLogin(socket, body);
    if (packet[0] === 0xa2) socket.write(Buffer.from([0xb0, 2, body[0], body[1]]));
    if (packet[0] !== 0x82) return;
    socket.write(Buffer.from([0x90, 3, body[0], body[1], 1]));
    const topic = body.subarray(4, 4 + body.readUInt16BE(2));
    if (!topic.includes('/ota/device/upgrade/') || topic.includes('Subdevice')) return;
    publish(socket, topic, server.notice);
  };
  return server;
}

function publish(socket, topic, payload) {
  const length = 2 + topic.length + payload.length;
  const head = [0x30, (length & 127) | 128, length >> 7, topic.length >> 8, topic.length & 255];
  socket.write(Buffer.concat([Buffer.from(head), Buffer.from(topic), Buffer.from(payload)]));
}

/** A gateway's login of one sub-device or many. */
function answerLogin(socket, body) {
  const topic = body.subarray(2, 2 + body.readUInt16BE(0)).toString();
  if (!topic.endsWith('login')) return;
  const { id } = JSON.parse(body.subarray(2 + topic.length).toString());
  publish(
    socket,
    `${topic}_reply`,
    JSON.stringify({ id, code: 200, message: 'success', data: {}, padding: ' '.repeat(128) }),
  );
}

/** Of type and length, 0: not all of it is there. */
function headLength(bytes) {
  let at = 1;
  while (at < bytes.length && bytes[at] >= 128) at++;
  return at < bytes.length ? at + 1 : 0;
}

function packetEnd(bytes) {
  const head = headLength(bytes);
  const digits = [...bytes.subarray(1, head)];
  return head && head + digits.reduce((sum, digit, i) => sum + (digit & 127) * 128 ** i, 0);
}

// --- page ---

function page(objects, run) {
  const all = Object.values(objects).flat();
  const version = execFileSync(compiler, ['--version'], { encoding: 'utf8' }).split('\n')[0];
  const rows = Object.entries(objects).flatMap(([group, files]) => [
    row(`**${group}**`, sum(files), true),
    ...files.map((file) => row(path.basename(file.source), file)),
  ]);
  return `# What the C library takes

Made by \`node scripts/measure/size.mjs\`; measured on ${process.platform} ${process.arch} with ${version}, \`-Os\`.

## Code, bytes by object file

What a program links is less: the linker drops the functions that it does not call (\`-Wl,--gc-sections\`).

| | text | data | bss |
|---|--:|--:|--:|
${row('**all**', sum(all), true)}
${rows.join('\n')}

## Memory, bytes that malloc has handed out

Means of 16, or of 2,000 sub-devices; what the C library and OpenSSL allocate for them included. Buffers grow with the
largest packet of a connection and are capped (\`src/base/limits.h\`).

| | bytes |
|---|--:|
| an MQTT client, connected over TCP | ${run.client} |
| an OTA handle, before its subscriptions were answered | ${run.handle} |
| an OTA handle, subscribed, with an announced upgrade | ${run.handle_announced} |
| a sub-device that is logged in, one of 2,000 on a connection | ${run.subdevice} |
| the same with an OTA handle that has reported a version | ${run.subdevice_ota} |
| an announced upgrade alone | ${run.http_announced} |
| a download over HTTP, under way | ${run.http_fetching} |
| a download over HTTPS, under way | ${run.https_fetching} |

## Stacks, bytes

The deepest that a painted stack was touched in two runs, the system's own thread data included (the first row is a
thread that does nothing). Give a thread at least twice as much.

| a thread that | bytes |
|---|--:|
| does nothing | ${run.stack_nothing} |
| connects, subscribes, yields, takes a notice and reports | ${run.stack_mqtt} |
| downloads over HTTP and digests | ${run.stack_http} |
| downloads over HTTPS and digests | ${run.stack_https} |
| downloads over HTTP, digests, writes and renames the file | ${run.stack_file} |
`;
}

function sum(files) {
  const total = (key) => files.reduce((bytes, file) => bytes + file[key], 0);
  return { text: total('text'), data: total('data'), bss: total('bss') };
}

function row(name, { text, data, bss }, bold = false) {
  const cells = [text, data, bss].map((bytes) => (bold ? `**${bytes}**` : bytes));
  return `| ${name} | ${cells.join(' | ')} |`;
}
