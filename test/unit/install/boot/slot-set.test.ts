import type { BootEnvironment } from '../../../../lib/install/boot/environment';
import { type BootedOption, SlotSet } from '../../../../lib/install/boot/slot-set';
import type { SlotState } from '../../../../lib/install/installer';

let changes: string[];
beforeEach(() => {
  changes = [];
});

/** Slots of these states, by their names; `booted` runs. */
function slots(states: Readonly<Record<string, SlotState>>, booted: BootedOption = 'A'): SlotSet {
  const environment: BootEnvironment = {
    kind: 'test',
    check: async () => void changes.push('check'),
    read: async () => ({ next: 'A', states: new Map(Object.entries(states)) }),
    disable: async (slot, fallback) => void changes.push(`disable ${slot} for ${fallback}`),
    activate: async (slot) => void changes.push(`activate ${slot}`),
    confirm: async (slot) => void changes.push(`confirm ${slot}`),
  };
  const places = Object.keys(states).map((name) => ({ name }));
  return new SlotSet(places, environment, booted);
}

test('the slot that is written is checked and made bad first; the running one is fallen back to', async () => {
  expect(await slots({ A: 'good', B: 'good' }).prepare()).toBe('B');
  expect(changes).toEqual(['check', 'disable B for A']);
});

test('of several slots one that is bad is written, and not what could be fallen back to', async () => {
  expect(await slots({ A: 'good', B: 'good', C: 'bad' }).prepare()).toBe('C');
});

test.each([
  ['trial', 'A runs as a trial'],
  ['bad', 'A runs, and may not start again'],
] as const)('nothing is written while what runs is %s', async (state, detail) => {
  await expect(slots({ A: state, B: 'good' }).prepare()).rejects.toMatchObject({
    code: 'ERR_BOOT_STATE',
    detail: expect.stringContaining(detail),
  });
  expect(changes).toEqual(['check']);
});

describe('activation, while what runs is on trial', () => {
  const unproven = { A: 'trial', B: 'bad', C: 'good' } as const;

  test('of a bad slot is refused: there would be nothing to fall back to', async () => {
    await expect(slots(unproven).activate('B')).rejects.toMatchObject({ code: 'ERR_BOOT_STATE' });
    expect(changes).toEqual([]);
  });

  test('of one that may start is a way back', async () => {
    await slots(unproven).activate('C');
    expect(changes).toEqual(['activate C']);
  });

  test('of what runs is possible, though its tries are used up', async () => {
    await slots({ A: 'bad', B: 'good' }).activate('A');
    expect(changes).toEqual(['activate A']);
  });
});

describe('what runs is marked bad', () => {
  test('for another that may start', async () => {
    await slots({ A: 'trial', B: 'bad', C: 'good' }).markBad('A');
    expect(changes).toEqual(['disable A for C']);
  });

  test('but not where no other may start', async () => {
    await expect(slots({ A: 'trial', B: 'bad' }).markBad('A')).rejects.toMatchObject({
      code: 'ERR_BOOT_STATE',
      detail: expect.stringContaining('no other slot than A can start'),
    });
    expect(changes).toEqual([]);
  });
});

test('a slot that is none is refused, whoever names it', async () => {
  const none = { code: 'ERR_INSTALL_SETUP', detail: 'there is no slot "X"; there are A, B' };
  const both = { A: 'good', B: 'good' } as const;
  await expect(slots(both).activate('X')).rejects.toMatchObject(none);
  await expect(slots(both).markBad('X')).rejects.toMatchObject(none);
  await expect(slots(both, async () => 'X').status()).rejects.toMatchObject(none);
  await expect(slots(both, async () => 'X').markGood()).rejects.toMatchObject(none);
  expect(changes).toEqual([]);
});
