/** The pages that the tests here read. */
import fs from 'node:fs';
import path from 'node:path';

export const root = path.join(__dirname, '../../..');

/** All pages for people who use or work on this, relative to the repository. */
export const pages: readonly string[] = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'deps/iotkit/README.md',
  'native/README.md',
  'lib/README.md',
  'platform/README.md',
  'prebuilds/README.md',
  ...fs
    .readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`)
    .toSorted(),
];

export function read(file: string): string {
  return fs.readFileSync(path.join(root, file), 'utf8');
}

/** Markdown without blocks of code. */
export function proseOf(markdown: string): string {
  return markdown.replace(/^```.*?^```$/gms, '').replace(/^ {4}.*$/gm, '');
}

/** What stands in `backticks`. */
export function codeOf(markdown: string): string[] {
  return [...proseOf(markdown).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}
