// One run: a program downloads an image, is killed, its files are spoilt, it is started again, until the plan is
// through.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { at } from '../lib/paths.mjs';
import { damage, keepForeign } from './damage.mjs';
import { TortureServer } from './server.mjs';

const PRODUCT_KEY = 'a1Torture';
/** Starts of one run: the server's faults may use up the tries of several. */
const MAX_STARTS = 16;
/** A program that takes longer hangs. */
const HANG_MS = 60_000;
/** In an existing file the image begins here. */
const PLACE = 4096;
const OLD = Buffer.from('the image before');

const fetch = {
  maxRetries: 4,
  retry: { min: 1, max: 20 },
  responseTimeout: 2_000,
  idleTimeout: 400,
};

/** Errors after which the same program is started again, as whoever supervises it would. */
const MAY_PASS = new Set([
  'ERR_CONNECTION_CLOSED',
  'ERR_CONNECTION_RESET',
  'ERR_TRUNCATED',
  'ERR_IDLE_TIMEOUT',
  'ERR_HTTP_UNAVAILABLE',
  'ERR_HTTP_RANGE',
  'ERR_URL_EXPIRED',
  'ERR_CHANGED',
  'ERR_TLS',
  'ERR_CONNECT',
  'ERR_NETWORK',
  'ERR_TIMEOUT',
]);

/** Why a run is no success; the message is for a person. */
export class RunFailed extends Error {}

/**
 * Whether all was asked for because the server refused a range twice in a row: it may be one that cannot do
 * ranges. What is there by then is fetched again on purpose (docs/download.md).
 */
export function hasDoubted(requests) {
  const isRefused = (request) => request?.range !== undefined && request.status >= 400;
  return requests.some(
    ({ range }, i) =>
      range === undefined && isRefused(requests[i - 1]) && isRefused(requests[i - 2]),
  );
}

/** What the runs have in common: the platform, its one firmware, the image's bytes, a directory. */
export class Run {
  #common;
  #plan;
  #directory;
  #image;
  #server;
  #device;
  #faultId;
  #starts = 0;
  #kills = 0;
  #log = [];

  constructor(common, plan) {
    this.#common = common;
    this.#plan = plan;
    this.#directory = path.join(common.directory, `run-${plan.number}`);
    this.#image = common.imageOf(plan.size, plan.number + 1);
  }

  /** Resolves with what it took; throws a RunFailed. */
  async run() {
    try {
      await this.#open();
      for (const kill of this.#plan.kills) {
        const outcome = await this.#start(kill);
        const isThere = await this.#checkFinal(outcome);
        if (this.#isEnd(outcome, isThere)) return this.#result(outcome);
        await keepForeign(this.#files, this.#common.directory);
        for (const each of kill.damage) await this.#damage(each);
      }
      for (;;) {
        const outcome = await this.#start();
        const isThere = await this.#checkFinal(outcome);
        if (this.#isEnd(outcome, isThere)) return this.#result(outcome);
        if (this.#starts > MAX_STARTS) this.#fail(`it still ends with ${outcome.ends}`);
      }
    } catch (error) {
      if (error instanceof RunFailed) throw error;
      throw new RunFailed(`${this.#log.join('\n')}\n${error.stack}`);
    } finally {
      await this.#close();
    }
  }

  get #target() {
    return path.join(this.#directory, 'firmware.bin');
  }

  get #files() {
    return this.#plan.inPlace
      ? { part: this.#target, journal: path.join(this.#directory, 'journal') }
      : { part: `${this.#target}.part`, journal: `${this.#target}.part.journal` };
  }

  async #open() {
    const { platform, firmwareId, support, identity } = this.#common;
    const { number, hasOld, inPlace, size } = this.#plan;
    await mkdir(this.#directory);
    // Around the image in place nothing may change.
    if (inPlace) await writeFile(this.#target, Buffer.alloc(PLACE + size + PLACE, 0x5a));
    else if (hasOld) await writeFile(this.#target, OLD);
    this.#device = await platform.devices.add({
      productKey: PRODUCT_KEY,
      deviceName: `device${number}`,
    });
    this.#server = await TortureServer.start({
      plan: this.#plan,
      image: this.#image,
      tls: identity,
      support,
      onExpired: (url) => this.#announce(url),
    });
    this.#announce(this.#server.url);
    await platform.upgrades.start({ firmwareId, devices: [this.#device.deviceName] });
  }

  /** From now on the platform gives this address. */
  #announce(url) {
    const { faults } = this.#common.platform;
    const isMd5 = this.#plan.digest === 'MD5';
    const sign = createHash(isMd5 ? 'md5' : 'sha256')
      .update(this.#image)
      .digest('hex');
    if (this.#faultId !== undefined) faults.remove(this.#faultId);
    this.#faultId = faults.set({
      kind: 'notice-patch',
      deviceName: this.#device.deviceName,
      data: {
        url,
        sign,
        signMethod: isMd5 ? 'Md5' : 'Sha256',
        size: this.#image.length,
        ...(isMd5 && { md5: sign }),
      },
    });
  }

  /** Starts the program; resolves when it has ended, with `{ ends }` unless it was killed. */
  async #start(kill) {
    const { productKey, deviceName, deviceSecret } = this.#device;
    const { platform } = this.#common;
    const { inPlace, connections, scheme } = this.#plan;
    const argument = {
      device: { productKey, deviceName, deviceSecret, url: platform.mqttUrl },
      target: inPlace
        ? { device: this.#target, offset: PLACE, journal: this.#files.journal }
        : this.#target,
      fetch: {
        ...fetch,
        connections,
        proxy: false,
        ...(scheme === 'https' && { ca: platform.ca }),
      },
    };
    const script = at('scripts', 'torture', 'child.mjs');
    const child = spawn(process.execPath, [script, JSON.stringify(argument)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const outcome = await this.#watch(child, kill);
    this.#starts += 1;
    if (outcome.killed) this.#kills += 1;
    this.#log.push(
      `  start ${this.#starts}: ${JSON.stringify(outcome)}, ${this.#server.requests.length} requests, ` +
        `${this.#server.sent} bytes sent`,
    );
    return outcome;
  }

  #watch(child, kill) {
    const lines = [];
    let errors = '';
    let isKilled = false;
    const end = () => {
      isKilled = true;
      child.kill('SIGKILL');
    };
    createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line)));
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    const disarm = this.#arm(kill, end);
    let hangs = false;
    const hang = setTimeout(() => {
      hangs = true;
      child.kill('SIGKILL');
    }, HANG_MS);
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        disarm();
        clearTimeout(hang);
        const ends = lines.findLast((line) => line.ends !== undefined)?.ends;
        const { message } = lines.findLast((line) => line.message !== undefined) ?? {};
        if (hangs) reject(this.#failure(`the program hangs; it said ${JSON.stringify(lines)}`));
        else if (signal === 'SIGKILL' && isKilled) resolve({ killed: true });
        else if (code === 0 && ends !== undefined) resolve({ ends, ...(message && { message }) });
        else reject(this.#failure(`the program ended with ${signal ?? code}: ${errors}`));
      });
    });
  }

  /** Arms a kill; returns what disarms it. */
  #arm(kill, end) {
    if (kill === undefined) return () => {};
    if (kill.at === 'sent') return this.#server.whenSent(kill.sent, end);
    let timer;
    const wait = () => {
      timer = setTimeout(end, kill.ms);
    };
    if (kill.at === 'ms') wait();
    const disarm = kill.at === 'end' ? this.#server.whenSent(this.#plan.size, wait) : () => {};
    return () => {
      disarm();
      clearTimeout(timer);
    };
  }

  /** Whether it ended as planned; throws when it ended in a way it never should. */
  #isEnd({ ends }, isThere) {
    // Killed behind the last step: nobody needs to start it again.
    if (ends === undefined) return isThere;
    if (ends === this.#plan.ends) return true;
    // Where a part is there, a wrong length may be a log-in page: the part is kept for another time.
    const isOfOtherSize = ends === 'ERR_HTTP_RANGE' && this.#plan.ends === 'ERR_SIZE_MISMATCH';
    if (isOfOtherSize && this.#server.hasEnded) return true;
    // The faults may bring all of the image before the planned error has its turn.
    if (ends === 'ok' && !this.#server.hasEnded) return true;
    // The faults alone may end a program, before they are through.
    if (MAY_PASS.has(ends)) return false;
    return this.#fail(`it ended with ${ends} instead of ${this.#plan.ends}`);
  }

  /**
   * Under the final name there is the old image or the new one, whatever happened. Resolves with
   * whether it is the new one and complete.
   */
  async #checkFinal({ ends }) {
    const { inPlace, hasOld, size } = this.#plan;
    if (inPlace) {
      const all = await readFile(this.#target);
      const around = [all.subarray(0, PLACE), all.subarray(PLACE + size)];
      if (all.length !== size + 2 * PLACE || around.some((each) => each.some((b) => b !== 0x5a))) {
        this.#fail('bytes around the image were changed');
      }
      const isNew = this.#image.equals(all.subarray(PLACE, PLACE + size));
      if (ends === 'ok' && !isNew) this.#fail('the image in place is not the announced one');
      return isNew;
    }
    const final = await readFile(this.#target).catch((error) => {
      if (error.code !== 'ENOENT') throw error;
    });
    const isNew = final !== undefined && this.#image.equals(final);
    const isOld = final === undefined ? !hasOld : hasOld && OLD.equals(final);
    if (!isNew && !isOld) this.#fail('there is something else under the final name');
    if (ends === 'ok' && !isNew) this.#fail('it said ok, and the image is not there');
    if (ends !== undefined && ends !== 'ok' && isNew)
      this.#fail(`it said ${ends}, and it is there`);
    return isNew;
  }

  async #damage(each) {
    const isDone = await damage(this.#files, each, this.#plan.inPlace ? PLACE : 0);
    this.#log.push(`  damage ${JSON.stringify(each)}${isDone ? '' : ': nothing to spoil'}`);
  }

  async #result({ ends = 'ok', killed }) {
    const left = (await readdir(this.#directory)).filter((name) => name !== 'firmware.bin');
    const isClean = ['ERR_DIGEST_MISMATCH', 'ERR_SIZE_MISMATCH', 'ok'].includes(ends);
    if (isClean && !killed && left.length > 0)
      this.#fail(`it ended with ${ends} and left ${left.join(', ')}`);
    return {
      ends,
      requests: this.#server.requests.length,
      again: Math.max(0, this.#server.sent - this.#plan.size),
      hasDoubted: hasDoubted(this.#server.requests),
      kills: this.#kills,
      log: [...this.#log, ...this.#asked()],
    };
  }

  #asked() {
    return (this.#server?.requests ?? []).map(
      ({ range = 'all', status, bytes }) => `  asked for ${range} → ${status}, ${bytes} bytes`,
    );
  }

  #failure(reason) {
    return new RunFailed([reason, ...this.#log, ...this.#asked()].join('\n'));
  }

  #fail(reason) {
    throw this.#failure(reason);
  }

  async #close() {
    const { faults, devices } = this.#common.platform;
    if (this.#faultId !== undefined) faults.remove(this.#faultId);
    await this.#server?.close();
    if (this.#device !== undefined) await devices.remove(this.#device);
    await rm(this.#directory, { recursive: true, force: true });
  }
}
