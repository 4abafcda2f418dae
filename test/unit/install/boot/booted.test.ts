import fs from 'node:fs/promises';
import { bootedSlot, namedOn } from '../../../../lib/install/boot/booted';

test.each<[string, readonly string[], string | undefined]>([
  ['quiet rauc.slot=B root=/dev/vda4', ['iotkit.slot', 'rauc.slot'], 'B'],
  ['iotkit.slot=A rauc.slot=B', ['iotkit.slot', 'rauc.slot'], 'A'],
  ['board.slot=A board.slot=B\n', ['board.slot'], 'B'],
  ['xrauc.slot=B', ['rauc.slot'], undefined],
  ['', ['rauc.slot'], undefined],
])('of %j', (line, keys, expected) => {
  expect(namedOn(line, keys)).toBe(expected);
});

test('where nothing says it, an error says what would help', async () => {
  await expect(bootedSlot([{ name: 'A' }, { name: 'B' }], 'no.such.key')).rejects.toMatchObject({
    code: 'ERR_INSTALL_SETUP',
    message: expect.stringContaining('name one of A, B by no.such.key'),
  });
});

test('a slot that the command line names and that is none is refused, by its name', async () => {
  jest.spyOn(fs, 'readFile').mockResolvedValue('quiet iotkit.slot=C');
  await expect(bootedSlot([{ name: 'A' }, { name: 'B' }])).rejects.toMatchObject({
    code: 'ERR_INSTALL_SETUP',
    message: expect.stringMatching(/C is running; name one of A, B by iotkit\.slot or rauc\.slot/),
  });
  jest.restoreAllMocks();
});
