import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { buildDriver } from './support/build';
import { CLibrary } from './support/c-library';
import { type Cell, report } from './support/differences';
import { type Backend, runScenario } from './support/run';
import {
  type Arg,
  buffer,
  call,
  construct,
  DEVICE_NAME,
  fetchAll,
  ioctl,
  notice,
  openedOn,
  PRODUCT_KEY,
  pushed,
  type Reply,
  type Scenario,
  type Step,
  topics,
  until,
} from './support/scenario';
import { makeImage } from './support/server';

/**
 * What was recorded of the vendor's 2.3.0: `ret`, then the last error, the first bytes and the last
 * touched index.
 */
interface Recorded {
  readonly states: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly ioctl: Readonly<
    Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>
  >;
  readonly reportVersion: Readonly<Record<string, string>>;
  readonly reportVersionWire: readonly (readonly [number, string, string])[];
  readonly reportProgress: Readonly<Record<string, string>>;
  readonly reportProgressWire: readonly (readonly [number, string, string])[];
  readonly requestImage: Readonly<Record<string, string>>;
  readonly init: Readonly<Record<string, string>>;
}

const read = <T>(name: string): T =>
  JSON.parse(readFileSync(path.join(__dirname, 'vectors', name), 'utf8')) as T;
const recorded = read<Recorded>('api-2.3.0.json');
/** The first bytes of the digest's text, in hex. */
const announced = Buffer.from(createHash('md5').update(makeImage(20_000)).digest('hex'))
  .subarray(0, 4)
  .toString('hex');
const answers = {
  '/gone': [{ head: 'HTTP/1.1 404 Not Found\r\nContent-Length: 0', body: '' }],
};

/** How a handle comes into each recorded state. */
function enter(state: string, ota: string): Step[] {
  const data =
    state === 'fetched_md5_bad'
      ? { md5: '0'.repeat(32) }
      : state === 'after_fetch_error'
        ? { url: '{url}/gone' }
        : {};
  const push = pushed(notice(data), ota, 'mqtt', ota);
  const steps = openedOn('mqtt', ota, ota);
  if (state === 'inited') return steps;
  steps.push(...push);
  if (state === 'mid') steps.push(call('IOT_OTA_FetchYield', `@${ota}`, buffer(5000), 20));
  if (state.startsWith('fetched') || state.startsWith('after')) steps.push(fetchAll(5000, ota));
  return steps;
}

/** The steps of a cell, and how their replies are written down as the recorded ones are. */
interface Probe {
  readonly where: string;
  readonly vendor: string;
  readonly steps: readonly Step[];
  readonly show: (replies: readonly Reply[]) => string;
}

const ret = (replies: readonly Reply[]) => replies.map((reply) => reply.ret).join(' ');

function stateProbes(state: string, cells: Readonly<Record<string, string>>): Probe[] {
  const ota = `s_${state}`;
  const at = `@${ota}`;
  const error = call('IOT_OTA_GetLastError', at);
  const touched = ([reply]: readonly Reply[]) =>
    `${reply?.ret} ${reply?.touched ?? (Number(reply?.ret) > 0 ? Number(reply?.ret) - 1 : -1)}`;
  const plain: Readonly<Record<string, Step[]>> = {
    isfetching: [call('IOT_OTA_IsFetching', at)],
    isfinish: [call('IOT_OTA_IsFetchFinish', at)],
    lasterror: [error],
    after_fetch: [call('IOT_OTA_IsFetching', at), call('IOT_OTA_IsFetchFinish', at), error],
    reportversion: [call('IOT_OTA_ReportVersion', at, '1.0.0')],
    reportprogress: [call('IOT_OTA_ReportProgress', at, 10, 'text')],
    reqimage: [call('iotx_req_image', at, '1.0.0')],
    lasterror2: [error],
    getconfig: [call('iotx_ota_get_config', at, 'product', 'file', '')],
    lasterror3: [error],
    ota_init_again: [call('IOT_OTA_Init', `${at}_2`, PRODUCT_KEY, `${ota}_2`, '@mqtt')],
    deinit: [call('IOT_OTA_Deinit', at)],
  };
  const buffers: Readonly<Record<string, Arg>> = {
    fetch: buffer(100),
    fetch_null_buf: null,
    fetch_0_len: buffer(0),
  };
  return Object.entries(cells).map(([name, vendor]) => ({
    where: `${state}.${name}`,
    vendor,
    steps: plain[name] ?? [call('IOT_OTA_FetchYield', at, buffers[name] ?? null, 20)],
    show: plain[name] ? ret : touched,
  }));
}

const cellArg: Readonly<Record<string, Arg>> = {
  null_buf: null,
  len8_zeroed_ptr: { pointer: 'NULL' },
  len8_nonnull_ptr: { pointer: 'taken' },
  second_call: buffer(4),
};

function argOf(type: string, cell: string): Arg {
  const [, length, at] = /^len(\d+)(?:_misaligned(\d))?$/.exec(cell) ?? [];
  if (cell in cellArg) return cellArg[cell] as Arg;
  if (cell === 'null_handle') return buffer(4);
  // The recorded program gave a zeroed pointer with a length of 4.
  if (type.startsWith('COTA_') && type !== 'COTA_CONFIG_SIZE' && length === '4')
    return { pointer: 'NULL', length: 4 };
  return buffer(Number(length), Number(at ?? 0));
}

const handleOf = (state: string, type: string) => `i_${state}_${type.replace('-', 'minus_')}`;

function ioctlProbes(
  state: string,
  type: string,
  cells: Readonly<Record<string, string>>,
): Probe[] {
  const ota = handleOf(state, type);
  const at = { handle: ota };
  const number = type.startsWith('type_')
    ? Number(type.slice(5))
    : ioctl[type as keyof typeof ioctl];
  return Object.entries(cells).map(([cell, vendor]) => ({
    where: `${state}.${type}.${cell}`,
    vendor,
    steps: [
      call('IOT_OTA_Ioctl', cell === 'null_handle' ? null : at, number, argOf(type, cell)),
      call('IOT_OTA_GetLastError', at),
    ],
    show: ([reply, error]) => {
      if (cell === 'null_handle') return String(reply?.ret);
      if (reply?.touched === undefined || reply.touched < 0) return `${reply?.ret} ${error?.ret}`;
      const first = (reply.bytes ?? '').slice(0, 8).padEnd(8, 'a');
      const shown = first === announced ? '{md5}' : first;
      return `${reply.ret} ${error?.ret} ${shown} ${reply.touched}`;
    },
  }));
}

/** Runs probes behind steps that lead to them, in one world. */
async function cellsOf(
  backend: Backend,
  groups: readonly { readonly enter: readonly Step[]; readonly probes: readonly Probe[] }[],
): Promise<Cell[]> {
  const scenario: Scenario = {
    name: 'recorded cells',
    answers,
    steps: [
      construct(),
      ...groups.flatMap(({ enter, probes }) => [...enter, ...probes.flatMap(({ steps }) => steps)]),
      call('IOT_MQTT_Destroy', '@mqtt'),
    ],
  };
  const { replies } = await runScenario(scenario, backend);
  // Steps of `enter` answer too, how many a fetch does is not known: take each group from the back.
  const cells: Cell[] = [];
  let end = replies.length - 1;
  for (const { enter, probes } of [...groups].reverse()) {
    for (const probe of [...probes].reverse()) {
      const begin = end - probe.steps.length;
      const taken = replies.slice(begin, end).map(({ reply }) => reply);
      cells.unshift({ where: probe.where, vendor: probe.vendor, ours: probe.show(taken) });
      end = begin;
    }
    end -= repliesOf(enter, replies.slice(0, end));
  }
  expect(end).toBe(1); // Construct
  return cells;
}

/** How many replies steps have left at the end of the list. */
function repliesOf(steps: readonly Step[], replies: readonly { readonly call: string }[]): number {
  let count = 0;
  for (const step of [...steps].reverse()) {
    if ('call' in step) count++;
    if (!('fetch' in step)) continue;
    while (replies[replies.length - 1 - count]?.call === 'IOT_OTA_FetchYield') count++;
    count++; // save
  }
  return count;
}

let driver: CLibrary;

beforeEach(async () => {
  driver = new CLibrary(await buildDriver());
});

afterEach(() => driver.close());

test('each call in each state answers as recorded, or differs on purpose', async () => {
  const groups = Object.entries(recorded.states).map(([state, cells]) => ({
    enter: enter(state, `s_${state}`),
    probes: stateProbes(state, cells),
  }));
  report('calls by state', await cellsOf(driver, groups), [
    { where: /\w+\.ota_init_again/, ours: /handle/, anchor: 'many' },
    { where: /(pushed|mid)\.fetch/, ours: /100 99/, anchor: 'fetch-length' },
  ]);
});

test('each Ioctl type in each state answers as recorded, or differs on purpose', async () => {
  const groups = Object.entries(recorded.ioctl).flatMap(([state, types]) =>
    Object.entries(types).map(([type, cells]) => ({
      enter: enter(state, handleOf(state, type)),
      probes: ioctlProbes(state, type, cells),
    })),
  );
  report('Ioctl', await cellsOf(driver, groups), [
    {
      where: /\w+\.(FETCHED|FILE|COTA_CONFIG)_SIZE\.len8/,
      ours: /0 (0|-5) \w{8} 7/,
      anchor: 'ioctl-8',
    },
    { where: /mid\.FETCHED_SIZE\.len4/, ours: /0 0 88130000 3/, anchor: 'fetch-length' },
    { where: /\w+\.type_14\.len4/, ours: /0 (0|-5) 00000000 3/, anchor: 'later-types' },
    {
      where: /fetched_ok\.CHECK_FIRMWARE\.second_call/,
      ours: /0 -2 01000000 3/,
      anchor: 'check-twice',
    },
    { where: /\w+\.CHECK_CONFIG\.\w+/, ours: /-[12]( -[23])?/, anchor: 'check-config' },
  ]);
});

// --- reports ---

const plainText: Readonly<Record<string, string | null>> = {
  version_null: null,
  version_quote: 'a"b\\c',
  version_newline: 'a\nb',
  version_utf8: '你',
  version_percent: '%s%n',
  msg_null: null,
  msg_empty: '',
  msg_quote: 'a"b\\c\n',
  msg_utf8: '你',
  msg_percent: '%d%s%n',
};

/** The call that a recorded name of ReportVersion or ReportProgress stands for. */
function reportCall(name: string): Step {
  const version = /^version_len_(\d+)$/.exec(name);
  if (version) return call('IOT_OTA_ReportVersion', '@ota', 'v'.repeat(Number(version[1])));
  if (name.startsWith('version'))
    return call('IOT_OTA_ReportVersion', '@ota', plainText[name] ?? null);
  const step = Number(/progress_(-?\d+)$/.exec(name)?.[1] ?? 10);
  const length = /^msg_len_(\d+)/.exec(name);
  if (length) return call('IOT_OTA_ReportProgress', '@ota', step, 'm'.repeat(Number(length[1])));
  return call(
    'IOT_OTA_ReportProgress',
    '@ota',
    step,
    name in plainText ? (plainText[name] ?? null) : 'msg',
  );
}

/** Runs a list of reports on one handle, the last error asked for where it was recorded. */
async function reported(list: Readonly<Record<string, string>>) {
  const steps = Object.entries(list).flatMap(([name, value]) => [
    reportCall(name),
    ...(value.includes(' ') ? [call('IOT_OTA_GetLastError', '@ota')] : []),
  ]);
  const open = openedOn('mqtt', 'ota', DEVICE_NAME);
  const { replies, packets } = await runScenario(
    {
      name: 'reports',
      steps: [
        construct(),
        ...open,
        // QoS 1 reports wait for their acknowledgements, of which 20 may be due.
        ...steps.flatMap((step, i) => (i % 15 === 14 ? [step, until({ settled: true })] : [step])),
        until({ settled: true }),
        call('IOT_MQTT_Destroy', '@mqtt'),
      ],
    },
    driver,
  );
  const answers = replies.slice(2).map(({ reply }) => reply.ret);
  const cells = Object.entries(list).map(([where, vendor]): Cell => {
    const ours = answers.splice(0, vendor.includes(' ') ? 2 : 1).join(' ');
    return { where, vendor, ours };
  });
  return { cells, packets };
}

/** What went out on a topic, written as the recorded messages are, but for the ids. */
function sentOn(
  topic: string,
  packets: readonly { name: string; body: string; head: number }[],
): string[] {
  return packets
    .filter(({ name, body }) => name === 'PUBLISH' && body.slice(2).startsWith(topic))
    .map(({ body, head }) => {
      const payload = body.slice(2 + topic.length + ((head & 6) > 0 ? 2 : 0));
      return `${(head >> 1) & 3} ${Buffer.from(payload, 'latin1').toString().replace('"id":"#"', '"id":0')}`;
    });
}

const wire = (messages: readonly (readonly [number, string, string])[]) =>
  messages.map(([qos, , payload]) => `${qos} ${payload}`);

test('ReportVersion answers and sends as recorded, or differs on purpose', async () => {
  const { cells, packets } = await reported(recorded.reportVersion);
  report('ReportVersion', cells, [
    { where: /version_len_(33|34|63|64)/, ours: /0 -2/, anchor: 'version-length' },
  ]);
  const sent = sentOn(topics().inform, packets);
  // All but the lengths that only ours takes.
  const ours = sent.filter((text) => !/v{33,}/.test(text));
  const messages = wire(recorded.reportVersionWire).map((vendor, i) => ({
    where: `message ${i}`,
    vendor,
    ours: ours[i] ?? '',
  }));
  expect(ours).toHaveLength(messages.length);
  report('messages of ReportVersion, but for the ids', messages, [
    { where: /message \d+/, ours: /.*(\\"|\\n).*/, anchor: 'escaping' },
  ]);
});

test('ReportProgress answers and sends as recorded, or differs on purpose', async () => {
  const { cells, packets } = await reported(recorded.reportProgress);
  report('ReportProgress', cells, [
    { where: /msg_len_(21[5-9]|220|230|255|256|300|1000)/, ours: /0 -2/, anchor: 'desc-length' },
  ]);
  const ours = sentOn(topics().progress, packets).filter((text) => text.length < 92);
  const messages = wire(recorded.reportProgressWire).map((vendor, i) => ({
    where: `message ${i}`,
    vendor,
    ours: ours[i] ?? '',
  }));
  expect(ours).toHaveLength(messages.length);
  report('messages of ReportProgress, but for the ids', messages, [
    { where: /message \d+/, ours: /.*(\\"|\\n).*/, anchor: 'escaping' },
  ]);
});

test('iotx_req_image and Init answer as recorded, or differ on purpose', async () => {
  const lengths = Object.entries(recorded.requestImage);
  const steps = lengths.map(([length]) =>
    call('iotx_req_image', '@ota', length === 'null' ? null : 'v'.repeat(Number(length))),
  );
  const names: Readonly<Record<string, readonly [string | null, string | null]>> = {
    normal: [PRODUCT_KEY, 'normal'],
    pk_null: [null, 'dn'],
    dn_null: ['pk', null],
    pk_empty: ['', 'dn'],
    handle_null_with_global_client: ['pk', 'dn'],
    long_pk: ['p'.repeat(100), 'dn'],
    very_long: ['p'.repeat(100), 'd'.repeat(100)],
    pk_with_slash: ['a/b', 'dn'],
    pk_with_plus: ['a+b', 'dn'],
    while_disconnected: [PRODUCT_KEY, 'offline'],
    suback_0x80: [PRODUCT_KEY, 'refused'],
  };
  const order = Object.keys(recorded.init).filter((name) => !/disconnected|suback/.test(name));
  const online = order.map((name) => {
    const [productKey, deviceName] = names[name] ?? [null, null];
    return call(
      'IOT_OTA_Init',
      `@${name}`,
      productKey,
      deviceName,
      name.startsWith('handle_null') ? null : '@mqtt',
    );
  });
  const { replies } = await runScenario(
    {
      name: 'variants of Init',
      broker: { suback: 0x80 },
      steps: [
        construct(),
        call('IOT_OTA_Init', '@ota', PRODUCT_KEY, 'refused', '@mqtt'),
        until({ subscribed: topics('refused').upgrade }),
        ...steps,
        ...online,
        { broker: 'drop' },
        until({ connected: false }),
        call('IOT_OTA_Init', '@off', PRODUCT_KEY, 'offline', '@mqtt'),
        call('IOT_MQTT_Destroy', '@mqtt'),
      ],
    },
    driver,
  );
  const rets = replies.map(({ reply }) => String(reply.ret === 'handle' ? 'nonnull' : reply.ret));
  const [, refused] = rets;
  const offline = rets[rets.length - 2];
  const at = 2 + steps.length;
  report(
    'iotx_req_image',
    lengths.map(([where, vendor], i) => ({ where, vendor, ours: rets[2 + i] ?? '' })),
    [{ where: /33/, ours: /0/, anchor: 'version-length' }],
  );
  const cells = [
    ...order.map((where, i) => ({
      where,
      vendor: recorded.init[where] ?? '',
      ours: rets[at + i] ?? '',
    })),
    { where: 'suback_0x80', vendor: recorded.init.suback_0x80 ?? '', ours: refused ?? '' },
    {
      where: 'while_disconnected',
      vendor: recorded.init.while_disconnected ?? '',
      ours: offline ?? '',
    },
  ];
  report('Init', cells, [
    { where: /pk_empty|long_pk|very_long|pk_with_slash/, ours: /NULL/, anchor: 'init-names' },
    { where: /handle_null_with_global_client/, ours: /NULL/, anchor: 'null-channel' },
    { where: /while_disconnected/, ours: /nonnull/, anchor: 'init-offline' },
  ]);
});
