/** Cells of runs that are no longer in the kernel: which of them nobody has touched since. */

import type { CellMeta } from './reconcile.js';

/** A short name of a text: 53 bits, against slips and not against malice. */
export function digest(text: string): string {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    a = Math.imul(a ^ code, 0x9e3779b1);
    b = Math.imul(b ^ code, 0x5f356495);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return (0x100000000 * (0x1fffff & b) + (a >>> 0)).toString(36);
}

/** Whether a cell is as its run left it: written by the model, and nothing changed in it since. */
export function isUntouched(meta: CellMeta, source: string): boolean {
  return meta.author !== 'human' && meta.digest !== undefined && meta.digest === digest(source);
}
