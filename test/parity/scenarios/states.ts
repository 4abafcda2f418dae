import {
  type Arg,
  buffer,
  call,
  closed,
  construct,
  expectCall,
  fetchAll,
  ioctl,
  notice,
  openedOn,
  pushed,
  type Scenario,
  type Step,
  until,
} from '../support/scenario';

/** The states an OTA handle can be in, and how it comes to be there. */
const states: Readonly<Record<string, readonly Step[]>> = {
  uninit: [],
  inited: openedOn('mqtt', 'ota', 'dev'),
  pushed: [...openedOn('mqtt', 'ota', 'dev'), ...pushed(notice(), 'ota', 'mqtt', 'dev')],
  fetching: [
    ...openedOn('mqtt', 'ota', 'dev'),
    ...pushed(notice(), 'ota', 'mqtt', 'dev'),
    call('IOT_OTA_FetchYield', '@ota', buffer(5000), 20),
  ],
  'fetched ok': [
    ...openedOn('mqtt', 'ota', 'dev'),
    ...pushed(notice(), 'ota', 'mqtt', 'dev'),
    fetchAll(),
  ],
  'fetched bad': [
    ...openedOn('mqtt', 'ota', 'dev'),
    ...pushed(notice({ md5: '0'.repeat(32) }), 'ota', 'mqtt', 'dev'),
    fetchAll(),
  ],
  'after error': [
    ...openedOn('mqtt', 'ota', 'dev'),
    ...pushed(notice({ url: '{url}/gone' }), 'ota', 'mqtt', 'dev'),
    fetchAll(),
  ],
  'after deinit': [...openedOn('mqtt', 'ota', 'dev'), expectCall(0, 'IOT_OTA_Deinit', '@ota')],
};

const texts: readonly (string | null)[] = [
  null,
  '',
  '1.0.0',
  'v'.repeat(64),
  'v'.repeat(65),
  'v'.repeat(1000),
  'a"b\\c',
  'a\nb',
  '你',
  '%s%n',
];

/** Every call with each kind of argument; those that end a state are the last. */
function calls(ota: Arg): Step[] {
  const numbers = [-2147483648, -5, -4, -1, 0, 1, 50, 100, 101, 2147483647];
  const messages = [null, '', 'text', 'x'.repeat(1024), 'x'.repeat(1025), 'a "quote" \\ \n'];
  return [
    call('IOT_OTA_IsFetching', ota),
    call('IOT_OTA_IsFetchFinish', ota),
    call('IOT_OTA_GetLastError', ota),
    ...texts.flatMap((text) => [
      call('IOT_OTA_ReportVersion', ota, text),
      call('IOT_OTA_GetLastError', ota),
      call('iotx_req_image', ota, text),
      call('IOT_OTA_GetLastError', ota),
    ]),
    ...numbers.map((step) => call('IOT_OTA_ReportProgress', ota, step, 'text')),
    ...messages.map((message) => call('IOT_OTA_ReportProgress', ota, 10, message)),
    call('IOT_OTA_GetLastError', ota),
    call('iotx_ota_get_config', ota, null, 'file', ''),
    call('iotx_ota_get_config', ota, 'product', null, ''),
    call('iotx_ota_get_config', ota, 'product', 'file', null),
    call('IOT_OTA_FetchYield', ota, null, 1),
    call('IOT_OTA_FetchYield', ota, buffer(0), 1),
    call('IOT_OTA_GetLastError', ota),
    ...Object.values(ioctl)
      .filter((type) => type !== ioctl.RESET_STATE && type !== ioctl.RESET_FETCHED_SIZE)
      .flatMap((type) => ioctls(ota, type)),
    ...[-1, 16, 99].flatMap((type) => ioctls(ota, type)),
    call('IOT_OTA_IsFetching', ota),
    call('IOT_OTA_FetchYield', ota, buffer(100), 20),
    call('IOT_OTA_IsFetching', ota),
    call('IOT_OTA_IsFetchFinish', ota),
    ...ioctls(ota, ioctl.RESET_FETCHED_SIZE),
    ...ioctls(ota, ioctl.RESET_STATE),
    call('IOT_OTA_IsFetching', ota),
    call('IOT_OTA_IsFetchFinish', ota),
  ];
}

function ioctls(ota: Arg, type: number): Step[] {
  const buffers: Arg[] = [
    null,
    ...[0, 1, 2, 3, 4, 8, 16, 32, 33, 64, 65, 128].map((length) => buffer(length)),
    ...[1, 2, 3].map((at) => buffer(4, at)),
    ...[1, 2, 3, 4].map((at) => buffer(8, at)),
  ];
  return buffers.flatMap((value) => [
    call('IOT_OTA_Ioctl', ota, type, value),
    call('IOT_OTA_GetLastError', ota),
  ]);
}

const inState = (state: string, handle: Arg): Scenario => ({
  name: `every call, ${state}${handle === null ? ', with no handle' : ''}`,
  answers: { '/gone': [{ head: 'HTTP/1.1 404 Not Found\r\nContent-Length: 0', body: '' }] },
  steps: [
    construct(),
    ...(states[state] ?? []),
    ...calls(handle),
    ...(handle === null || state === 'uninit' || state === 'after deinit'
      ? []
      : closed().slice(0, 1)),
    until({ settled: true }),
    expectCall(0, 'IOT_MQTT_Destroy', '@mqtt'),
  ],
});

const names: readonly (readonly [string | null, string | null])[] = [
  [null, 'dev'],
  ['pk', null],
  ['', 'dev'],
  ['pk', ''],
  ['a/b', 'dev'],
  ['a+b', 'dev'],
  ['a#b', 'dev'],
  ['p'.repeat(20), 'd'.repeat(32)],
  ['p'.repeat(100), 'dev'],
  ['p'.repeat(100), 'd'.repeat(100)],
];

export const everyState: readonly Scenario[] = [
  ...Object.keys(states)
    .filter((state) => state !== 'uninit')
    .map((state) => inState(state, { handle: 'ota' })),
  inState('uninit', null),
  {
    name: 'the arguments of Init',
    steps: [
      expectCall('NULL', 'IOT_OTA_Init', '@none', 'pk', 'dev', null),
      construct(),
      ...names.flatMap(([productKey, deviceName], i) => [
        call('IOT_OTA_Init', `@ota${i}`, productKey, deviceName, '@mqtt'),
        call('IOT_OTA_Deinit', `@ota${i}`),
      ]),
      expectCall(-2, 'IOT_OTA_Deinit', null),
      expectCall(-2, 'IOT_OTA_SetOnPushedCallback', null, 1),
      until({ settled: true }),
      expectCall(0, 'IOT_MQTT_Destroy', '@mqtt'),
    ],
  },
];
