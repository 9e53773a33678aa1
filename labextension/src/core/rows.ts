import type { Matches } from './filter.js';
import { type Group, grouped, LEAST } from './groups.js';
import type { TreeNode } from './node.js';
import type { RunTree } from './tree.js';

/** One visible row: a node, or a group of calls that are alike. */
export interface Row {
  readonly key: string;
  readonly node: TreeNode | null;
  group: Group | null;
  level: number;
  /** Its place among its siblings, from 1, and how many there are. */
  place: number;
  of: number;
  parent: string | null;
  expandable: boolean;
  expanded: boolean;
  /** Where it is in the list, as of the update that `seen` counts. */
  at: number;
  seen: number;
  /** Whether it is there only since something below it matches. */
  pale: boolean;
}

/** What decides which rows there are. */
export interface RowOptions {
  /** The node that is shown as the top, or null for everything. */
  focus: string | null;
  /** What a person opened (true) and closed (false), by the row's key. */
  open: ReadonlyMap<string, boolean>;
  matches: Matches | null;
}

/**
 * The visible rows of a tree in pre-order.
 *
 * Rows keep their identity from one `list` to the next, so that only a new row costs anything.
 */
export class Rows {
  list: Row[] = [];
  private kept = new Map<string, Row>();
  private updates = 0;
  private of: RunTree | null = null;

  /** Where a row is, or -1. */
  at(key: string): number {
    const row = this.kept.get(key);
    return row === undefined || row.seen !== this.updates ? -1 : row.at;
  }

  /** Make the list anew. Costs a walk over what is visible: once per frame, not per event. */
  update(tree: RunTree, options: RowOptions): Row[] {
    const { kept } = this;
    if (this.of !== tree) {
      kept.clear(); // ids are those of a run: another one has its own run1, turn1, cell1
      this.of = tree;
    }
    const list: Row[] = [];
    const now = (this.updates += 1);
    const { focus, open, matches } = options;
    const top = focus === null ? undefined : tree.get(focus);

    const add = (
      item: TreeNode | Group,
      level: number,
      place: number,
      of: number,
      parent: string | null,
    ): Row => {
      const isNode = !('nodes' in item);
      const key = isNode ? item.id : item.key;
      let row = kept.get(key);
      if (row === undefined) {
        row = {
          key,
          node: isNode ? item : null,
          group: null,
          level,
          place,
          of,
          parent,
          expandable: false,
          expanded: false,
          at: 0,
          seen: 0,
          pale: false,
        };
        kept.set(key, row);
      }
      row.group = isNode ? null : item;
      row.level = level;
      row.place = place;
      row.of = of;
      row.parent = parent;
      row.expandable = isNode ? item.children.length > 0 : true;
      row.expanded =
        row.expandable &&
        (open.get(key) ?? (isNode ? openAtFirst(item, matches) : matches !== null));
      row.pale = isNode && matches !== null && !matches.matched.has(item.id);
      row.at = list.length;
      row.seen = now;
      list.push(row);
      return row;
    };

    // a stack of lists that are being walked; no recursion: a log may be nested without end
    const stack: {
      items: readonly (TreeNode | Group)[];
      next: number;
      level: number;
      parent: string | null;
    }[] = [
      {
        items: keep(top === undefined ? tree.tops : [top], matches),
        next: 0,
        level: 1,
        parent: null,
      },
    ];
    while (stack.length > 0) {
      const walk = stack[stack.length - 1] as (typeof stack)[number];
      if (walk.next >= walk.items.length) {
        stack.pop();
        continue;
      }
      const item = walk.items[walk.next] as TreeNode | Group;
      walk.next += 1;
      const row = add(item, walk.level, walk.next, walk.items.length, walk.parent);
      if (row.expanded) {
        const isNode = !('nodes' in item);
        const children = isNode ? keep(tree.children(item), matches) : item.nodes;
        const items = isNode && item.kind !== 'batch' ? grouped(children) : children;
        stack.push({ items, next: 0, level: walk.level + 1, parent: row.key });
      }
    }
    this.list = list;
    if (kept.size > 2 * list.length + 1000) {
      for (const [key, row] of kept) {
        if (row.seen !== now) {
          kept.delete(key);
        }
      }
    }
    return list;
  }

  /** The key of the row in which a node is shown: its own, its group's, or that of what hides it. */
  showing(tree: RunTree, id: string): string | null {
    if (this.at(id) >= 0) {
      return id;
    }
    for (const row of this.list) {
      if (row.group?.nodes.some((node) => node.id === id)) {
        return row.key;
      }
    }
    const node = tree.get(id);
    return node?.parent == null ? null : this.showing(tree, node.parent);
  }
}

function keep(nodes: readonly TreeNode[], matches: Matches | null): readonly TreeNode[] {
  return matches === null ? nodes : nodes.filter((node) => matches.kept.has(node.id));
}

function openAtFirst(node: TreeNode, matches: Matches | null): boolean {
  return (
    matches !== null || node.kind !== 'batch' || Math.max(node.size, node.children.length) < LEAST
  );
}
