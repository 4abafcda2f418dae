import {
  type Arg,
  buffer,
  call,
  closed,
  type Data,
  expectCall,
  fetchAll,
  ioctl,
  notice,
  opened,
  push,
  pushed,
  type Scenario,
  type Step,
  topics,
  until,
} from '../support/scenario';

/** A message of a configuration. */
function config(data: Data, rest: Data): string {
  const all = {
    configId: 'config-1',
    configSize: '{size}',
    sign: '{sha256}',
    signMethod: 'Sha256',
    url: '{url}/config',
    getType: 'file',
    ...data,
  };
  return JSON.stringify({ id: '123', version: '1.0', ...rest })
    .replace('"ALL"', JSON.stringify(all))
    .replace('"{size}"', '{size}');
}

const reply = (data: Data = {}, rest: Data = {}) =>
  config(data, { code: 200, data: 'ALL', ...rest });
const pushOf = (data: Data = {}, rest: Data = {}) => config(data, { params: 'ALL', ...rest });

const text: Arg = { pointer: 'NULL' };

/** Everything that can be asked of a configuration. */
const askedOfConfig = (): Step[] => [
  call('IOT_OTA_IsFetching', '@ota'),
  call('IOT_OTA_IsFetchFinish', '@ota'),
  call('IOT_OTA_Ioctl', '@ota', ioctl.OTA_TYPE, buffer(4)),
  ...[ioctl.COTA_CONFIG_ID, ioctl.COTA_SIGN, ioctl.COTA_SIGN_METHOD, ioctl.COTA_GETTYPE].map(
    (type) => call('IOT_OTA_Ioctl', '@ota', type, text),
  ),
  call('IOT_OTA_Ioctl', '@ota', ioctl.COTA_CONFIG_SIZE, buffer(4)),
  call('IOT_OTA_Ioctl', '@ota', ioctl.FETCHED_SIZE, buffer(4)),
  call('IOT_OTA_Ioctl', '@ota', ioctl.VERSION, buffer(65)),
  call('IOT_OTA_Ioctl', '@ota', ioctl.CHECK_CONFIG, buffer(4)),
  call('IOT_OTA_Ioctl', '@ota', ioctl.CHECK_CONFIG, buffer(4)),
  call('IOT_OTA_Ioctl', '@ota', ioctl.CHECK_FIRMWARE, buffer(4)),
  call('IOT_OTA_GetLastError', '@ota'),
];

const taken = (name: string, message: string, topic: string): Scenario => ({
  name: `config, taken: ${name}`,
  size: 3000,
  whole: true,
  steps: [
    ...opened(),
    until({ subscribed: topic }),
    push(message, topic),
    until({ fetching: 'ota' }),
    fetchAll(1000),
    ...askedOfConfig(),
    ...closed(),
  ],
});

const refused = (name: string, message: string, topic: string): Scenario => ({
  name: `config, refused: ${name}`,
  size: 3000,
  steps: [
    ...opened(),
    until({ subscribed: topic }),
    push(message, topic),
    until({ acked: 1 }),
    until({ settled: true }),
    ...askedOfConfig(),
    ...closed(),
  ],
});

const { configReply, configPush } = topics();

export const configs: readonly Scenario[] = [
  {
    name: 'config: asked for, fetched and checked',
    size: 3000,
    whole: true,
    steps: [
      ...opened(),
      until({ subscribed: configReply }),
      expectCall(0, 'IOT_OTA_SetOnPushedCallback', '@ota', 1),
      expectCall(0, 'iotx_ota_get_config', '@ota', 'product', 'file', ''),
      push(reply(), configReply),
      until({ fetching: 'ota' }),
      fetchAll(1000),
      ...askedOfConfig(),
      ...closed(),
    ],
  },
  {
    name: 'config: asked for with texts that must be escaped',
    steps: [
      ...opened(),
      call('iotx_ota_get_config', '@ota', 'pro"duct', 'fi\\le', 'a,b\n'),
      call('iotx_ota_get_config', '@ota', '', '', ''),
      call('iotx_ota_get_config', '@ota', 'x'.repeat(5000), 'file', ''),
      call('IOT_OTA_GetLastError', '@ota'),
      ...closed(),
    ],
  },
  taken('pushed', pushOf(), configPush),
  taken('pushed, Md5', pushOf({ sign: '{md5}', signMethod: 'Md5' }), configPush),
  taken('pushed, SHA256', pushOf({ signMethod: 'SHA256' }), configPush),
  taken('code as text', reply({}, { code: '200' }), configReply),
  taken('a sign that does not match', reply({ sign: '0'.repeat(64) }), configReply),
  refused('code 6710', reply({}, { code: 6710 }), configReply),
  refused('nothing in it', config({}, { code: 200, data: {} }), configReply),
  refused('no JSON', 'hello', configPush),
  refused('a push without params', config({}, {}), configPush),
  refused('no url', pushOf({ url: undefined }), configPush),
  refused('no sign', pushOf({ sign: undefined }), configPush),
  refused('an unknown method', pushOf({ signMethod: 'CRC32' }), configPush),
  {
    name: 'config: firmware while a configuration is fetched, and the other way round',
    size: 3000,
    steps: [
      ...opened(),
      until({ subscribed: configPush }),
      push(pushOf(), configPush),
      until({ fetching: 'ota' }),
      call('IOT_OTA_FetchYield', '@ota', buffer(1000), 20),
      push(notice()),
      until({ acked: 2 }),
      fetchAll(1000),
      ...askedOfConfig(),
      until({ fetching: 'ota' }),
      call('IOT_OTA_FetchYield', '@ota', buffer(1000), 20),
      push(pushOf({ configId: 'config-2' }), configPush),
      until({ acked: 3 }),
      fetchAll(1000),
      call('IOT_OTA_Ioctl', '@ota', ioctl.CHECK_FIRMWARE, buffer(4)),
      until({ fetching: 'ota' }),
      ...askedOfConfig(),
      ...closed(),
    ],
  },
  {
    name: 'config: none was announced',
    steps: [
      ...opened(),
      ...pushed(),
      ...askedOfConfig(),
      fetchAll(),
      ...askedOfConfig(),
      ...closed(),
    ],
  },
];
