import type { Changes, Scheme } from '../../../../lib/install/boot/environment';
import { bootCount, orderAndLeft, orderAndTries } from '../../../../lib/install/boot/schemes';

const slots = ['A', 'B'];
const grub = orderAndTries({ order: 'ORDER', ok: '*_OK', tries: '*_TRY' }, 3);
const uboot = orderAndLeft({ order: 'BOOT_ORDER', tries: 'BOOT_*_LEFT' }, 3);
const counting = bootCount('slot', 3);

type Values = Readonly<Record<string, string | undefined>>;

const mapOf = (values: Values): Map<string, string> =>
  new Map(Object.entries(values).filter((it): it is [string, string] => it[1] !== undefined));

function read(scheme: Scheme, values: Values) {
  const { next, states } = scheme.read(mapOf(values), slots);
  return { next, ...Object.fromEntries(states) };
}

/** The variables after a change. */
const applied = (values: Values, changes: Changes): Values => ({ ...values, ...changes });

describe('order and tries, as GRUB has them', () => {
  const fresh = { ORDER: 'A B', A_OK: '1', A_TRY: '1', B_OK: '0', B_TRY: '0' };

  test.each<[string, Values, object]>([
    ['the first that may start is next', fresh, { next: 'A', A: 'good', B: 'bad' }],
    ['one that has used its tries', { ...fresh, A_TRY: '3', B_OK: '1' }, { next: 'B', A: 'bad' }],
    ['nothing may start', { ...fresh, A_OK: '0' }, { next: '', A: 'bad', B: 'bad' }],
    ['no variables', {}, { next: '', A: 'bad', B: 'bad' }],
    ['one that is not in the order', { ...fresh, ORDER: 'B', B_OK: '1' }, { next: 'B', A: 'bad' }],
    ['slots of others are passed over', { ...fresh, ORDER: 'R A', R_OK: '1' }, { next: 'A' }],
    ['no number of tries', { ...fresh, A_TRY: 'many' }, { next: 'A', A: 'good' }],
  ])('%s', (_, values, expected) => {
    expect(read(grub, values)).toMatchObject(expected);
  });

  test('from trial to confirmed', () => {
    const activated = applied(fresh, grub.activate(mapOf(fresh), 'B', slots));
    expect(activated).toMatchObject({ ORDER: 'B A', B_OK: '1', B_TRY: '0', A_OK: '1' });
    expect(read(grub, activated)).toEqual({ next: 'B', A: 'good', B: 'trial' });
    const confirmed = applied(
      { ...activated, B_TRY: '2' },
      grub.confirm(mapOf(activated), 'B', slots),
    );
    expect(confirmed).toMatchObject({ B_OK: '1', B_TRY: '0' });
    expect(read(grub, confirmed)).toEqual({ next: 'B', A: 'good', B: 'good' });
  });

  test('the slot that runs is confirmed while the other one waits for its trial', () => {
    const activated = applied(fresh, grub.activate(mapOf(fresh), 'B', slots));
    const confirmed = applied(activated, grub.confirm(mapOf(activated), 'A', slots));
    expect(read(grub, confirmed)).toEqual({ next: 'B', A: 'good', B: 'trial' });
  });

  test('a slot that may not start is the last, with no try counted, and the fallback the first', () => {
    const values = { ORDER: 'B A', A_OK: '1', B_OK: '1', B_TRY: '2', iotkit_trial: 'B' };
    const disabled = applied(values, grub.disable(mapOf(values), 'B', 'A', slots));
    expect(disabled).toMatchObject({
      ORDER: 'A B',
      B_OK: '0',
      B_TRY: '0',
      iotkit_trial: undefined,
    });
    const three = { ORDER: 'A B C' };
    expect(grub.disable(mapOf(three), 'A', 'C', ['A', 'B', 'C'])).toMatchObject({ ORDER: 'C B A' });
  });

  test('one that runs but is not in the order is confirmed into it', () => {
    const values = { ORDER: 'B', B_OK: '0' };
    expect(grub.confirm(mapOf(values), 'A', slots)).toMatchObject({ ORDER: 'B A', A_OK: '1' });
  });
});

describe('order and tries left, as U-Boot has them', () => {
  test('variables that are not there mean what the script takes for them', () => {
    expect(read(uboot, {})).toEqual({ next: 'A', A: 'good', B: 'good' });
  });

  test.each([
    ['0', 'bad'],
    ['1', 'good'],
    ['', 'good'], // which the script takes for all of them
  ])('one with %j tries left is %s', (left, state) => {
    expect(read(uboot, { BOOT_ORDER: 'A B', BOOT_A_LEFT: left })).toMatchObject({ A: state });
  });

  test('a slot that may not start leaves the order, and comes back by its activation', () => {
    const values = { BOOT_ORDER: 'B A', BOOT_A_LEFT: '3', BOOT_B_LEFT: '1' };
    const disabled = applied(values, uboot.disable(mapOf(values), 'B', 'A', slots));
    expect(disabled).toMatchObject({ BOOT_ORDER: 'A', BOOT_B_LEFT: '0' });
    expect(read(uboot, disabled)).toEqual({ next: 'A', A: 'good', B: 'bad' });
    const activated = applied(disabled, uboot.activate(mapOf(disabled), 'B', slots));
    expect(activated).toMatchObject({ BOOT_ORDER: 'B A', BOOT_B_LEFT: '3', BOOT_A_LEFT: '3' });
    expect(read(uboot, activated)).toEqual({ next: 'B', A: 'good', B: 'trial' });
  });

  test('a slot that is activated does not bring another bad one back into the order', () => {
    const values = { BOOT_ORDER: 'A', BOOT_A_LEFT: '3', BOOT_B_LEFT: '0' };
    expect(uboot.activate(mapOf(values), 'A', slots)).toMatchObject({ BOOT_ORDER: 'A' });
  });
});

describe('counted starts, as U-Boot has them itself', () => {
  const fresh = { slot: 'A', upgrade_available: '0', bootcount: '0', bootlimit: '3' };

  test('a trial that has used its starts leaves the next one to the other slot', () => {
    const trial = applied(fresh, counting.activate(mapOf(fresh), 'B', slots));
    expect(read(counting, trial)).toEqual({ next: 'B', A: 'good', B: 'trial' });
    const usedUp = { ...trial, bootcount: '3' };
    expect(read(counting, usedUp)).toEqual({ next: 'A', A: 'good', B: 'bad' });
    const confirmed = applied(usedUp, counting.confirm(mapOf(usedUp), 'A', slots));
    expect(confirmed).toMatchObject({ slot: 'A', upgrade_available: '0', iotkit_bad: 'B' });
    expect(read(counting, confirmed)).toEqual({ next: 'A', A: 'good', B: 'bad' });
  });

  test('the slot that runs is confirmed while the other one waits for its trial', () => {
    const trial = applied(fresh, counting.activate(mapOf(fresh), 'B', slots));
    const confirmed = applied(trial, counting.confirm(mapOf(trial), 'A', slots));
    expect(read(counting, confirmed)).toEqual({ next: 'B', A: 'good', B: 'trial' });
  });

  test('the limit of the environment counts, else the one of the options', () => {
    const trial = { slot: 'B', upgrade_available: '1', bootcount: '1' };
    expect(read(counting, { ...trial, bootlimit: '1' })).toMatchObject({ next: 'A', B: 'bad' });
    expect(read(counting, trial)).toMatchObject({ next: 'B', B: 'trial' });
    expect(counting.activate(mapOf({}), 'B', slots)).toMatchObject({ bootlimit: '3' });
  });

  test('an environment that names no slot is one where nothing is known to start', () => {
    expect(read(counting, { slot: 'rescue' })).toEqual({ next: 'A', A: 'good', B: 'good' });
    expect(counting.confirm(mapOf({}), 'A', slots)).toMatchObject({ slot: 'A' });
  });
});

describe('a boot count, as it is set up', () => {
  test('keeps a limit of its own', () => {
    expect(counting.activate(mapOf({ bootlimit: '7' }), 'B', slots)).toMatchObject({
      bootlimit: '7',
    });
    expect(counting.activate(mapOf({}), 'B', slots)).toMatchObject({ bootlimit: '3' });
  });

  test('goes on where another slot is made bad than the one that is chosen', () => {
    const values = { slot: 'A', upgrade_available: '1', bootcount: '1' };
    expect(counting.disable(mapOf(values), 'B', 'A', slots)).toEqual({ iotkit_bad: 'B' });
    expect(counting.disable(mapOf(values), 'A', 'B', slots)).toEqual({
      ...{ iotkit_bad: 'A', slot: 'B' },
      ...{ upgrade_available: '0', bootcount: '0' },
    });
  });
});
