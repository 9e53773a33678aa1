/** What is drawn of a row: how its calls went, and when it went on. */

import type { JSX } from 'preact';
import { type Axis, span, waitSpans } from '../core/axis.js';
import type { Tally } from '../core/groups.js';
import { live } from '../core/node.js';
import type { Row } from '../core/rows.js';
import { tone } from './icons.js';

/** How many of several are done, failed and open, as a small strip. */
export function Strip({ counts }: { counts: Tally }): JSX.Element {
  const all = Math.max(counts.done + counts.failed + counts.open, 1);
  const part = (count: number, kind: string) =>
    count > 0 && <span class={`rlm-${kind}`} style={{ flexGrow: count / all, minWidth: '2px' }} />;
  return (
    <span class="rlm-strip" aria-hidden="true">
      {part(counts.done, 'good')}
      {part(counts.failed, 'bad')}
      {part(counts.open, 'open')}
    </span>
  );
}

/** When a node, or those of a group, went on: a bar on the time axis, hatched where they waited. */
export function Bar({
  row,
  axis,
  over,
  status,
}: {
  row: Row;
  axis: Axis;
  over: boolean;
  status: string;
}): JSX.Element | null {
  const nodes = row.node === null ? (row.group?.nodes ?? []) : [row.node];
  let left = 1;
  let right = 0;
  for (const node of nodes) {
    const at = live(node) && over ? null : span(node, axis);
    if (at !== null) {
      left = Math.min(left, at.left);
      right = Math.max(right, at.left + at.width);
    }
  }
  if (right < left) {
    return null;
  }
  const waits = row.node === null || right <= left ? [] : waitSpans(row.node, axis);
  const classes = ['rlm-span', `rlm-${tone(status)}`];
  if (row.node !== null && row.node.kind !== 'call') {
    classes.push('rlm-holds');
  }
  if (waits.length > 0) {
    classes.push('rlm-split');
  }
  return (
    <span
      class={classes.join(' ')}
      style={{
        left: `${(left * 100).toFixed(2)}%`,
        width: `${((right - left) * 100).toFixed(2)}%`,
      }}
    >
      {pieces(left, right, waits).map((piece) => (
        <i
          key={piece.left}
          class={piece.waits ? 'rlm-wait' : 'rlm-work'}
          style={{
            left: `${(((piece.left - left) / (right - left)) * 100).toFixed(2)}%`,
            width: `${((piece.width / (right - left)) * 100).toFixed(2)}%`,
          }}
        />
      ))}
    </span>
  );
}

/** A bar cut where the person was waited for; nothing where they never were. */
function pieces(
  left: number,
  right: number,
  waits: readonly { left: number; width: number }[],
): { left: number; width: number; waits: boolean }[] {
  const found: { left: number; width: number; waits: boolean }[] = [];
  let at = left;
  for (const wait of waits) {
    if (wait.left > at) {
      found.push({ left: at, width: wait.left - at, waits: false });
    }
    found.push({ ...wait, waits: true });
    at = wait.left + wait.width;
  }
  if (waits.length > 0 && at < right) {
    found.push({ left: at, width: right - at, waits: false });
  }
  return found;
}
