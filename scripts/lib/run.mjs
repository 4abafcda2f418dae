import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { at, root } from './paths.mjs';

/** What went wrong in a step, said to a person; printed without a stack. */
export class StepError extends Error {}

/**
 * Runs a command in the repository and resolves when it ended well. With `quiet` its output is kept
 * back and only shown when it fails.
 */
export function run(
  command,
  args,
  { quiet = false, env = process.env, cwd = root, hint = '' } = {},
) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    });
    const output = [];
    child.stdout?.on('data', (chunk) => output.push(chunk));
    child.stderr?.on('data', (chunk) => output.push(chunk));
    child.on('error', (error) =>
      reject(new StepError(`cannot run ${command}: ${error.message}${hint}`)),
    );
    child.on('close', (code, signal) => {
      const text = Buffer.concat(output).toString();
      if (code === 0) return resolve(text);
      process.stderr.write(text);
      const line = shorten([path.basename(command), ...args].join(' '));
      reject(new StepError(`${line} ended with ${signal ?? `exit code ${code}`}${hint}`));
    });
  });
}

const shorten = (text) => (text.length > 120 ? `${text.slice(0, 120)} …` : text);

/** Runs a script of an installed package with this Node.js. */
export const runBin = (script, args, options) =>
  run(process.execPath, [at('node_modules', script), ...args], options);

/** Whether a program is on the PATH. */
export function isOnPath(program) {
  if (program.includes(path.sep)) return fs.existsSync(program);
  return (process.env.PATH ?? '').split(path.delimiter).some((folder) => {
    try {
      fs.accessSync(path.join(folder, program), fs.constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The command and first arguments that run npm: the npm that runs us, or the one on the PATH. */
export function npmCommand() {
  const script = process.env.npm_execpath;
  return script?.endsWith('.js') ? [process.execPath, script] : ['npm'];
}
