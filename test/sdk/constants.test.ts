import * as sdk from 'iotkit-ota/sdk';
import { buildConstants } from '../parity/support/build';
import { runWell } from '../support/process';

// The constants are written down in TypeScript; what a C program says of the headers decides.

const numbers = Object.fromEntries(
  Object.entries(sdk as Record<string, unknown>).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
  ),
);

test('every constant has the value of its name in the C headers', async () => {
  const program = await buildConstants(Object.keys(numbers));
  expect(Object.keys(numbers).length).toBeGreaterThan(80);
  expect(numbers).toEqual(JSON.parse(await runWell(program, [])));
});

test('the groups hold the same constants', () => {
  const groups = Object.values(sdk as Record<string, unknown>).filter(
    (value): value is Record<string, number> => typeof value === 'object' && value !== null,
  );
  const grouped = Object.assign({}, ...groups) as Record<string, number>;
  const { OTA_VERSION_LEN_MAX, ...rest } = numbers;
  expect(OTA_VERSION_LEN_MAX).toBe(65);
  expect(grouped).toEqual(rest);
});
