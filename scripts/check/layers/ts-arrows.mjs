// The arrows that TypeScript draws between units: imports, of types too.
import path from 'node:path';
import { lineOf, read, withoutComments } from '../../lib/tree.mjs';

/**
 * Arrows as of arrowsOfC; `to` is undefined for a package or a file that is no source of a house,
 * `wanted` is the path a relative import names.
 */
export function arrowsOfTypeScript(files) {
  const sources = files.filter(({ file }) => file.endsWith('.ts'));
  const byFile = new Map(sources.map((it) => [it.file, it]));
  return sources.flatMap((source) => {
    const text = withoutComments(read(source.file));
    return importsOf(text).map(({ name, index }) => {
      const wanted = name.startsWith('.')
        ? path.posix.join(path.posix.dirname(source.file), name.replace(/\.js$/, ''))
        : undefined;
      const target = [`${wanted}.ts`, `${wanted}/index.ts`, wanted]
        .map((place) => byFile.get(place))
        .find(Boolean);
      return {
        from: `${source.house.name}:${source.unit}`,
        to: target && `${target.house.name}:${target.unit}`,
        how: 'imports',
        name,
        wanted,
        place: `${source.file}:${lineOf(text, index)}`,
        fromFile: source,
        toFile: target,
      };
    });
  });
}

function importsOf(text) {
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)['"]([^'"\n]+)['"]/g;
  return [...text.matchAll(pattern)].map((match) => ({ name: match[1], index: match.index }));
}

/** What a file has besides re-exports; '' for none. */
export function besidesReExports(file) {
  const reExport =
    /export\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s+['"][^'"]+['"]\s*;/g;
  return withoutComments(read(file)).replaceAll(reExport, '').trim();
}
