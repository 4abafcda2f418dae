import { BadMessage } from '../../src/protocol/messages';
import { parseTimeRequest, timeReplyPayload } from '../../src/protocol/time-messages';

test.each([
  ['{"deviceSendTime":"100"}', '100'],
  ['{"deviceSendTime":100}', 100],
  ['{"deviceSendTime":"1571724098000",}', '1571724098000'],
  ['{"deviceSendTime":0,"more":1}', 0],
])('%s is a request for the time', (text, expected) => {
  expect(parseTimeRequest(Buffer.from(text))).toBe(expected);
});

test.each([
  '',
  '[]',
  '{}',
  '{"deviceSendTime":-1}',
  '{"deviceSendTime":1.5}',
  '{"deviceSendTime":""}',
])('%j is none', (text) => expect(() => parseTimeRequest(Buffer.from(text))).toThrow(BadMessage));

test.each([
  ['100', '{"deviceSendTime":"100","serverRecvTime":"7","serverSendTime":"8"}'],
  [100, '{"deviceSendTime":100,"serverRecvTime":7,"serverSendTime":8}'],
])('the answer to %j keeps its type', (sent, expected) => {
  expect(timeReplyPayload(sent, 7, 8)).toBe(expected);
});
