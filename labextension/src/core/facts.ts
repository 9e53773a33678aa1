/** What the tree of a run tells of its cells, as the notebook needs it. */

import type { DecisionKind, RunInfo } from '../protocol.js';
import { oneLine } from './format.js';
import { asked, tokens, type TreeNode } from './node.js';
import type { CellFacts } from './reconcile.js';
import type { RunTree } from './tree.js';
import { length } from './words.js';

const NOT_STARTED = new Set(['proposed', 'decided', 'rejected', 'responded', 'unknown']);

/** Give the cells of a run itself, not those of its children, oldest first. */
export function factsOf(tree: RunTree | undefined, info: RunInfo): CellFacts[] {
  const root = tree?.get(info.node);
  if (tree === undefined || root === undefined) return [];
  return tree
    .children(root)
    .flatMap((node) => (node.kind === 'turn' ? tree.children(node) : [node]))
    .filter((node) => node.kind === 'cell' && node.known)
    .map((node) => factOf(tree, info, node));
}

/** Give what is known of one cell of a run. */
export function factOf(tree: RunTree, info: RunInfo, node: TreeNode): CellFacts {
  const turn = tree.nearest(node, 'turn');
  const root =
    turn && tree.children(turn).find((one) => one.kind === 'call' && one.role === 'root');
  const ran = !NOT_STARTED.has(node.status);
  return {
    cell: node.id,
    number: node.number,
    turn: turn?.number ?? 0,
    author: node.author || 'model',
    code: node.proposed_code,
    place: node.place,
    decision: node.decision as DecisionKind | '',
    by: node.by,
    edited: node.code !== node.proposed_code ? node.code : null,
    reason: saidOf(node),
    refusal: oneLine(node.refusal, 160),
    started: ran,
    endedAt: ran && node.ended !== null ? node.ended * 1000 : 0,
    status: ran && node.ended !== null ? node.status : '',
    model: root?.model || info.model,
    calls: asked(node),
    amiss: node.amiss,
    tokens: tokens(node.total),
    cost: node.total.cost,
    output: {
      text: node.output,
      chars: node.cut['output'] ?? length(node.output),
      result: node.result,
      error: node.error === '' ? null : node.error,
      traceback: node.traceback,
    },
  };
}

/** What the person said in place of running: why not, or what is to count as the outcome. */
function saidOf(node: TreeNode): string {
  if (node.decision === 'reject') return oneLine(node.reason, 120);
  return node.decision === 'respond' ? oneLine(node.output, 120) : '';
}
