/**
 * systemd itself as the first process of namespaces of its own: it starts units as on a machine, and what it writes is
 * gone with it. It shares the network, and every file but those of /etc/systemd/system, /run and /var.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Ended, type Running, run, runWell, start } from './process';

const program = '/lib/systemd/systemd';

/** What the first process of the namespaces does before it becomes systemd. Its first argument: a folder with units. */
const preparation = `
set -e
mount --make-rprivate /
mkdir -p /etc/systemd/system
for folder in /run /var /etc/systemd/system; do mount -t tmpfs tmpfs $folder; done
[ ! -e /etc/fstab ] || mount --bind /dev/null /etc/fstab
mkdir -p /var/lib /var/log /var/tmp /run/lock
# What a system does at its start, to its kernel too, is not wanted of this one.
for unit in /lib/systemd/system/*.target.wants/* systemd-remount-fs.service; do
  case $unit in *.target) ;; *) ln -sf /dev/null "/etc/systemd/system/$(basename "$unit")" ;; esac
done
cp "$1"/*.* /etc/systemd/system
# Groups of processes are its own, whatever this machine has of them.
if [ -d /sys/fs/cgroup/systemd ]; then
  mount -t tmpfs tmpfs /sys/fs/cgroup
  mkdir /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd systemd /sys/fs/cgroup/systemd
else
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
container=iotkit-test exec ${program} --system --unit=ready.service --log-target=null
`;

/** The namespaces begin in a group of processes of their own. This prints its path, and what the first unit says. */
const entry = `
group=/sys/fs/cgroup; [ -d $group/systemd ] && group=$group/systemd
group=$group/iotkit-test-$$
mkdir "$group" && echo 0 >"$group/cgroup.procs" && echo "group $group"
mkfifo "$2/ready"
(cat "$2/ready" &)
spaces="--pid --mount --uts --ipc --cgroup --mount-proc"
exec setpriv --pdeathsig KILL unshare --kill-child --fork $spaces sh -c "$1" sh "$2"
`;

/** Whether this machine has it, and whether we may make namespaces. */
export function hasSystemd(): boolean {
  const probe = 'mount --make-rprivate / && mount -t tmpfs tmpfs /run';
  const namespaces = ['--fork', '--pid', '--mount', '--cgroup', '--mount-proc'];
  const script = `test -x ${program} && ${probe}`;
  return spawnSync('unshare', [...namespaces, 'sh', '-c', script]).status === 0;
}

const readyUnit = (folder: string): string => `
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo ready >${folder}/ready'
`;

export class Systemd implements AsyncDisposable {
  private constructor(
    private readonly first: Running,
    private readonly pid: number,
    private readonly group: string,
    private readonly folder: string,
  ) {}

  /** Starts it with units, by their names. `folder` is made, and holds them. */
  static async start(folder: string, units: Readonly<Record<string, string>>): Promise<Systemd> {
    await mkdir(folder);
    const all = { ...units, 'ready.service': readyUnit(folder) };
    for (const [name, text] of Object.entries(all)) {
      await writeFile(path.join(folder, name), text);
    }
    const arguments_ = ['-c', entry, 'sh', preparation, folder];
    const first = await start('sh', arguments_, { ready: /^ready$/m });
    const [, group = ''] = /^group (.*)$/m.exec(first.output()) ?? [];
    const children = await readFile(`/proc/${first.pid}/task/${first.pid}/children`, 'utf8');
    return new Systemd(first, Number(children), group, folder);
  }

  /** Runs a program beside it. */
  run(command: string, ...args: readonly string[]): Promise<Ended> {
    const spaces = ['--mount', '--pid', '--uts', '--ipc', '--cgroup'];
    return run('nsenter', ['-t', String(this.pid), ...spaces, command, ...args]);
  }

  /** `systemctl`; throws unless it ends well. */
  async control(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run('systemctl', ...args);
    if (code === 0) return stdout;
    throw new Error(`systemctl ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  }

  /** A property of a unit. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.control('show', '--value', '--property', name, unit)).trim();
  }

  /** Ends it, and with it all that it has started. */
  async [Symbol.asyncDispose](): Promise<void> {
    process.kill(this.pid, 'SIGKILL');
    await this.first.stop('SIGCONT'); // which ends nothing: it has ended when all of the namespace have
    await runWell('find', [this.group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';']);
    await rm(this.folder, { recursive: true, force: true });
  }
}
