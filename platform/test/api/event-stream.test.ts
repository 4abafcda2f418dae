import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { EventStreams } from '../../src/api/event-stream';
import { ManualClock } from '../../src/base/clock';
import { Events } from '../../src/events/events';

const key = { productKey: 'a', deviceName: 'b' };

/** A response that keeps what is written to it. */
class Recorder extends EventEmitter {
  text = '';
  writableLength = 0;

  writeHead(status: number, headers: object): void {
    this.text += `${status} ${JSON.stringify(headers)}\n`;
  }

  write(text: string): void {
    this.text += text;
  }

  end(): void {
    this.emit('close');
  }

  destroy(): void {
    this.text += 'destroyed';
    this.emit('close');
  }
}

function start(): { events: Events; streams: EventStreams; response: Recorder } {
  const events = new Events(new ManualClock(5));
  const streams = new EventStreams(events);
  const response = new Recorder();
  streams.serve(response as unknown as ServerResponse);
  return { events, streams, response };
}

test('an event is its name and its JSON, until the reader leaves', () => {
  const { events, response } = start();
  expect(response.text).toContain('text/event-stream');
  response.text = '';
  events.emit('device-connected', key);
  expect(response.text).toBe(
    'event: device-connected\n' +
      'data: {"type":"device-connected","time":5,"productKey":"a","deviceName":"b"}\n\n',
  );
  response.text = '';
  response.emit('close');
  events.emit('device-connected', key);
  expect(response.text).toBe('');
});

test('a reader that does not read is disconnected', () => {
  const { events, response } = start();
  response.writableLength = 5 * 1024 * 1024;
  events.emit('device-connected', key);
  events.emit('device-connected', key);
  expect(response.text.match(/destroyed/g)).toHaveLength(1);
});

test('closing ends the streams that are open', () => {
  const { streams, response } = start();
  const ended = jest.spyOn(response, 'end');
  streams.close();
  streams.close();
  expect(ended).toHaveBeenCalledTimes(1);
});
