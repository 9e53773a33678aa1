/** What a person is to a run: the model of a call, who decides, who writes. */

import { label } from '../core/format.js';
import type { TreeNode } from '../core/node.js';
import { say } from '../core/say.js';

/**
 * What is sent of a reply that was typed for a model. The root's is a cell: code without a fence
 * gets one, unless it is the answer itself.
 */
export function asReply(node: TreeNode, text: string): string {
  const bare = node.role === 'root' && !text.includes('```') && !/^\s*FINAL/.test(text);
  return bare ? `\`\`\`repl\n${text}\n\`\`\`` : text;
}

const BY_ITSELF: Record<string, string> = {
  auto: 'by itself',
  rules: 'by your rule',
  headless: 'by itself',
  stop: 'by the stop',
};

const DECISIONS: Record<string, string> = {
  approve: 'approved %1',
  edit: 'edited %1',
  reject: 'rejected %1',
  respond: 'answered %1',
};

/** How a cell was decided and by whom, in words: `approved by you`; nothing where it wasn't. */
export function decidedText(node: TreeNode): string {
  const words = DECISIONS[node.decision];
  const who = Object.hasOwn(BY_ITSELF, node.by) ? BY_ITSELF[node.by] : 'by you';
  return words === undefined ? '' : say(words, say(who ?? ''));
}

/** What a node is called in a row, to the person who reads it. */
export function nameOf(node: TreeNode): string {
  if (node.kind === 'cell' && node.author === 'human') {
    return node.number ? say('your cell %1', node.number) : say('your cell');
  }
  return label(node);
}
