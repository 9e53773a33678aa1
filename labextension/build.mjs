/**
 * Builds the widgets' side: `node build.mjs` makes `rlm-tree`, `rlm-latent` (each `.js` and `.css`)
 * and `rlm-page.js` in `rlm_kernel/notebook/static`; `node build.mjs perf` makes the page of the
 * measurements.
 */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** Kilobytes, compressed, that the bundle must stay under: it travels in every widget. */
const LIMIT = 60;

const shared = {
  bundle: true,
  format: 'esm',
  target: ['es2021', 'safari16'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  logLevel: 'warning',
};

if (process.argv[2] === 'perf') {
  await build({
    ...shared,
    format: 'iife', // so that it is there in a page from a file, too
    entryPoints: { perf: 'perf/perf.ts', tree: 'style/tree.css' },
    outdir: process.argv[3] ?? 'lib/perf',
  });
} else {
  const outdir = '../rlm_kernel/notebook/static';
  await build({
    ...shared,
    minify: true,
    entryPoints: { 'rlm-tree': 'src/widget.ts', 'rlm-latent': 'src/latent/widget.tsx' },
    outdir,
  });
  await build({
    ...shared,
    minify: true,
    entryPoints: { 'rlm-tree': 'style/tree.css', 'rlm-latent': 'style/latent.css' },
    outdir,
  });
  // The page of a recording is one file: a script, not a module, so that it opens from a disk.
  await build({
    ...shared,
    format: 'iife',
    minify: true,
    entryPoints: { 'rlm-page': 'src/page.ts' },
    outdir,
  });
  const size = gzipSync(readFileSync(`${outdir}/rlm-tree.js`)).length / 1024;
  if (size > LIMIT) {
    throw new Error(`rlm-tree.js is ${size.toFixed(1)} kB compressed; it may be ${LIMIT}`);
  }
}
