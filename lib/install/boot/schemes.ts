/**
 * What the variables of boot loaders mean: three conventions, as pure functions. Each needs a boot
 * script on the machine that counts by the same convention (docs/install/slots.md has them).
 */
import type { SlotState } from '../installer';
import type { BootState, Changes, Scheme, Variables } from './environment';

/**
 * Names the slot that has been activated and not confirmed. The loaders' own variables cannot say
 * that: a slot with all of its tries left looks the same before its trial and after its confirmation.
 */
const TRIAL = 'iotkit_trial';
/** Slots that hold no whole system, for the convention that has no variable for it. */
const BAD = 'iotkit_bad';

/** Names of variables; `*` stands for the slot. */
export interface OrderNames {
  readonly order: string;
  readonly ok: string;
  readonly tries: string;
}

/**
 * As RAUC does it with GRUB: `ORDER="A B"`, `A_OK=1`, `A_TRY=0`, where GRUB counts TRY up at every
 * start, and starts nothing that has used `limit` tries.
 */
export function orderAndTries(names: OrderNames, limit: number): Scheme {
  const named = (pattern: string, slot: string): string => pattern.replace('*', slot);
  const counted = (variables: Variables, slot: string): SlotState => {
    if (variables.get(named(names.ok, slot)) !== '1') return 'bad';
    if (numberOf(variables, named(names.tries, slot), 0) >= limit) return 'bad';
    return variables.get(TRIAL) === slot ? 'trial' : 'good';
  };
  const fresh = (slot: string): Changes => ({
    [named(names.ok, slot)]: '1',
    [named(names.tries, slot)]: '0',
  });
  return {
    read: (variables, slots) => ordered(listOf(variables, names.order), slots, counted, variables),
    disable: (variables, slot, fallback, slots) => {
      const order = before(fallback, withAll(listOf(variables, names.order), slots));
      return {
        [names.order]: [...order.filter((it) => it !== slot), slot].join(' '),
        [named(names.ok, slot)]: '0',
        [named(names.tries, slot)]: '0',
        ...withoutTrial(variables, slot),
      };
    },
    activate: (variables, slot, slots) => ({
      [names.order]: before(slot, withAll(listOf(variables, names.order), slots)).join(' '),
      ...fresh(slot),
      [TRIAL]: slot,
    }),
    confirm: (variables, slot) => ({
      [names.order]: withLast(listOf(variables, names.order), slot),
      ...fresh(slot),
      ...withoutTrial(variables, slot),
    }),
  };
}

/**
 * As RAUC does it with U-Boot: `BOOT_ORDER="A B"`, `BOOT_A_LEFT=3`, where the script counts LEFT
 * down. A slot that must not start leaves the order as well: scripts give everybody new tries when
 * none has any left.
 */
export function orderAndLeft(names: Omit<OrderNames, 'ok'>, limit: number): Scheme {
  const left = (slot: string): string => names.tries.replace('*', slot);
  const counted = (variables: Variables, slot: string): SlotState => {
    if (numberOf(variables, left(slot), limit) <= 0) return 'bad';
    return variables.get(TRIAL) === slot ? 'trial' : 'good';
  };
  const orderOf = (variables: Variables, slots: readonly string[]): readonly string[] =>
    variables.has(names.order) ? listOf(variables, names.order) : slots;
  return {
    read: (variables, slots) => ordered(orderOf(variables, slots), slots, counted, variables),
    disable: (variables, slot, fallback, slots) => ({
      [names.order]: before(fallback, orderOf(variables, slots))
        .filter((it) => it !== slot)
        .join(' '),
      [left(slot)]: '0',
      ...withoutTrial(variables, slot),
    }),
    activate: (variables, slot, slots) => ({
      [names.order]: before(slot, orderOf(variables, slots)).join(' '),
      [left(slot)]: String(limit),
      [TRIAL]: slot,
    }),
    confirm: (variables, slot, slots) => ({
      [names.order]: withLast(orderOf(variables, slots), slot),
      [left(slot)]: String(limit),
      ...withoutTrial(variables, slot),
    }),
  };
}

/** One that takes but a few variables of its environment, and the others of those it was built with, may have it. */
const noAltbootcmd = {
  code: 'IOTKIT_NO_ALTBOOTCMD',
  detail:
    'altbootcmd is not set; unless U-Boot was built with one that starts the other slot, it stops ' +
    'when a version has used up its starts',
};

/**
 * U-Boot's own: `slot=A`, and while `upgrade_available=1` it counts `bootcount` up at each start;
 * over `bootlimit` it runs `altbootcmd`, which takes the other slot.
 */
export function bootCount(slotName: string, limit: number): Scheme {
  const bad = (variables: Variables): readonly string[] => listOf(variables, BAD);
  const isTrial = (variables: Variables): boolean => variables.get('upgrade_available') === '1';
  const isUsedUp = (variables: Variables): boolean =>
    isTrial(variables) &&
    numberOf(variables, 'bootcount', 0) >= numberOf(variables, 'bootlimit', limit);
  const stateOf = (variables: Variables, slot: string): SlotState => {
    if (bad(variables).includes(slot)) return 'bad';
    if (variables.get(slotName) !== slot || !isTrial(variables)) return 'good';
    return isUsedUp(variables) ? 'bad' : 'trial';
  };
  const settled = { upgrade_available: '0', bootcount: '0' };
  return {
    lacks: (variables) => ((variables.get('altbootcmd') ?? '') === '' ? noAltbootcmd : undefined),
    read: (variables, slots) => {
      const states = new Map(slots.map((slot) => [slot, stateOf(variables, slot)]));
      const chosen = variables.get(slotName) ?? '';
      const other = slots.find((slot) => slot !== chosen && states.get(slot) === 'good') ?? '';
      return { next: states.has(chosen) && !isUsedUp(variables) ? chosen : other, states };
    },
    disable: (variables, slot, fallback) => ({
      [BAD]: textOf([...bad(variables).filter((it) => it !== slot), slot]),
      ...(variables.get(slotName) === slot && { [slotName]: fallback, ...settled }),
    }),
    activate: (variables, slot) => ({
      [slotName]: slot,
      upgrade_available: '1',
      bootcount: '0',
      bootlimit: variables.get('bootlimit') ?? String(limit),
      [BAD]: textOf(bad(variables).filter((it) => it !== slot)),
    }),
    confirm: (variables, slot) => {
      const others = bad(variables).filter((it) => it !== slot);
      const chosen = variables.get(slotName);
      if (chosen === slot) return { ...settled, [BAD]: textOf(others) };
      // Another slot waits for its trial, unless it has had it: then this one is what is left.
      if (chosen !== undefined && !isUsedUp(variables)) return { [BAD]: textOf(others) };
      const failed = chosen === undefined ? [] : [chosen];
      return { [slotName]: slot, ...settled, [BAD]: textOf([...others, ...failed]) };
    },
  };
}

function ordered(
  order: readonly string[],
  slots: readonly string[],
  counted: (variables: Variables, slot: string) => SlotState,
  variables: Variables,
): BootState {
  const states = new Map(
    slots.map((slot) => [slot, order.includes(slot) ? counted(variables, slot) : 'bad']),
  );
  return { next: order.find((slot) => (states.get(slot) ?? 'bad') !== 'bad') ?? '', states };
}

/** `first`, then the others as they are. */
function before(first: string, order: readonly string[]): string[] {
  return [first, ...order.filter((slot) => slot !== first)];
}

function withAll(order: readonly string[], slots: readonly string[]): readonly string[] {
  return [...order, ...slots.filter((slot) => !order.includes(slot))];
}

function withLast(order: readonly string[], slot: string): string {
  return withAll(order, [slot]).join(' ');
}

function withoutTrial(variables: Variables, slot: string): Changes {
  return variables.get(TRIAL) === slot ? { [TRIAL]: undefined } : {};
}

function listOf(variables: Variables, name: string): readonly string[] {
  return (variables.get(name) ?? '').split(/\s+/).filter((word) => word !== '');
}

function textOf(words: readonly string[]): string | undefined {
  return words.length === 0 ? undefined : words.join(' ');
}

function numberOf(variables: Variables, name: string, otherwise: number): number {
  const value = variables.get(name);
  if (value === undefined || !/^\d{1,9}$/.test(value)) return otherwise;
  return Number(value);
}
