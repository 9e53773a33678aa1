import type { Event, Logged, NodeKind } from '../protocol.js';
import { FOLDS, guess } from './folds.js';
import {
  type Amiss,
  both,
  live,
  newNode,
  NOTHING_AMISS,
  NOTHING_USED,
  plus,
  type TreeNode,
  type Used,
} from './node.js';
import { adopt, begin, end } from './waits.js';

type Fold = (
  tree: RunTree,
  event: Event,
  time: number,
  cut: Readonly<Record<string, number>> | undefined,
) => TreeNode;

/** What a node of a kind waits for the person for, at most until it ends. */
const WAITS: Partial<Record<NodeKind, readonly string[]>> = {
  run: ['pause'],
  cell: ['decision', 'calls'],
  call: ['call'],
};

const ONE_CHILD: Amiss = Object.freeze({ ...NOTHING_AMISS, children: 1 });

/**
 * The tree of a run, folded from its events one after another.
 *
 * Any prefix of a log, and events in any order, fold to a valid tree: a node that others speak of
 * first is there as not `known`; a parent that would make a circle isn't taken; an end told twice
 * counts once; types that aren't known change nothing. Totals are kept on the way up.
 */
export class RunTree {
  /** The number of the last event applied, and its time (epoch seconds). */
  seq = 0;
  time: number | null = null;
  /** Grows when nodes come or are hung elsewhere: rows made before are then old. */
  structure = 0;
  /** Grows with every event. */
  version = 0;
  /** The earliest and the latest moment told of (epoch seconds). */
  from: number | null = null;
  to: number | null = null;

  /** The stretches in which no process had the run: it was picked up again after them. */
  readonly breaks: { from: number; to: number }[] = [];

  /** Whether it is a recording's at some moment: what goes on then lasts until then, not until now. */
  recorded = false;

  /** The calls that are a person's to reply to and haven't ended, oldest first. */
  readonly persons = new Set<string>();

  /** What is waited for: a node and what of it. */
  private readonly waiting = new Set<string>();
  private readonly nodes = new Map<string, TreeNode>();
  private readonly top = new Set<string>();

  /** Now in epoch seconds, never before what was told last; of a recording: when it is. */
  get now(): number {
    const told = this.to ?? 0;
    return this.recorded ? told : Math.max(Date.now() / 1000, told);
  }

  /** How many nodes there are. */
  get size(): number {
    return this.nodes.size;
  }

  /** A node, or undefined where there is none of that id. */
  get(id: string): TreeNode | undefined {
    return this.nodes.get(id);
  }

  /** Every node, in the order they were first spoken of. */
  all(): IterableIterator<TreeNode> {
    return this.nodes.values();
  }

  /** Every node without a parent, oldest first. */
  get tops(): TreeNode[] {
    return [...this.top].map((id) => this.at(id));
  }

  /** The first run or session that nothing is above of. */
  get root(): TreeNode | undefined {
    const tops = this.tops;
    const found = tops.find(
      (node) => node.known && (node.kind === 'run' || node.kind === 'session'),
    );
    return found ?? tops[0];
  }

  /** What is right below a node, in the order it was started. */
  children(node: TreeNode): TreeNode[] {
    return node.children.map((id) => this.at(id));
  }

  /** The nodes above a node, nearest first. */
  above(node: TreeNode): TreeNode[] {
    const found: TreeNode[] = [];
    let up = node.parent;
    while (up !== null) {
      const parent = this.at(up);
      found.push(parent);
      up = parent.parent;
    }
    return found;
  }

  /** The nearest node of a kind above a node, or the node itself. */
  nearest(node: TreeNode, kind: NodeKind): TreeNode | undefined {
    return [node, ...this.above(node)].find((one) => one.kind === kind);
  }

  /** Take one event in; the node it was about, or undefined where its type isn't known. */
  apply(logged: Logged): TreeNode | undefined {
    const event = logged.event;
    const fold = Object.hasOwn(FOLDS, event.type) ? (FOLDS[event.type] as Fold) : undefined;
    if (logged.seq) {
      this.seq = logged.seq;
    }
    if (fold === undefined) {
      return undefined;
    }
    if (event.type === 'run.resumed' && this.to !== null && logged.time > this.to) {
      this.breaks.push({ from: this.to, to: logged.time });
    }
    this.time = logged.time;
    this.from = this.from === null ? logged.time : Math.min(this.from, logged.time);
    this.to = this.to === null ? logged.time : Math.max(this.to, logged.time);
    const node = fold(this, event, logged.time, logged.cut);
    this.touch(node);
    return node;
  }

  /** Put streamed text of a call to its place; false where what is before it is missing. */
  stream(id: string, text: string, at: number, have: number): boolean {
    const node = this.nodes.get(id);
    if (node === undefined || node.ended !== null) {
      return true;
    }
    if (at > have) {
      return false;
    }
    node.text = at === have ? node.text + text : at === 0 ? text : cutAt(node.text, at) + text;
    this.touch(node);
    return true;
  }

  /** Note that a node changed, for what was kept of it and of those above it. */
  touch(node: TreeNode): void {
    this.version += 1;
    node.version += 1;
    node.below += 1;
    let up = node.parent;
    while (up !== null) {
      const parent = this.at(up);
      parent.below += 1;
      up = parent.parent;
    }
  }

  // -- for the folds ------------------------------------------------------------------------

  /** A node that an event speaks of, made as not known where it isn't there. */
  spoken(id: string, kind: NodeKind): TreeNode {
    let node = this.nodes.get(id);
    if (node === undefined) {
      node = newNode(id, kind);
      node.known = false;
      node.status = 'unknown';
      node.title = id;
      this.nodes.set(id, node);
      this.top.add(id);
      this.structure += 1;
    }
    return node;
  }

  /** Make a node by its own event, or fill it in; a second start changes nothing. */
  start(
    id: string,
    parent: string | null,
    kind: NodeKind,
    time: number,
    values: Partial<TreeNode>,
  ): TreeNode {
    let node = this.nodes.get(id);
    if (node === undefined) {
      node = newNode(id, kind);
      this.nodes.set(id, node);
      this.place(node, parent);
    } else if (node.known) {
      return node;
    } else {
      this.become(node, kind);
      this.place(node, parent);
    }
    const { status } = node;
    node.started = time;
    Object.assign(node, values);
    if (kind === 'call' && node.ended === null && [node.role, node.model].includes('human')) {
      this.persons.add(id);
      this.wait(node, 'call', time);
    }
    if (node.ended !== null) {
      node.status = status; // its end was told first: what the end said stays
      node.seconds = node.seconds === null ? Math.max(node.ended - time, 0) : node.seconds;
    }
    this.structure += 1;
    return node;
  }

  /** Make a node known that only others spoke of so far. */
  become(node: TreeNode, kind: NodeKind): void {
    node.kind = kind;
    node.known = true;
    if (node.status === 'unknown') {
      node.status = 'running';
    }
    this.structure += 1;
  }

  /** Add to what a node and those above it used. */
  add(node: TreeNode | undefined, usage: Used): void {
    for (let at = node; at !== undefined; at = this.parent(at)) {
      at.total = plus(at.total, usage);
    }
  }

  /** Add to what came to nothing in a node and those above it. */
  addAmiss(node: TreeNode | undefined, more: Amiss): void {
    if (more === NOTHING_AMISS) {
      return;
    }
    for (let at = node; at !== undefined; at = this.parent(at)) {
      at.amiss = both(at.amiss, more);
    }
  }

  /** What a child that ended counts as for what is above it. */
  ownAmiss(node: TreeNode): Amiss {
    const bad = node.kind === 'run' && node.ended !== null && node.status !== 'done';
    return bad ? ONE_CHILD : NOTHING_AMISS;
  }

  /** The node right above a node. */
  parent(node: TreeNode): TreeNode | undefined {
    return node.parent === null ? undefined : this.at(node.parent);
  }

  /** A person is waited for from now on; nothing where it is so already. */
  wait(node: TreeNode, what: string, time: number): void {
    const key = `${node.id}\n${what}`;
    if (!this.waiting.has(key)) {
      this.waiting.add(key);
      for (let at: TreeNode | undefined = node; at !== undefined; at = this.parent(at)) {
        begin(at, time);
      }
    }
  }

  /** They aren't any more; `byItself`: it went on without them, and they weren't waited for. */
  waited(node: TreeNode, what: string, time: number, byItself = false): void {
    if (this.waiting.delete(`${node.id}\n${what}`)) {
      for (let at: TreeNode | undefined = node; at !== undefined; at = this.parent(at)) {
        end(at, time, byItself);
      }
    }
  }

  /** Mark a node as ended; nothing where it had ended already. */
  end(node: TreeNode, time: number, status: string): void {
    if (node.ended !== null) {
      return;
    }
    node.ended = time;
    node.status = status;
    this.persons.delete(node.id);
    for (const what of WAITS[node.kind] ?? []) {
      this.waited(node, what, time);
    }
    if (node.seconds === null && node.started !== null) {
      node.seconds = Math.max(time - node.started, 0);
    }
  }

  private place(node: TreeNode, parentId: string | null): void {
    const parent = parentId ? this.spoken(parentId, guess(parentId)) : undefined;
    if (parent === undefined || parent === node || this.above(parent).includes(node)) {
      this.top.add(node.id);
      return;
    }
    this.top.delete(node.id);
    node.parent = parent.id;
    parent.children.push(node.id);
    if (node.total !== NOTHING_USED) {
      this.add(parent, node.total);
    }
    if (node.waits !== null) {
      for (let at: TreeNode | undefined = parent; at !== undefined; at = this.parent(at)) {
        adopt(at, node.waits);
      }
    }
    this.addAmiss(parent, node.amiss);
    this.addAmiss(parent, this.ownAmiss(node));
  }

  private at(id: string): TreeNode {
    const node = this.nodes.get(id);
    if (node === undefined) {
      throw new Error(`no node ${id}`);
    }
    return node;
  }
}

/** Whether the run a tree is of is over, so that what hasn't ended never will. */
export function isOver(tree: RunTree): boolean {
  const root = tree.root;
  return root !== undefined && root.kind === 'run' && !live(root) && root.known;
}

/** Whether a person has taken the run over that a tree is of. */
export function isTaken(tree: RunTree): boolean {
  return tree.root?.status === 'taken over';
}

function cutAt(text: string, chars: number): string {
  return Array.from(text).slice(0, chars).join('');
}
