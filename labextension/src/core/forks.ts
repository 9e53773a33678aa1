/** Where a run can be forked, and what can be otherwise in the branch. */

import { oneLine } from './format.js';
import { say } from './say.js';
import type { TreeNode } from './node.js';
import type { RunTree } from './tree.js';

/** Calls of a turn that are offered to be answered otherwise. */
const CALLS = 100;

/** Something that a branch may have otherwise. */
export interface Change {
  /** As the request has it. */
  change: '' | 'code' | 'reply' | 'told' | 'question';
  /** The cell or call; empty for what isn't one's. */
  node: string;
  /** For a person. */
  words: string;
}

/** The place of a node: the turn of the run's own that it is in, or 0 for the run itself. */
export interface Place {
  turn: number;
  /** The turn's node, or the run's. */
  node: TreeNode;
}

/**
 * Where a run can be forked at a node: in a turn of its own that is whole.
 *
 * @param top the run's own node; the turns of children aren't turns of it.
 */
export function forkPlace(tree: RunTree, top: string, node: TreeNode): Place | null {
  if (node.id === top) {
    return { turn: 0, node };
  }
  const above = [node, ...tree.above(node)];
  const run = above.find((one) => one.kind === 'run');
  const turn = above.find((one) => one.kind === 'turn');
  if (turn === undefined || run?.id !== top || turn.ended === null || turn.status === 'cancelled') {
    return null;
  }
  return { turn: turn.number, node: turn };
}

/** What can be otherwise in a branch that begins at a place, the plainest first. */
export function changesAt(tree: RunTree, place: Place): Change[] {
  const own: Change = { change: '', node: '', words: say('nothing: the model goes on by itself') };
  if (place.turn === 0) {
    return [{ change: 'question', node: '', words: say('the question') }, own];
  }
  const found: Change[] = [own];
  const calls: TreeNode[] = [];
  const look = (node: TreeNode): void => {
    for (const child of tree.children(node)) {
      if (child.kind === 'cell' && child.author !== 'human' && child.number > 0) {
        found.push({
          change: 'code',
          node: child.id,
          words: say('the code of cell %1', child.number),
        });
      }
      if (
        child.kind === 'call' &&
        child.ended !== null &&
        !['root', 'closing'].includes(child.role)
      ) {
        calls.push(child);
      }
      if (child.kind !== 'run') look(child); // a child has turns of its own
    }
  };
  look(place.node);
  found.push({ change: 'told', node: '', words: say('what the model was told after it') });
  for (const call of calls.slice(0, CALLS)) {
    const words = say('the reply to “%1”', oneLine(call.title || call.id, 60));
    found.push({ change: 'reply', node: call.id, words });
  }
  return found;
}

/** Which of the changes is meant where a person forks at a node. */
export function meant(changes: readonly Change[], node: TreeNode): Change | undefined {
  return changes.find((one) => one.node === node.id) ?? changes[0];
}
