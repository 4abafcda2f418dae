import { readFileSync, writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

/** What one piece of work cost the process that did it. */
export interface Cost {
  readonly seconds: number;
  /** User and system time of every thread. */
  readonly cpuSeconds: number;
  /**
   * Highest resident memory during the work, over that before it. Absent where the system does not
   * tell.
   */
  readonly rssOverIdle?: number;
  /** Share of the time the event loop was busy, 0…1. */
  readonly eventLoop?: number;
  /** CPU time of the JavaScript thread alone. Absent where the system does not tell. */
  readonly jsCpuSeconds?: number;
  /** CPU time of the server meanwhile. Absent where the system does not tell. */
  readonly serverCpuSeconds?: number;
}

/** Runs `work` once and measures it. For clean figures the process does nothing else. */
export async function measure(work: () => Promise<void>): Promise<Cost> {
  global.gc?.();
  global.gc?.();
  const resets = resetPeak();
  const idle = status('VmRSS');
  const cpu = process.resourceUsage();
  const thread = threadCpuSeconds(process.pid);
  const loop = performance.eventLoopUtilization();
  const begin = performance.now();
  await work();
  const seconds = (performance.now() - begin) / 1000;
  const eventLoop = performance.eventLoopUtilization(loop).utilization;
  const after = process.resourceUsage();
  const threadAfter = threadCpuSeconds(process.pid);
  const peak = resets ? status('VmHWM') : undefined;
  const micros = after.userCPUTime - cpu.userCPUTime + (after.systemCPUTime - cpu.systemCPUTime);
  return {
    seconds,
    cpuSeconds: micros / 1e6,
    ...(idle !== undefined && peak !== undefined && { rssOverIdle: peak - idle }),
    eventLoop,
    ...(thread !== undefined &&
      threadAfter !== undefined && { jsCpuSeconds: threadAfter - thread }),
  };
}

/** Linux: CPU time of a process's first thread. */
export function threadCpuSeconds(pid: number): number | undefined {
  try {
    const [nanoseconds] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ');
    return Number(nanoseconds) / 1e9;
  } catch {
    return undefined;
  }
}

/** Linux: the highest resident memory begins anew. */
function resetPeak(): boolean {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
    return true;
  } catch {
    return false;
  }
}

/** A figure of /proc/self/status in bytes. */
function status(name: string): number | undefined {
  try {
    const text = readFileSync('/proc/self/status', 'utf8');
    const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    return undefined;
  }
}
