// Where the power of a machine is cut while it updates itself: at each step that can be seen from outside, at each
// write to GRUB's environment in every way, and at writes that chance picks.

/** How a write ends with the power: it is not there, its sectors are there or not, it is there and is the last. */
const ways = ['cut-before', 'cut-within', 'cut-after'];

/** Of an update to a version that is well: what GRUB's environment is written for, in this order. */
const environmentWrites = [
  'GRUB counts A',
  'A is kept',
  'B is activated',
  'GRUB counts B',
  'B is confirmed',
];

const well = { version: '2.0.0', health: 'well' };
const sick = { version: '2.0.0', health: 'sick' };
const dead = { version: '2.0.0', health: 'dead' };
const frozen = { version: '2.0.0', health: 'frozen' };

/** Writes of the partition with systemd-boot's entries in an update that nobody disturbs. */
const ENTRY_WRITES = 24;

/** Writes of the data partition in an update that nobody disturbs: the record, the agent's log, and their journal. */
const DATA_WRITES = 90;

/** All that have a name. Each has a system and where it is cut; undefined: nowhere. */
export function namedCuts(loader) {
  const own = { grub: grubCuts, 'systemd-boot': systemdBootCuts }[loader];
  return [...uncut(loader), ...seenCuts(), ...(own?.() ?? [])];
}

/** Only GRUB starts the watchdog that a version that freezes needs. */
function uncut(loader) {
  return [
    cut('well, no cut', well),
    cut('sick, no cut', sick),
    cut('dead, no cut', dead),
    ...(loader === 'grub' ? [cut('frozen, no cut', frozen)] : []),
  ];
}

/** At lines of the agent and of the system, which are the same whatever the boot loader. */
function seenCuts() {
  return [
    cut('begun', well, line(/: installing$/)),
    cut('installed', well, line(/: installed in B$/)),
    cut('activated', well, line(/: activated in B$/)),
    cut('B runs', well, line(/^running slot B/)),
    cut('on trial', well, line(/: trial in B$/)),
    cut('confirmed', well, line(/: confirmed in B$/)),
    cut('B is sick', sick, line(/: trial in B: /)),
    cut('rolled back', sick, line(/: rolledBack in B/)),
  ];
}

function grubCuts() {
  return [
    ...environmentWrites.flatMap((name, i) =>
      ways.map((how) => cut(`${name}, ${how}`, well, write('grubenv', i + 1, how))),
    ),
    ...ways.map((how, i) => cut(`the image, ${how}`, well, write('system-b', 2 + 3 * i, how))),
    cut('GRUB starts B', well, line(/^starting slot B/)),
    ...ways.map((how) => cut(`B is marked bad, ${how}`, sick, write('grubenv', 5, how))),
    ...ways.map((how) => cut(`the last try of B, ${how}`, dead, write('grubenv', 6, how))),
    cut('GRUB leaves B', dead, write('grubenv', 7, 'cut-within')),
    cut('B is frozen', frozen, line(/freezes$/)),
  ];
}

/** At writes to the partition of the entries (the agent, the kernel that mounts it, the loader), each way in turn. */
function systemdBootCuts() {
  return Array.from({ length: ENTRY_WRITES }, (_, i) => {
    const how = ways[i % ways.length];
    return cut(`entries: write ${i + 1}, ${how}`, well, write('boot', i + 1, how));
  });
}

/** One that chance picks among the writes of the data partition and of the slot. */
export function randomCut(number, random) {
  const to = random() < 0.8 ? 'data' : 'system-b';
  const nth = 1 + Math.floor(random() * (to === 'data' ? DATA_WRITES : 8));
  const how = ways[Math.floor(random() * ways.length)];
  return cut(`random ${number}: write ${nth} to ${to}, ${how}`, well, write(to, nth, how));
}

const cut = (name, system, where) => ({ name, system, where });
const line = (pattern) => ({ at: 'line', pattern });
const write = (to, nth, how) => ({ at: 'write', to, nth, how });
