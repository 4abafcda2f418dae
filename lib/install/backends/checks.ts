// Tested by test/unit/install/backends/slots.test.ts.
/** The checks of options that several installers have. Each throws an `InvalidArgument` with its name. */
import path from 'node:path';
import {
  callback,
  options as checkOptions,
  conflict,
  integer,
  oneOf,
  optional,
  orElse,
  text,
  wrongType,
} from '../../base/arguments';
import type { Place } from '../boot/booted';
import { checkEnvironment, type EnvironmentOption } from '../boot/options';
import { type BootedOption, SlotSet } from '../boot/slot-set';

/** @internal What an installer over a boot environment is given. */
export interface SlotOptions {
  readonly slots: Readonly<Record<string, string>>;
  readonly environment: EnvironmentOption;
  readonly booted?: BootedOption | undefined;
  readonly reboot?: readonly string[] | undefined;
}

/** @internal */
export interface CheckedSlots {
  /** What stands at each slot, by its name. */
  readonly values: ReadonlyMap<string, string>;
  readonly set: SlotSet;
  readonly reboot: readonly string[] | undefined;
}

/**
 * @internal
 * @param rule what may stand at a slot
 * @param placeOf where a slot is, if what stands there says it
 */
export function checkSlotOptions(
  given: Partial<SlotOptions>,
  rule: Parameters<typeof text>[2],
  placeOf: (name: string, value: string) => Place,
): CheckedSlots {
  const values = checkSlots('slots', given.slots, rule);
  const environment = checkEnvironment('environment', given.environment as EnvironmentOption);
  const booted = checkBooted('booted', given.booted, [...values.keys()]);
  const places = [...values].map(([name, value]) => placeOf(name, value));
  assertApart('slots', places);
  return {
    values,
    set: new SlotSet(places, environment, booted),
    reboot: checkCommand('reboot', given.reboot),
  };
}

const slotName = { max: 32, pattern: /^\w+$/, expected: 'letters, digits and "_"' } as const;

function checkSlots(
  name: string,
  given: Readonly<Record<string, string>> | undefined,
  rule: Parameters<typeof text>[2],
): ReadonlyMap<string, string> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw wrongType(name, 'an object with the names of the slots', given);
  }
  const entries = Object.entries(given);
  if (entries.length < 2) throw conflict(`${name} must have two slots or more`);
  return new Map(
    entries.map(([slot, value]) => [
      text(`a name in ${name}`, slot, slotName),
      text(`${name}.${slot}`, value, rule),
    ]),
  );
}

// Only places are held apart: of slots that something else finds, what stands there may be the same.
function assertApart(name: string, places: readonly Place[]): void {
  const names = new Map<string, string>();
  for (const { name: slot, device } of places) {
    if (device === undefined) continue;
    const at = path.resolve(device);
    const other = names.get(at);
    if (other !== undefined) throw conflict(`${name}.${other} and ${name}.${slot} are both ${at}`);
    names.set(at, slot);
  }
}

/** @internal */
export function checkBooted(
  name: string,
  given: BootedOption | undefined,
  slots: readonly string[],
): BootedOption | undefined {
  if (given === undefined) return undefined;
  if (typeof given === 'string') return oneOf(name, given, slots);
  if (typeof given === 'function') return callback(name, given);
  const { commandLine } = checkOptions<Exclude<BootedOption, string | (() => unknown)>>(
    name,
    given,
    ['commandLine'],
  );
  return {
    commandLine: text(`${name}.commandLine`, commandLine, { max: 64, pattern: /^[\w.-]+$/ }),
  };
}

/** @internal A program and its arguments. */
export function checkCommand(
  name: string,
  given: readonly string[] | undefined,
): readonly string[] | undefined {
  return optional(given, (words) => {
    if (!Array.isArray(words) || words.length < 1) {
      throw wrongType(name, 'an array of a program and its arguments', words);
    }
    return words.map((word, i) => text(`${name}[${i}]`, word, { min: 0, max: 4096 }));
  });
}

const HOUR_MS = 3_600_000;

/** @internal How long an installation may take, by default an hour. */
export function checkTimeout(name: string, given: number | undefined): number {
  return integer(name, orElse(given, HOUR_MS), { min: 1000, max: 24 * HOUR_MS });
}
