// Tested by test/unit/cli/agent/config.test.ts
/** The configuration file of `iotkit-ota agent`, as docs/agent.md describes it. */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { OpenOptions } from '../../device/connect-options';
import type { UpdateAgentOptions, UpdateModule } from '../../install/agent-options';
import { checkModule } from '../../ota/arguments';
import { ConfigError } from '../errors';
import { nearest } from '../nearest';
import { isToml, type Json, type Lines, lineOf, linesOf, parseText, readText } from './file';
import { type InstallerConfig, makeInstaller } from './installers';
import { within } from './scope';

/** What the file says. */
export interface AgentConfig {
  /**
   * With what its files hold, which are read when it is first asked for: what needs no platform needs no secret.
   *
   * @throws ConfigError
   */
  readonly device: OpenOptions;
  readonly agent: Omit<UpdateAgentOptions, 'device'>;
  /** Whether the log of a failed update goes to the platform. */
  readonly uploadsLog: boolean;
  /** All of it with defaults and whole paths, without secrets. */
  readonly effective: Json;
}

const agentKeys = [
  'record',
  'images',
  'health',
  'policy',
  'hooks',
  'progress',
  'attempts',
  'together',
];
const ofModule = ['installer', 'version', 'versionFile', 'base'];
const topKeys = ['device', 'modules', 'log', ...ofModule, ...agentKeys];
const moduleKeys = ['module', ...ofModule];
/** Of these the value is a secret, wherever it stands. */
const secrets: ReadonlySet<string> = new Set([
  'deviceSecret',
  'productSecret',
  'deviceToken',
  'key',
  'passphrase',
  'password',
]);
/** Of these each value is one: the name alone is shown. */
const secretMaps: ReadonlySet<string> = new Set(['headers', 'env']);
/** An option of its own, and not a file that has the value of another. */
const isOption = (name: string): boolean => name === 'credentialsFile';
const FILE = 'File';

/**
 * @param examine looks at more than every command needs, such as the options of the device
 * @throws ConfigError, which names the file, the line and what is wrong there
 */
export function readConfig(file: string, examine?: (config: AgentConfig) => void): AgentConfig {
  let text = '';
  try {
    text = readText(file);
    const config = check(object('the file', parseText(file, text)), file);
    examine?.(config);
    return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`${file}: ${placed(error, file, text)}`);
  }
}

/** What is wrong, after the line that it is in. */
function placed({ message, at }: ConfigError, file: string, text: string): string {
  const lines = linesOf(file, text);
  // A file that names one installer has no modules.
  const own = (it: string): string =>
    lines.has('modules') ? it : it.replace(/^modules\[0\]\./, '');
  const said = own(`${message}${meant(message)}`);
  const line = at === undefined ? undefined : lineOf(lines, own(at));
  if (at === undefined || line === undefined) return said;
  return `line ${line}: ${said}${isToml(file) ? hint(at, lines) : ''}`;
}

/** Which of the options that a refusal lists is like the one that is none of them. */
function meant(message: string): string {
  const [, option, list = ''] =
    / has no option ([^;]+); (?:its options are|it has) (.+)$/s.exec(message) ?? [];
  const known = option === undefined ? undefined : nearest(option, list.split(', '));
  return known === undefined ? '' : `; did you mean ${known}?`;
}

/** In TOML all that follows the name of a table is in it. */
function hint(at: string, lines: Lines): string {
  const option = at.split('.').at(-1) ?? '';
  const isMeantAlone = agentKeys.includes(option) || option === 'versionFile';
  if (!isMeantAlone || lines.has(option)) return '';
  return `. If ${option} is meant to stand for itself, write it above the first [table]`;
}

function check(config: Json, file: string): AgentConfig {
  known('the file', config, topKeys);
  if (holdsSecret(config)) expectPrivate(file);
  const folder = path.dirname(path.resolve(file));
  const device = object('device', config.device);
  withFiles('device', device, folder, expectPath);
  let read: OpenOptions | undefined;
  needsNoProgram(config);
  const { record = '/var/lib/iotkit-ota/update.record' } = config;
  if (typeof record !== 'string') throw new ConfigError('record must be a path', 'record');
  const whole = {
    ...config,
    record: beside(folder, record) as string,
    images: beside(folder, config.images),
    policy: withLockBeside(folder, config.policy),
  };
  const given = Object.entries(whole).filter(([key, value]) => {
    return agentKeys.includes(key) && value !== undefined;
  });
  const agent = { ...Object.fromEntries(given), record: whole.record };
  const log = { upload: uploads(config.log) };
  return {
    get device() {
      read ??= withFiles('device', device, folder) as unknown as OpenOptions;
      return read;
    },
    agent: { ...agent, modules: modulesOf(config, folder) },
    uploadsLog: log.upload,
    effective: effectiveOf({ ...whole, log }, folder),
  };
}

/** As a file of its own would say it: what was given, and the defaults of what is beside the record. */
function effectiveOf(whole: Json & { readonly record: string }, folder: string): Json {
  const { images = path.dirname(whole.record), modules, installer, device, ...others } = whole;
  const rooted = (given: unknown): Json => {
    const options = given as Json;
    return 'root' in options ? { ...options, root: beside(folder, options.root) } : options;
  };
  const placedOf = ({ installer: of, ...module }: Json): Json => ({
    ...withPaths(module, folder),
    installer: rooted(of),
  });
  const each = Array.isArray(modules) ? { modules: modules.map(placedOf) } : {};
  const one = installer === undefined ? {} : { installer: rooted(installer) };
  const given = { ...withPaths(others, folder), device: withPaths(device as Json, folder, true) };
  return hidden({ ...given, images, ...one, ...each }) as Json;
}

/** With whole paths of the files that it names; those of `device` may stand at any depth. */
function withPaths(given: Json, folder: string, isDeep = false): Json {
  const whole = ([key, value]: [string, unknown]): [string, unknown] => {
    if (key === 'base' || key.endsWith(FILE)) return [key, beside(folder, value)];
    return [key, isDeep && isObject(value) ? withPaths(value, folder, true) : value];
  };
  return Object.fromEntries(Object.entries(given).map(whole));
}

/** Without secrets, and without what a URL or a header may hold of them. */
function hidden(value: unknown, name = ''): unknown {
  if (secrets.has(name)) return '(not shown)';
  if (secretMaps.has(name) && typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.keys(value).map((key) => [key, '(not shown)']));
  }
  if (typeof value === 'string') return hiddenText(value, name);
  if (Array.isArray(value)) return value.map((it) => hidden(it));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, it]) => [key, hidden(it, key)]));
}

/** A proxy may stand there without its `http://`. */
function hiddenText(value: string, name: string): string {
  if (name === 'proxy') return value.replace(/^(\w+:\/\/)?.*@/s, '$1(not shown)@');
  const isUrl = /^\w+:\/\//.test(value);
  return value
    .replace(/\/\/[^/\s]*@/g, '//(not shown)@')
    .replace(isUrl ? /[?#].*$/s : /$^/, '?(not shown)');
}

/** A relative path is one beside the configuration; what is no path is refused by whoever takes it. */
function beside(folder: string, value: unknown): unknown {
  return typeof value === 'string' && value !== '' ? path.resolve(folder, value) : value;
}

function withLockBeside(folder: string, policy: unknown): unknown {
  const { lock } = Object(policy) as { lock?: unknown };
  const { path: given } = Object(lock) as { path?: unknown };
  if (typeof given !== 'string') return policy;
  return { ...Object(policy), lock: { ...Object(lock), path: beside(folder, given) } };
}

/** Refuses what only a program could answer: the agent would wait for ever. */
function needsNoProgram({ health }: Json): void {
  const { checks } = Object(health) as { checks?: unknown };
  if (Array.isArray(checks) && checks.includes('called')) {
    const why = 'health.checks: "called" needs a program that calls healthy()';
    throw new ConfigError(why, 'health.checks');
  }
}

function modulesOf(config: Json, folder: string): UpdateModule[] {
  const { modules, installer } = config;
  if ((modules === undefined) === (installer === undefined)) {
    throw new ConfigError('must have either installer or modules');
  }
  if (modules === undefined) return [moduleOf('', config, folder)];
  if (config.version !== undefined || config.versionFile !== undefined) {
    const why = 'version and versionFile belong to a module: write them in modules';
    throw new ConfigError(why, config.version === undefined ? 'versionFile' : 'version');
  }
  if (config.base !== undefined) {
    throw new ConfigError('base belongs to a module: write it in modules', 'base');
  }
  if (!Array.isArray(modules) || modules.length === 0) {
    throw new ConfigError('modules must be an array of modules', 'modules');
  }
  return modules.map((given, i) => {
    const name = `modules[${i}]`;
    const module = object(name, given);
    known(name, module, moduleKeys);
    return moduleOf(`${name}.`, module, folder);
  });
}

function moduleOf(prefix: string, given: Json, folder: string): UpdateModule {
  const { module, version, versionFile, base } = given;
  if (version !== undefined && versionFile !== undefined) {
    const why = `${prefix}version and ${prefix}versionFile exclude each other`;
    throw new ConfigError(why, `${prefix}versionFile`);
  }
  if (versionFile !== undefined) expectPath(`${prefix}versionFile`, versionFile);
  const options = object(`${prefix}installer`, given.installer);
  const root = 'root' in options ? { root: beside(folder, options.root) } : {};
  const named = { ...options, ...root } as unknown as InstallerConfig;
  within(prefix.slice(0, -1), () => checkModule(module as string | undefined));
  return {
    module: module as string | undefined,
    installer: within(`${prefix}installer`, () => makeInstaller(named)),
    base: beside(folder, base) as string | undefined,
    version:
      versionFile === undefined
        ? (version as string | undefined)
        : () => firstLine(`${prefix}versionFile`, versionFile, folder),
  };
}

function uploads(log: unknown): boolean {
  if (log === undefined) return true;
  const { upload, ...others } = object('log', log);
  known('log', others, []);
  if (typeof upload === 'boolean') return upload;
  throw new ConfigError('log.upload must be true or false', 'log.upload');
}

/** With what `<name>File` names in the place of `<name>`, at every depth. */
function withFiles(
  name: string,
  given: Json,
  folder: string,
  read: (name: string, file: unknown, folder: string) => string = contentOf,
): Json {
  return Object.fromEntries(
    Object.entries(given).map(([key, value]) => {
      const label = `${name}.${key}`;
      if (key.endsWith(FILE) && !isOption(key)) {
        const of = key.slice(0, -FILE.length);
        if (of in given) {
          throw new ConfigError(`${name}.${of} and ${label} exclude each other`, label);
        }
        const text = read(label, value, folder);
        return [of, secrets.has(of) && of !== 'key' ? text.trim() : text];
      }
      if (isOption(key)) return [key, beside(folder, value)];
      return [key, isObject(value) ? withFiles(label, value, folder, read) : value];
    }),
  );
}

function firstLine(name: string, file: unknown, folder: string): string {
  return contentOf(name, file, folder).split('\n', 1)[0]?.trim() ?? '';
}

function expectPath(name: string, file: unknown): string {
  if (typeof file === 'string' && file !== '') return file;
  throw new ConfigError(`${name} must be the path of a file`, name);
}

function contentOf(name: string, given: unknown, folder: string): string {
  const file = expectPath(name, given);
  try {
    return readFileSync(path.resolve(folder, file), 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(`${name} ${file} cannot be read: ${code}`, name);
  }
}

function holdsSecret(value: unknown, name = ''): boolean {
  if (secrets.has(name)) return true;
  if (typeof value === 'string') {
    return name === 'proxy' ? value.includes('@') : /^\w+:\/\/[^/?#]*@/.test(value);
  }
  if (typeof value !== 'object' || value === null) return false;
  const inner = Object.entries(value);
  if (secretMaps.has(name)) return inner.length > 0;
  return inner.some(([key, it]) => holdsSecret(it, Array.isArray(value) ? '' : key));
}

function expectPrivate(file: string): void {
  if ((statSync(file).mode & 0o077) === 0) return;
  throw new ConfigError('holds a secret and can be read by others: chmod it to 600');
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function object(name: string, value: unknown): Json {
  if (isObject(value)) return value;
  throw new ConfigError(`${name} must be an object`, name);
}

function known(name: string, given: Json, keys: readonly string[]): void {
  const other = Object.keys(given).find((key) => !keys.includes(key));
  if (other === undefined) return;
  const expected = keys.length === 0 ? 'it has no others' : `it has ${keys.join(', ')}`;
  const at = name === 'the file' ? other : `${name}.${other}`;
  throw new ConfigError(`${name} has no option ${other}; ${expected}`, at);
}
