import { label } from './format.js';
import { type TreeNode, tokens } from './node.js';
import type { RunTree } from './tree.js';

/** What is to be shown of a tree; the empty filter shows everything. */
export interface Filter {
  /** Words, or a regular expression between slashes (`/err.*5/`). */
  text: string;
  status: string;
  kind: string;
  model: string;
  /** US dollars that a node and what is below it cost at least. */
  minCost: number | null;
  only: '' | 'errors' | 'slowest' | 'costliest';
}

export const NO_FILTER: Filter = Object.freeze({
  text: '',
  status: '',
  kind: '',
  model: '',
  minCost: null,
  only: '',
});

/** How many `slowest` and `costliest` give. */
export const MOST = 10;

/** What a filter lets through: the matches, and the nodes above them. */
export interface Matches {
  matched: ReadonlySet<string>;
  kept: ReadonlySet<string>;
}

const BAD = new Set(['error', 'failed', 'died', 'timeout', 'memory', 'partial']);
const LOOKED_AT = 2000;

/** Whether a filter shows everything. */
export function isEmpty(filter: Filter): boolean {
  return (
    filter.text === '' &&
    filter.status === '' &&
    filter.kind === '' &&
    filter.model === '' &&
    filter.minCost === null &&
    filter.only === ''
  );
}

/** Whether a node went wrong. */
export function wentWrong(node: TreeNode): boolean {
  return BAD.has(node.status);
}

/** A filter made ready; what it found of a node that hasn't changed isn't looked for again. */
export class Matcher {
  /** What is wrong with the regular expression, or nothing. */
  readonly trouble: string = '';
  private readonly test: (text: string) => boolean;
  private readonly seen = new Map<string, { version: number; hit: boolean }>();

  constructor(readonly filter: Filter) {
    const written = /^\/(.+?)\/?$/.exec(filter.text.trim());
    if (written?.[1] !== undefined && filter.text.trim().length > 1) {
      try {
        const pattern = new RegExp(written[1], 'im');
        this.test = (text) => pattern.test(text);
      } catch (error) {
        this.trouble = error instanceof Error ? error.message : String(error);
        this.test = () => true;
      }
    } else {
      const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
      this.test = (text) => {
        const lower = text.toLowerCase();
        return words.every((word) => lower.includes(word));
      };
    }
  }

  /** Find what the filter lets through. */
  find(tree: RunTree): Matches {
    const { only } = this.filter;
    let matched = new Set<string>();
    for (const node of tree.all()) {
      if (this.hit(node)) {
        matched.add(node.id);
      }
    }
    if (only === 'slowest' || only === 'costliest') {
      matched = most(tree, matched, only);
    }
    const kept = new Set<string>();
    for (const id of matched) {
      let at: string | null = id;
      while (at !== null && !kept.has(at)) {
        kept.add(at);
        at = tree.get(at)?.parent ?? null;
      }
    }
    return { matched, kept };
  }

  private hit(node: TreeNode): boolean {
    const before = this.seen.get(node.id);
    if (before !== undefined && before.version === node.below) {
      return before.hit;
    }
    const hit = this.holds(node);
    this.seen.set(node.id, { version: node.below, hit });
    return hit;
  }

  private holds(node: TreeNode): boolean {
    const { status, kind, model, minCost, only, text } = this.filter;
    if (
      (status !== '' && node.status !== status) ||
      (kind !== '' && node.kind !== kind) ||
      (model !== '' && node.model !== model) ||
      (only === 'errors' && !wentWrong(node))
    ) {
      return false;
    }
    if (minCost !== null && (node.total.cost ?? node.total.known_cost) < minCost) {
      return false;
    }
    return text === '' || this.trouble !== '' || this.test(haystack(node));
  }
}

/** The `MOST` slowest or costliest of the nodes that do the work: cells, calls and solves. */
function most(tree: RunTree, among: ReadonlySet<string>, by: 'slowest' | 'costliest'): Set<string> {
  const weighed: [id: string, weight: number][] = [];
  for (const id of among) {
    const node = tree.get(id);
    if (
      node === undefined ||
      (node.kind !== 'call' &&
        (by === 'costliest' || (node.kind !== 'cell' && node.kind !== 'solve')))
    ) {
      continue;
    }
    const weight =
      by === 'slowest'
        ? (node.seconds ?? 0)
        : (node.own.cost ?? node.own.known_cost) || tokens(node.own) * 1e-12;
    if (weight > 0) {
      weighed.push([id, weight]);
    }
  }
  weighed.sort((a, b) => b[1] - a[1]);
  return new Set(weighed.slice(0, MOST).map(([id]) => id));
}

function haystack(node: TreeNode): string {
  const part = (text: string) => (text.length > LOOKED_AT ? text.slice(0, LOOKED_AT) : text);
  return [
    node.id,
    label(node),
    node.title,
    node.status,
    node.model,
    node.error,
    node.reason,
    part(node.question),
    part(node.code),
    part(node.output),
    part(node.prompt),
    part(node.text),
    part(node.answer ?? ''),
  ].join('\n');
}

/** The statuses, kinds and models there are in a tree, to choose from. */
export function choices(tree: RunTree): { statuses: string[]; kinds: string[]; models: string[] } {
  const statuses = new Set<string>();
  const kinds = new Set<string>();
  const models = new Set<string>();
  for (const node of tree.all()) {
    statuses.add(node.status);
    kinds.add(node.kind);
    if (node.model !== '') {
      models.add(node.model);
    }
  }
  return { statuses: [...statuses].sort(), kinds: [...kinds], models: [...models].sort() };
}
