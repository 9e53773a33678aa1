/** What a run waits for: a decision, a reply of the person, the model. */

import { live, type TreeNode } from './node.js';
import { isOver, type RunTree } from './tree.js';
import type { RunInfo } from '../protocol.js';

/** Whether a call is the person's to reply to in the place of a model. */
export function isModel(node: TreeNode): boolean {
  return node.kind === 'call' && node.model === 'human' && node.role !== 'human';
}

/** Whether a call waits for words of the person: a question, or one that they are the model of. */
export function isYours(node: TreeNode): boolean {
  return live(node) && (node.role === 'human' || isModel(node));
}

/** The cell that waits for a decision of the person, if one does; who has taken over decides none. */
export function waitingCell(info?: RunInfo, tree?: RunTree): TreeNode | undefined {
  const pending = info?.phase === 'taken over' ? null : info?.pending;
  return pending?.asks && !pending.decided && !pending.executing
    ? tree?.get(pending.cell)
    : undefined;
}

/** What waits for the person: a proposal, calls that want to be allowed, a call of their own. */
export function wantingNode(info?: RunInfo, tree?: RunTree): TreeNode | undefined {
  const waiting = waitingCell(info, tree);
  if (waiting !== undefined || info === undefined || tree === undefined || info.ended) {
    return waiting;
  }
  if (info.asking !== null) {
    return tree.get(info.asking.cell);
  }
  const [first] = isOver(tree) ? [] : tree.persons;
  return first === undefined ? undefined : tree.get(first);
}

/** When the model of the run itself began to think (epoch seconds); null: it doesn't. */
export function thinkingSince(info?: RunInfo, tree?: RunTree): number | null {
  if (info?.phase !== 'thinking' || tree === undefined) {
    return null;
  }
  let node = tree.get(info.node);
  while (node !== undefined && node.kind !== 'call') {
    node = tree.get(node.children[node.children.length - 1] ?? '');
  }
  return node !== undefined && live(node) ? node.started : null;
}
