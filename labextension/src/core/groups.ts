import { costText, durationText, signs, whole } from './format.js';
import { say } from './say.js';
import {
  type Amiss,
  live,
  NOTHING_AMISS,
  NOTHING_USED,
  plus,
  type TreeNode,
  type Used,
} from './node.js';

/** Siblings that make a group. */
export const LEAST = 5;

/** How many of several nodes are done, failed and open, and what they took together. */
export interface Tally {
  done: number;
  /** All that came to nothing; of them `cancelled` and `refused` weren't made. */
  failed: number;
  cancelled: number;
  refused: number;
  open: number;
  median: number | null;
  total: Used;
}

/** Sibling calls that one line of code issued, one after another, shown as one row. */
export interface Group {
  readonly key: string;
  readonly title: string;
  nodes: readonly TreeNode[];
}

const GOOD = new Set(['ok', 'done']);

/** How a node counts: done, failed or open. */
export function outcome(node: TreeNode): 'done' | 'failed' | 'open' {
  if (live(node) || !node.known) {
    return 'open';
  }
  return GOOD.has(node.status) ? 'done' : 'failed';
}

/** Count nodes by how they ended and add up what they used. */
export function tally(nodes: Iterable<TreeNode>): Tally {
  const counts = { done: 0, failed: 0, cancelled: 0, refused: 0, open: 0 };
  let total = NOTHING_USED;
  const seconds: number[] = [];
  for (const node of nodes) {
    const how = outcome(node);
    counts[how] += 1;
    if (how === 'failed') {
      counts.cancelled += node.status === 'cancelled' || node.status === 'stopped' ? 1 : 0;
      counts.refused += node.status === 'error' && node.error_kind === 'budget' ? 1 : 0;
    }
    if (node.total !== NOTHING_USED) {
      total = plus(total, node.total);
    }
    if (node.seconds !== null) {
      seconds.push(node.seconds);
    }
  }
  return { ...counts, median: median(seconds), total };
}

function median(values: number[]): number | null {
  if (values.length === 0) {
    return null;
  }
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** What of several nodes came to nothing. */
export function amissIn({ failed, cancelled, refused }: Tally): Amiss {
  return { ...NOTHING_AMISS, failed: failed - cancelled - refused, cancelled, refused };
}

/** How many are done and how many go on, by signs: `117 ✓ 3 …`. */
export function goneText({ done, open }: Tally): string {
  return signs([
    [done, '✓'],
    [open, '…'],
  ]);
}

/** How several nodes went, by signs: `117 ✓ 1 ✗ 2 ⊘`; none of those that there are none of. */
export function countsText({ done, failed, cancelled, refused, open }: Tally): string {
  const all: [number, string][] = [
    [done, '✓'],
    [failed - cancelled - refused, '✗'],
    [refused, '⊘'],
    [cancelled, '■'],
    [open, '…'],
  ];
  return signs(all, whole);
}

/** What the middle one of several calls took. */
export function medianText(counts: Tally): string {
  return counts.median === null ? '' : say('median %1', durationText(counts.median));
}

/** How several calls went: counts, the median duration, the sum of what they cost. */
export function tallyText(counts: Tally): string {
  return [
    countsText(counts),
    medianText(counts),
    counts.total.calls ? `∑ ${costText(counts.total)}` : '',
  ]
    .filter(Boolean)
    .join(' · ');
}

/** Siblings in their order, with `least` or more alike in a row as one group. */
export function grouped(nodes: readonly TreeNode[], least = LEAST): (TreeNode | Group)[] {
  const found: (TreeNode | Group)[] = [];
  let start = 0;
  while (start < nodes.length) {
    const first = nodes[start] as TreeNode;
    let stop = start + 1;
    if (groupable(first)) {
      while (stop < nodes.length && alike(first, nodes[stop] as TreeNode)) {
        stop += 1;
      }
    }
    if (stop - start < least) {
      for (let i = start; i < stop; i += 1) {
        found.push(nodes[i] as TreeNode);
      }
    } else {
      found.push({
        key: `group:${first.id}`,
        title:
          first.line === null
            ? `llm_query × ${stop - start}`
            : say('%1, line %2', `llm_query × ${stop - start}`, first.line),
        nodes: nodes.slice(start, stop),
      });
    }
    start = stop;
  }
  return found;
}

function groupable(node: TreeNode): boolean {
  return (
    node.kind === 'call' && (node.role === '' || node.role === 'sub') && node.children.length === 0
  );
}

function alike(a: TreeNode, b: TreeNode): boolean {
  return groupable(b) && a.role === b.role && a.line === b.line;
}
