// Makes the console's files and writes them as C: node build.mjs OUTPUT.c MODULES
//
// MODULES is a folder with node_modules (esbuild, uplot). The scripts become one file and the styles another; their
// names carry a digest of their bytes, so a browser may keep them for ever. Each file is written in two forms, as it
// is and gzipped (src/server/console_assets.h). The same sources give the same bytes.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const GZIP_BYTES_MAX = 200 * 1024;
const source = join(dirname(fileURLToPath(import.meta.url)), 'src');
const [output, modules] = process.argv.slice(2);
const esbuild = createRequire(join(resolve(modules), 'package.json'))('esbuild');

/** The bundle that begins with a file of src/. */
function bundle(entry) {
  const result = esbuild.buildSync({
    absWorkingDir: source,
    entryPoints: [entry],
    nodePaths: [join(resolve(modules), 'node_modules')],
    bundle: true,
    minify: true,
    write: false,
    charset: 'utf8',
    format: 'esm',
    legalComments: 'eof',
    target: 'es2022',
    logLevel: 'warning',
  });
  return Buffer.from(result.outputFiles[0].contents);
}

const digest = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

/** A file whose name changes with its bytes. */
function named(stem, extension, type, bytes) {
  return { path: `/console/${stem}-${digest(bytes)}.${extension}`, type, bytes, immutable: true };
}

/** @returns {{path: string, type: string, bytes: Buffer, immutable: boolean}[]} */
function makeFiles() {
  const files = [
    named('app', 'js', 'text/javascript; charset=utf-8', bundle('main.js')),
    named('app', 'css', 'text/css; charset=utf-8', bundle('style/main.css')),
    named('icon', 'svg', 'image/svg+xml', readFileSync(join(source, 'icon.svg'))),
  ];
  const names = { SCRIPT: files[0].path, STYLE: files[1].path, ICON: files[2].path };
  const page = readFileSync(join(source, 'index.html'), 'utf8').replace(/%([A-Z]+)%/g, (_, name) => names[name]);
  return [{ path: '/', type: 'text/html; charset=utf-8', bytes: Buffer.from(page), immutable: false }, ...files];
}

function cArray(name, bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 32) lines.push([...bytes.subarray(at, at + 32)].join(','));
  return `static const unsigned char ${name}[] = {\n${lines.join(',\n')}};\n`;
}

function cForm(name, bytes) {
  return `{{(const char *)${name}, ${bytes.length}}, {"${digest(bytes)}", 16}}`;
}

function cSource(files) {
  const arrays = [],
    rows = [];
  files.forEach(({ path, type, bytes, immutable }, i) => {
    const packed = gzipSync(bytes, { level: 9 });
    packed[9] = 255; // the system that packed it: unknown
    arrays.push(cArray(`plain_${i}`, bytes), cArray(`gzip_${i}`, packed));
    rows.push(
      `    {"${path}", "${type}", ${immutable}, ${cForm(`plain_${i}`, bytes)}, ${cForm(`gzip_${i}`, packed)}},\n`,
    );
  });
  return `/* Made by console/build.mjs. */\n#include "server/console_assets.h"\n\n${arrays.join('')}
const struct console_asset console_assets[] = {\n${rows.join('')}};\nconst size_t console_asset_count = ${files.length};\n`;
}

const files = makeFiles();
const size = files.reduce((sum, file) => sum + gzipSync(file.bytes, { level: 9 }).length, 0);
if (size > GZIP_BYTES_MAX)
  throw new Error(`the console is too large: ${size} bytes gzipped, ${GZIP_BYTES_MAX} allowed`);
writeFileSync(output, cSource(files));
