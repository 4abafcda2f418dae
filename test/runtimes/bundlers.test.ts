import { copyFile, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UserFolder } from '../support/packed';
import { type Ended, run, runWell } from '../support/process';
import { installRuntimes, node } from '../support/runtimes';
import { Tools } from '../support/tools';

// Each test has a name of the table "Bundlers" or "Single executables" of docs/runtimes.md.

const tools = new Tools('bundlers', {
  postject: 'latest',
  '@vercel/ncc': '0',
  '@vercel/nft': '1',
  esbuild: '0',
  webpack: '5',
  rollup: '4',
  '@rollup/plugin-commonjs': '*',
  '@rollup/plugin-node-resolve': '*',
});

let user: UserFolder;
/** Where nothing is installed. */
let away: string;

beforeAll(async () => {
  await installRuntimes();
  await tools.install();
  user = await UserFolder.withPackage();
  away = await mkdtemp(path.join(tmpdir(), 'iotkit-away-'));
  await user.write({
    'app.cjs': "console.log(typeof require('iotkit-ota').stats().devices)",
    'app.mjs': "import { stats } from 'iotkit-ota'; console.log(typeof stats().devices)",
  });
  await esbuild({ entryPoints: ['app.cjs'], outfile: 'sea.cjs' });
}, 300_000);
afterAll(async () => {
  await user[Symbol.asyncDispose]();
  await rm(away, { recursive: true });
});

/** Runs a script of the user's folder that uses a tool. */
async function script(text: string): Promise<string> {
  const use = `const { createRequire } = require('node:module');
    const tool = createRequire(${JSON.stringify(`${tools.folder}/package.json`)});`;
  return runWell(node(24), ['-e', `${use}\n${text}`], { cwd: user.folder });
}

const esbuild = (options: object): Promise<string> =>
  script(
    `tool('esbuild').buildSync(${JSON.stringify({ bundle: true, platform: 'node', ...options })})`,
  );

async function runIn(folder: string, file: string): Promise<Ended> {
  return run(node(24), [path.join(folder, file)], { cwd: folder });
}

/** Runs a bundle where it was made, and where nothing is installed. */
async function both(folder: string, file: string): Promise<readonly [Ended, Ended]> {
  const moved = path.join(away, folder);
  await cp(user.path(folder), moved, { recursive: true });
  return [await runIn(user.path(folder), file), await runIn(moved, file)];
}

const works = { code: 0, stdout: 'number\n' };
const bundled = {
  code: 1,
  stderr: expect.stringMatching(/ERR_ADDON_NOT_FOUND|This code was bundled/),
};
const absent = {
  code: 1,
  stderr: expect.stringMatching(/Cannot find (module|package) 'iotkit-ota'/),
};

describe('esbuild', () => {
  test.each(['cjs', 'esm'])('external, as %s', async (format) => {
    const ext = format === 'cjs' ? 'cjs' : 'mjs';
    const outfile = `esbuild-${ext}/app.${ext}`;
    await esbuild({ entryPoints: [`app.${ext}`], external: ['iotkit-ota'], format, outfile });
    const [here, there] = await both(`esbuild-${ext}`, `app.${ext}`);
    expect([here, there]).toMatchObject([works, absent]);
  });

  test('inside: works beside the installed package, elsewhere the error says why not', async () => {
    await esbuild({ entryPoints: ['app.cjs'], outfile: 'esbuild-in/app.cjs' });
    expect(await both('esbuild-in', 'app.cjs')).toMatchObject([works, bundled]);
  });
});

describe('webpack', () => {
  const pack = (name: string, externals: string): Promise<string> =>
    script(`tool('webpack')({ mode: 'production', target: 'node', entry: './app.cjs', externals: ${externals},
        output: { path: process.cwd() + '/${name}' } },
      (error, stats) => { if (error || stats.hasErrors()) throw error ?? new Error(stats.toString()) })`);

  test('external', async () => {
    await pack('webpack-ext', "{ 'iotkit-ota': 'commonjs iotkit-ota' }");
    expect(await both('webpack-ext', 'main.js')).toMatchObject([works, absent]);
  });

  test('inside: works beside the installed package, elsewhere the error says why not', async () => {
    await pack('webpack-in', '[]');
    expect(await both('webpack-in', 'main.js')).toMatchObject([works, bundled]);
  });
});

describe('rollup', () => {
  const roll = (name: string, external: string): Promise<string> =>
    script(`const { rollup } = tool('rollup');
      const plugins = ['node-resolve', 'commonjs'].map((it) => tool('@rollup/plugin-' + it))
        .map((it) => (it.default ?? it)());
      rollup({ input: 'app.mjs', external: ${external}, plugins, logLevel: 'silent' })
        .then((it) => it.write({ file: '${name}/app.cjs', format: 'cjs' }))`);

  test('external', async () => {
    await roll('rollup-ext', "['iotkit-ota']");
    expect(await both('rollup-ext', 'app.cjs')).toMatchObject([works, absent]);
  });

  test('inside: works beside the installed package, elsewhere the error says why not', async () => {
    await roll('rollup-in', '[/^node:/]');
    expect(await both('rollup-in', 'app.cjs')).toMatchObject([works, bundled]);
  });
});

test('ncc', async () => {
  const ncc = tools.file('@vercel/ncc', 'dist', 'ncc', 'cli.js');
  await runWell(node(24), [ncc, 'build', 'app.cjs', '-o', 'ncc'], { cwd: user.folder });
  expect(await both('ncc', 'index.cjs')).toMatchObject([works, works]);
});

test('nft', async () => {
  const said = await script(`tool('@vercel/nft').nodeFileTrace(['app.cjs'])
    .then(({ fileList }) => console.log(JSON.stringify([...fileList])))`);
  const files: string[] = JSON.parse(said);
  for (const file of files) await cp(user.path(file), path.join(away, 'nft', file));
  expect(await runIn(path.join(away, 'nft'), 'app.cjs')).toMatchObject(works);
});

describe('node --build-sea', () => {
  async function build(name: string, main: string, more: object = {}): Promise<string> {
    const config = { main, output: name, disableExperimentalSEAWarning: true, ...more };
    await user.write({ [`${name}.json`]: JSON.stringify(config) });
    await runWell(node(26), ['--build-sea', `${name}.json`], { cwd: user.folder });
    return user.path(name);
  }

  test('with prebuilds/ beside it', async () => {
    const folder = path.join(away, 'sea');
    await cp(await build('sea-app', 'sea.cjs'), path.join(folder, 'app'));
    expect(await run(path.join(folder, 'app'), [])).toMatchObject(bundled);
    const prebuilds = user.path('node_modules', 'iotkit-ota', 'prebuilds');
    await cp(prebuilds, path.join(folder, 'prebuilds'), { recursive: true });
    expect(await run(path.join(folder, 'app'), [])).toMatchObject(works);
  });

  test('with the addon as an asset', async () => {
    await user.write({
      'asset.cjs': `const { getRawAsset } = require('node:sea');
        const fs = require('node:fs');
        const file = require('node:path').join(fs.mkdtempSync(process.cwd() + '/app-'), 'iotkit_ota.node');
        fs.writeFileSync(file, Buffer.from(getRawAsset('iotkit_ota.node')));
        process.env.IOTKIT_OTA_PREBUILD = file;
        require('./app.cjs');`,
    });
    await esbuild({ entryPoints: ['asset.cjs'], outfile: 'sea-asset.cjs' });
    const here = `prebuilds/${process.platform}-${process.arch}/iotkit-ota.glibc.node`;
    const assets = { 'iotkit_ota.node': user.path('node_modules', 'iotkit-ota', here) };
    const app = await build('sea-with-asset', 'sea-asset.cjs', { assets });
    expect(await run(app, [], { cwd: away })).toMatchObject(works);
  });

  test('with the package outside', async () => {
    await user.write({
      'outside.cjs': `const { createRequire } = require('node:module');
        console.log(typeof createRequire(process.execPath)('iotkit-ota').stats().devices);`,
    });
    expect(await run(await build('sea-outside', 'outside.cjs'), [])).toMatchObject(works);
  });
});

describe('node --experimental-sea-config', () => {
  test.each([20, 24] as const)('Node.js %i, prebuilds/ beside it', async (major) => {
    const folder = path.join(away, `sea-${major}`);
    const config = { main: 'sea.cjs', output: 'sea.blob', disableExperimentalSEAWarning: true };
    await user.write({ 'blob.json': JSON.stringify(config) });
    const make = ['--experimental-sea-config', 'blob.json'];
    await runWell(node(major), make, { cwd: user.folder });
    const prebuilds = user.path('node_modules', 'iotkit-ota', 'prebuilds');
    await cp(prebuilds, path.join(folder, 'prebuilds'), { recursive: true });
    const app = path.join(folder, 'app');
    await copyFile(node(major), app);
    const postject = tools.file('postject', 'dist', 'cli.js');
    const fuse = ['--sentinel-fuse', 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'];
    await runWell(node(24), [postject, app, 'NODE_SEA_BLOB', user.path('sea.blob'), ...fuse]);
    expect(await run(app, [])).toMatchObject(works);
  });
});
