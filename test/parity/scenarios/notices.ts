import {
  asked,
  call,
  closed,
  fetchAll,
  notice,
  opened,
  push,
  type Scenario,
  sha256Notice,
  topics,
  until,
} from '../support/scenario';

/** A notice that is taken: the upgrade is fetched, and valid. */
const taken = (name: string, text: string): Scenario => ({
  name: `notice, taken: ${name}`,
  whole: true,
  steps: [...opened(), push(text), until({ fetching: 'ota' }), fetchAll(), ...asked(), ...closed()],
});

/** A notice that is refused: the platform is told, and the last error says so. */
const refused = (name: string, text: string): Scenario => ({
  name: `notice, refused: ${name}`,
  steps: [
    ...opened(),
    push(text),
    until({ acked: 1 }),
    until({ published: topics().progress, count: 1 }),
    ...asked(),
    ...closed(),
  ],
});

/** The platform says no, or that there is nothing: it is not told what it knows. */
const unanswered = (name: string, text: string): Scenario => ({
  name: `notice, unanswered: ${name}`,
  steps: [...opened(), push(text), until({ acked: 1 }), ...asked(), ...closed()],
});

const good = notice();
const escaped = good.replace('{url}/firmware', '{url}\\/firm\\u0077are');

export const notices: readonly Scenario[] = [
  taken('no code', notice({}, { code: undefined })),
  taken('code 200', notice({}, { code: 200 })),
  taken('code 1000 as a number', notice({}, { code: 1000 })),
  taken('no id', notice({}, { id: undefined })),
  taken('id as a string', notice({}, { id: '99' })),
  taken('no message but a code', notice({}, { message: undefined })),
  taken('message in capitals', notice({}, { message: 'SUCCESS' })),
  taken('more keys', notice({ more: { version: 'x', url: [1, 2] }, isDiff: 0 }, { extra: [{}] })),
  taken(
    'keys in another order',
    `{"message":"success","data":{"md5":"{md5}","url":"{url}/f","version":"2.0.0","size":{size}}}`,
  ),
  taken('pretty printed', JSON.stringify(JSON.parse(good.replace('{size}', '20000')), null, 2)),
  taken('white space before and behind', `\n\t ${good} \r\n`),
  taken('a byte order mark', `\ufeff${good}`),
  taken('size as a string', good.replace('{size}', '"{size}"')),
  taken('upper-case digest', notice({ md5: '{MD5}' })),
  taken('digest in sign', notice({ md5: undefined, sign: '{md5}', signMethod: 'MD5' })),
  taken('md5 and sign alike', notice({ sign: '{md5}', signMethod: 'Md5' })),
  taken('SHA-256 without md5', sha256Notice()),
  taken('null where nothing is', notice({ module: null, extData: null, isDiff: null })),
  taken('escapes in the url', escaped),
  taken('quotes and escapes in ignored texts', notice({ note: 'a "quoted" \\ text\n' })),
  taken(
    'nested objects with the same names before',
    good.replace('"data":{', '"data":{"x":{"url":"no","version":"no"},'),
  ),
  taken('extData', notice({ extData: { key1: 'value1', _package_udi: '{"a":1}' } })),
  taken(
    'the same key twice: the last counts',
    good
      .replace('"version"', '"size":1,"version"')
      .replace('"size":{size},"size":1', '"size":1,"size":{size}'),
  ),
  taken('a space in the url', notice({ url: '{url}/a b' })),
  taken('a version of 64 characters', notice({ version: 'v'.repeat(64) })),

  refused('no JSON', 'hello'),
  refused('an array', `[${good}]`),
  refused('cut short', good.slice(0, -5)),
  refused('garbage behind it', `${good} x`),
  refused('single quotes', good.replaceAll('"', "'")),
  unanswered('message is not success', notice({}, { message: 'failed', code: 400 })),
  refused('message is not text', notice({}, { message: 1 })),
  unanswered('code 1000, another message', notice({}, { message: 'fail' })),
  unanswered('no code and no message', notice({}, { code: undefined, message: undefined })),
  unanswered('code 400', notice({}, { code: 400 })),
  refused('data is text', notice({}, { data: 'x' })),
  refused('no version', notice({ version: undefined })),
  refused('an empty version', notice({ version: '' })),
  refused('a version of 65 characters', notice({ version: 'v'.repeat(65) })),
  refused('a version that is a number', notice({ version: 2 })),
  refused('a version with a space', notice({ version: '2 0' })),
  refused('a version with a slash', notice({ version: '2/0' })),
  refused('a version that is not ASCII', notice({ version: '2é' })),
  refused('null as version', notice({ version: null })),
  refused('no url', notice({ url: undefined })),
  refused('an ftp url', notice({ url: 'ftp://127.0.0.1/firmware' })),
  refused('a url with a user', notice({ url: 'http://user:secret@127.0.0.1/firmware' })),
  refused('a url without a host', notice({ url: 'http:///firmware' })),
  refused('a url with a port that is none', notice({ url: 'http://127.0.0.1:99999/firmware' })),
  refused('a url without a scheme', notice({ url: '127.0.0.1/firmware' })),
  refused('a scheme of eight letters', notice({ url: 'abcdefgh://127.0.0.1/firmware' })),
  refused('no size', notice({ size: undefined })),
  refused('size 0', notice({ size: 0 })),
  refused('size -1', notice({ size: -1 })),
  refused('size 5000.7', notice({ size: 5000.7 })),
  refused('size "5e3"', notice({ size: '5e3' })),
  refused('size "abc"', notice({ size: 'abc' })),
  refused('size 0x10', notice({ size: '0x10' })),
  refused('a size of 20 digits', good.replace('{size}', '99999999999999999999')),
  refused('no digest', notice({ md5: undefined })),
  refused('a digest of 33 digits', notice({ md5: '{md5}0' })),
  refused('a digest that is no hex', notice({ md5: 'z'.repeat(32) })),
  refused('md5 and sign that differ', notice({ sign: '0'.repeat(32) })),
  refused('an unknown digest method', notice({ signMethod: 'CRC32' })),
  refused('SHA-256 without sign', notice({ signMethod: 'SHA256' })),
  refused(
    'several files',
    notice({
      url: undefined,
      md5: undefined,
      size: undefined,
      files: [{ fileName: 'a', fileSize: 1, fileUrl: '{url}/a', fileMd5: '{md5}' }],
    }),
  ),
  refused('blocks over MQTT of no stream', notice({ url: undefined, dProtocol: 'mqtt' })),
  refused('an unknown protocol', notice({ dProtocol: 'coap' })),
  refused('33 levels deep', notice({ deep: JSON.parse(`${'['.repeat(33)}${']'.repeat(33)}`) })),

  unanswered('data is empty', notice({}, { data: {} })),
  {
    name: 'ten refused notices, then a good one',
    whole: true,
    steps: [
      ...opened(),
      ...Array.from({ length: 10 }, (_, i) => push(notice({ md5: undefined }, { id: i }))),
      until({ published: topics().progress, count: 10 }),
      push(notice({}, { id: 11 })),
      until({ fetching: 'ota' }),
      call('IOT_OTA_GetLastError', '@ota'),
      fetchAll(),
      ...asked(),
      ...closed(),
    ],
  },
  {
    name: 'the same notice twice',
    whole: true,
    steps: [
      ...opened(),
      push(good),
      push(good),
      until({ acked: 2 }),
      fetchAll(),
      ...asked(),
      call('IOT_OTA_IsFetching', '@ota'),
      ...closed(),
    ],
  },
  {
    name: 'sizes above 4 GiB',
    steps: [
      ...opened(),
      push(notice({ size: 5_368_709_120 })),
      until({ fetching: 'ota' }),
      ...asked(),
      call('IOT_OTA_Ioctl', '@ota', 8, { buffer: 8 }),
      ...closed(),
    ],
  },
];
