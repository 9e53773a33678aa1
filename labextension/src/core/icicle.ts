import { tokens, type TreeNode } from './node.js';
import type { RunTree } from './tree.js';
import { timeOf } from './waits.js';

/** What the width of a box in the icicle stands for. */
export type Measure = 'time' | 'cost' | 'tokens';

/** A box: a node (or several too narrow to tell apart) between `left` and `right` (0 to 1). */
export interface Box {
  node: TreeNode;
  depth: number;
  left: number;
  right: number;
  value: number;
  /** How many siblings this box stands for. */
  count: number;
}

/**
 * Lay a tree out as an icicle: below each box its children, as wide as their share.
 *
 * Args: the narrowest box as a part of the whole; boxes below it are drawn together with their
 * neighbours and not gone into. `time` is time spent: of calls and children one after another,
 * whether or not they ran at once, without waiting for the person. Of `kept` is drawn what is in it, null for everything; a box
 * is as wide as what is kept below it, and one with nothing kept below it as wide as itself.
 */
export function icicle(
  tree: RunTree,
  measure: Measure,
  top: TreeNode | undefined,
  narrowest: number,
  now: number,
  kept: ReadonlySet<string> | null = null,
): { boxes: Box[]; depth: number; total: number } {
  const values = new Map<string, number>();
  const keep = (nodes: TreeNode[]) => (kept ? nodes.filter((node) => kept.has(node.id)) : nodes);
  const tops = keep(top === undefined ? tree.tops : [top]);
  const total = tops.reduce((sum, node) => sum + weigh(tree, node, measure, now, values, kept), 0);
  const boxes: Box[] = [];
  let deepest = 0;
  if (total <= 0) {
    return { boxes, depth: 0, total: 0 };
  }
  const stack: { nodes: TreeNode[]; left: number; depth: number }[] = [
    { nodes: tops, left: 0, depth: 0 },
  ];
  while (stack.length > 0) {
    const { nodes, left, depth } = stack.pop() as (typeof stack)[number];
    let at = left;
    let thin: Box | null = null;
    for (const node of nodes) {
      const value = values.get(node.id) ?? 0;
      const width = value / total;
      if (width <= 0) {
        continue;
      }
      deepest = Math.max(deepest, depth + 1);
      if (width < narrowest) {
        if (thin === null || thin.right - thin.left >= narrowest) {
          thin = { node, depth, left: at, right: at + width, value, count: 1 };
          boxes.push(thin);
        } else {
          thin.right = at + width;
          thin.value += value;
          thin.count += 1;
        }
      } else {
        thin = null;
        boxes.push({ node, depth, left: at, right: at + width, value, count: 1 });
        if (node.children.length > 0) {
          stack.push({ nodes: keep(tree.children(node)), left: at, depth: depth + 1 });
        }
      }
      at += width;
    }
  }
  return { boxes, depth: deepest, total };
}

/** The value of a node and of everything below it, from the leaves up. */
function weigh(
  tree: RunTree,
  top: TreeNode,
  measure: Measure,
  now: number,
  values: Map<string, number>,
  kept: ReadonlySet<string> | null,
): number {
  const stack: { node: TreeNode; next: number; sum: number }[] = [{ node: top, next: 0, sum: 0 }];
  let result = 0;
  while (stack.length > 0) {
    const walk = stack[stack.length - 1] as (typeof stack)[number];
    const child = walk.node.children[walk.next];
    if (child !== undefined) {
      walk.next += 1;
      const node = tree.get(child);
      if (node !== undefined && (kept === null || kept.has(child))) {
        stack.push({ node, next: 0, sum: 0 });
      }
      continue;
    }
    stack.pop();
    // What holds matches is only as wide as these: the rest of it isn't shown.
    const partly = kept !== null && walk.sum > 0;
    const value = partly ? walk.sum : own(walk.node, walk.sum, measure, now);
    values.set(walk.node.id, value);
    const up = stack[stack.length - 1];
    if (up === undefined) {
      result = value;
    } else {
      up.sum += value;
    }
  }
  return result;
}

function own(node: TreeNode, below: number, measure: Measure, now: number): number {
  switch (measure) {
    case 'cost':
      return Math.max(below, node.total.cost ?? node.total.known_cost);
    case 'tokens':
      return Math.max(below, tokens(node.total));
    case 'time': {
      return node.started === null ? below : Math.max(below, timeOf(node, now)?.work ?? 0);
    }
  }
}
