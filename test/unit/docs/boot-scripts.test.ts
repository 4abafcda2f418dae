import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

// The boot scripts of docs/install/slots.md, as a shell runs them: their commands are few. `npm run test:boot`
// starts a machine by that of GRUB.

const root = path.join(__dirname, '../../..');
const page = readFileSync(path.join(root, 'docs/install/slots.md'), 'utf8');
const grubConfig = readFileSync(path.join(root, 'examples/boot/grub.cfg'), 'utf8');

/** The indented block that contains these words. */
function scriptWith(words: string): string {
  const block = page.split(/\n\n(?! )/).find((it) => it.includes(words)) ?? '';
  return (block.match(/^ {4}.*$/gm) ?? []).join('\n');
}

function run(script: string): string[] {
  return execFileSync('bash', ['-c', script]).toString().trim().split(' ');
}

/** What U-Boot chooses, and what it has counted. */
function uboot(variables: string): string[] {
  const script = scriptWith('setexpr BOOT_A_LEFT').replace(/"(\$\{\w+\})"/g, '$1');
  return run(`
    setenv() { eval "$1=\\$2"; }
    setexpr() { eval "$1=\\$(($2 $3 $4))"; }
    saveenv() { :; }
    reset() { start; }
    start() {
      chosen=
      ${script}
    }
    ${variables}
    start
    echo "$chosen $BOOT_A_LEFT $BOOT_B_LEFT"`);
}

/** What GRUB chooses, from which partition, and what it has counted. */
function grub(variables: string): string[] {
  const script = grubConfig.replace(/\bset (\w+)=/g, '$1=');
  return run(`
    load_env() { :; }
    save_env() { :; }
    echo() { :; }
    linux() { root="$2"; chosen="\${@: -1}"; }
    boot() { printf '%s ' "\${chosen#*=}" "\${root##*=}" "$A_TRY" "$B_TRY"; }
    ${variables}
    ${script}`);
}

test('U-Boot takes the first slot that has tries left, and new ones for all when none has any', () => {
  expect(uboot('BOOT_ORDER="B A" BOOT_A_LEFT=3 BOOT_B_LEFT=2')).toEqual(['B', '3', '1']);
  expect(uboot('BOOT_ORDER="B A" BOOT_A_LEFT=3 BOOT_B_LEFT=0')).toEqual(['A', '2', '0']);
  expect(uboot('BOOT_ORDER="B A" BOOT_A_LEFT=0 BOOT_B_LEFT=0')).toEqual(['B', '3', '2']);
  expect(uboot('BOOT_ORDER="A" BOOT_A_LEFT=0 BOOT_B_LEFT=0')).toEqual(['A', '2', '0']);
});

test('GRUB takes the first slot that has tries left, and else one that is not on trial', () => {
  expect(grub('ORDER="B A" A_OK=1 A_TRY=0 B_OK=1 B_TRY=2')).toEqual(['B', 'system-b', '0', '3']);
  expect(grub('ORDER="B A" A_OK=1 A_TRY=0 B_OK=1 B_TRY=3')).toEqual(['A', 'system-a', '1', '3']);
  const usedUp = 'ORDER="B A" A_OK=1 A_TRY=3 B_OK=1 B_TRY=3';
  expect(grub(usedUp)).toEqual(['B', 'system-b', '3', '3']);
  expect(grub(`${usedUp} iotkit_trial=B`)).toEqual(['A', 'system-a', '3', '3']);
  expect(grub('ORDER="B A" A_OK=1 A_TRY=3 B_OK=0 B_TRY=0')).toEqual(['A', 'system-a', '3', '0']);
});

test('GRUB starts what the machine came with where its environment is lost', () => {
  expect(grub('')).toEqual(['A', 'system-a']);
});
