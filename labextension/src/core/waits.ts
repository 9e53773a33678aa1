/**
 * The time in which a run waits for a person: until a cell is decided, calls are allowed, a question
 * or a model's call is answered, a pause is over.
 *
 * Each node keeps the stretches of itself and of everything below it, put together where they
 * overlap, so that what a row draws and says costs what it itself waited, no walk over what is below.
 */

import type { TreeNode } from './node.js';

/** A stretch of waiting (epoch seconds); `to` is Infinity as long as it goes on. */
export interface Wait {
  from: number;
  to: number;
}

/** What a node knows of waiting. */
export interface Waits {
  /** One after another, none overlapping another. */
  list: Wait[];
  /** How many waits go on now. */
  open: number;
  /** When the last one of the stretch that goes on ended by a person; -Infinity: none did. */
  until: number;
}

/** Seconds; what is shorter was nobody's time. */
const LEAST = 0.2;

/** A wait begins for a node. */
export function begin(node: TreeNode, time: number): void {
  const waits = (node.waits ??= { list: [], open: 0, until: -Infinity });
  waits.open += 1;
  if (waits.open === 1) {
    waits.until = -Infinity;
    const last = waits.list[waits.list.length - 1];
    if (last !== undefined && time <= last.to) {
      last.to = Infinity; // the clock went back
    } else {
      waits.list.push({ from: time, to: Infinity });
    }
  }
}

/** A wait of a node is over; `byItself`: not by a person, so that it was none. */
export function end(node: TreeNode, time: number, byItself = false): void {
  const { waits } = node;
  const last = waits?.list[waits.list.length - 1];
  if (!waits || waits.open === 0 || last === undefined) {
    return;
  }
  waits.open -= 1;
  if (!byItself) {
    waits.until = Math.max(waits.until, time);
  }
  if (waits.open === 0) {
    last.to = waits.until;
    if (last.to - last.from < LEAST) {
      waits.list.pop();
    }
  }
}

/** A node was hung below another: what is waited for below it is waited for above it. */
export function adopt(node: TreeNode, below: Waits): void {
  const waits = (node.waits ??= { list: [], open: 0, until: -Infinity });
  const all = [...waits.list, ...below.list].sort((a, b) => a.from - b.from);
  const list: Wait[] = [];
  for (const wait of all) {
    const last = list[list.length - 1];
    if (last !== undefined && wait.from <= last.to) {
      last.to = Math.max(last.to, wait.to);
    } else {
      list.push({ ...wait });
    }
  }
  const until = Math.max(waits.until, below.until);
  node.waits = { list, open: waits.open + below.open, until };
}

/** When a node began and ended by its own clock; null where it hasn't started. */
export function extent(node: TreeNode, now: number): Wait | null {
  if (node.started === null) {
    return null;
  }
  const to = node.ended ?? now;
  const from = node.seconds === null ? node.started : Math.max(node.started, to - node.seconds);
  return { from, to: Math.max(to, from) };
}

/** The stretches of a node in which a person was waited for, within its own time. */
export function waitsIn(node: TreeNode, now: number): Wait[] {
  const own = extent(node, now);
  if (own === null || node.waits === null) {
    return [];
  }
  return node.waits.list
    .map(({ from, to }) => ({ from: Math.max(from, own.from), to: Math.min(to, own.to) }))
    .filter(({ from, to }) => to > from);
}

/** How long a node took: at work and waiting for a person, in seconds; null where it is unknown. */
export function timeOf(node: TreeNode, now: number): { work: number; waiting: number } | null {
  const own = extent(node, now);
  if (own === null) {
    return node.seconds === null ? null : { work: node.seconds, waiting: 0 };
  }
  const took = node.seconds ?? own.to - own.from;
  const waited = waitsIn(node, now).reduce((sum, { from, to }) => sum + to - from, 0);
  const waiting = Math.min(waited, took);
  return { work: took - waiting, waiting };
}
