// A lock between processes of one checkout, so that two runs of `npm test` do not build over each
// other. The file holds the owner's pid; its time is renewed while the owner lives, so a lock left
// by a killed process is seen as stale.
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const HEARTBEAT_MS = 2_000;
const STALE_MS = 60_000;
const POLL_MS = 100;

/**
 * Runs `action` while holding the lock `file`, waiting for whoever holds it; `onWait(pid)` is
 * called once if so.
 */
export async function withLock(file, action, onWait = () => {}) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  for (let told = false; !tryLock(file); ) {
    const owner = readOwner(file);
    if (owner && isStale(owner)) {
      takeAway(file, owner);
      continue;
    }
    if (owner && !told) {
      told = true;
      onWait(owner.pid);
    }
    await delay(POLL_MS);
  }
  const heartbeat = setInterval(() => touch(file), HEARTBEAT_MS);
  const release = () => fs.rmSync(file, { force: true });
  process.once('exit', release);
  try {
    return await action();
  } finally {
    clearInterval(heartbeat);
    process.removeListener('exit', release);
    release();
  }
}

// The file appears with its content in one step: link() fails if the name is taken.
function tryLock(file) {
  const own = `${file}.${process.pid}`;
  fs.writeFileSync(own, String(process.pid));
  try {
    fs.linkSync(own, file);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    fs.rmSync(own, { force: true });
  }
}

function readOwner(file) {
  try {
    const pid = Number(fs.readFileSync(file, 'utf8'));
    const { mtimeMs, ino } = fs.statSync(file);
    return { pid, mtimeMs, ino };
  } catch {
    return undefined; // released in between
  }
}

function isStale({ pid, mtimeMs }) {
  if (Date.now() - mtimeMs > STALE_MS) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

// Of several that find the same stale lock one removes it, and only if it is still that one (same
// inode).
function takeAway(file, stale) {
  const guard = `${file}.takeover`;
  try {
    fs.mkdirSync(guard);
  } catch {
    removeOldGuard(guard);
    return;
  }
  try {
    const now = readOwner(file);
    if (now && now.ino === stale.ino && isStale(now)) fs.rmSync(file, { force: true });
  } finally {
    fs.rmdirSync(guard);
  }
}

function removeOldGuard(guard) {
  try {
    if (Date.now() - fs.statSync(guard).mtimeMs > STALE_MS) fs.rmdirSync(guard);
  } catch {
    // already gone
  }
}

function touch(file) {
  const now = new Date();
  try {
    fs.utimesSync(file, now, now);
  } catch {
    // taken away: the build goes on, the next run checks what it left
  }
}
