import { diffLines } from 'diff';
import { type Tally, tally } from './groups.js';
import type { TreeNode } from './node.js';
import type { RunTree } from './tree.js';

/** What one line of a cell's code issued. */
export interface Issued {
  line: number | null;
  /** The batches, calls and children right below the cell. */
  nodes: TreeNode[];
  /** The single calls and children: those of batches count one by one. */
  tally: Tally;
}

/** Sort what a cell issued by the line it came from; what has no line comes last. */
export function issued(tree: RunTree, cell: TreeNode): Issued[] {
  const byLine = new Map<number | null, TreeNode[]>();
  for (const node of tree.children(cell)) {
    const nodes = byLine.get(node.line);
    if (nodes === undefined) {
      byLine.set(node.line, [node]);
    } else {
      nodes.push(node);
    }
  }
  return [...byLine]
    .map(([line, nodes]) => ({
      line,
      nodes,
      tally: tally(
        nodes.flatMap((node) =>
          node.kind === 'batch' && node.children.length > 0 ? tree.children(node) : [node],
        ),
      ),
    }))
    .sort((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity));
}

/** The cells of a tree, in their order. */
export function cells(tree: RunTree): TreeNode[] {
  return [...tree.all()].filter((node) => node.kind === 'cell');
}

/** A line of a diff: kept, added by the edit, or removed by it. */
export interface DiffLine {
  kind: 'same' | 'added' | 'removed';
  text: string;
  /** Its number in the code that ran; null for a removed one. */
  number: number | null;
}

/** What an edit changed of a proposal, line by line; of texts too long to compare: null. */
export function difference(proposed: string, ran: string): DiffLine[] | null {
  if (proposed.length + ran.length > 400_000) {
    return null;
  }
  const end = (text: string) => (text.endsWith('\n') || text === '' ? text : text + '\n');
  const parts = diffLines(end(proposed), end(ran), { maxEditLength: 5000 });
  if (parts === undefined) {
    return null;
  }
  const found: DiffLine[] = [];
  let number = 0;
  for (const part of parts) {
    const kind = part.added ? 'added' : part.removed ? 'removed' : 'same';
    for (const text of part.value.replace(/\n$/, '').split('\n')) {
      found.push({ kind, text, number: kind === 'removed' ? null : (number += 1) });
    }
  }
  return found;
}
