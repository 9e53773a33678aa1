import type { TreeNode } from './node.js';
import type { RunTree } from './tree.js';
import { extent, type Wait, waitsIn } from './waits.js';

/** A stretch of time that bars are drawn on. */
export interface Axis {
  /** Epoch seconds. */
  from: number;
  /** How long it is, without what is cut out of it. */
  seconds: number;
  /** Stretches that are left out: nothing had the run then. */
  cuts: readonly Wait[];
  /** Now, as the kernel's clock has it. */
  now: number;
}

/** What a time in which no process had the run takes, at most, as a part of the rest. */
const BREAK = 0.05;
const STEPS = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

/**
 * The axis of a run: while it goes on its length is a round number with room, so that bars stay
 * where they are; afterwards it is what the run took. Of the time until a run was picked up again only
 * a little is left.
 */
export function axis(tree: RunTree, now: number, over: boolean, focus?: TreeNode): Axis {
  const from = focus?.started ?? tree.from ?? now;
  const to = focus?.ended ?? (over ? (tree.to ?? now) : Math.max(now, tree.to ?? now));
  const cuts = cutsOf(tree, from, to);
  const took = Math.max(to - from - cuts.reduce((sum, cut) => sum + cut.to - cut.from, 0), 0.001);
  const still = focus === undefined ? !over : focus.ended === null && !over;
  return { from, seconds: still ? rounded(took) : took, cuts, now: Math.max(to, from) };
}

/** What is left out between two moments; the middle of each break. */
function cutsOf(tree: RunTree, from: number, to: number): Wait[] {
  const breaks = tree.breaks
    .map((one) => ({ from: Math.max(one.from, from), to: Math.min(one.to, to) }))
    .filter((one) => one.to > one.from);
  const idle = breaks.reduce((sum, one) => sum + one.to - one.from, 0);
  const kept = Math.max((to - from - idle) * BREAK, 0.001);
  return breaks
    .filter((one) => one.to - one.from > kept)
    .map((one) => ({ from: one.from + kept / 2, to: one.to - kept / 2 }));
}

/** Where a moment is on an axis, in seconds from its start. */
function along(time: number, { from, cuts }: Axis): number {
  const out = cuts.reduce((sum, cut) => sum + Math.max(Math.min(time, cut.to) - cut.from, 0), 0);
  return time - from - out;
}

/** Where something is left out of an axis, and how long that took, in seconds. */
export function cutMarks(on: Axis): { at: number; took: number }[] {
  return on.cuts.map((cut) => ({
    at: clamp(along(cut.from, on) / on.seconds),
    took: cut.to - cut.from,
  }));
}

function rounded(seconds: number): number {
  const unit = 10 ** Math.floor(Math.log10(Math.max(seconds, 1)));
  return (STEPS.find((step) => step * unit >= seconds) ?? 10) * unit;
}

/** Where a node's bar is on an axis, in parts of 1; null where it hasn't started. */
export function span(node: TreeNode, on: Axis): { left: number; width: number } | null {
  const own = extent(node, on.now);
  return own === null ? null : placed(own, on);
}

/** Where on an axis a node waited for the person, in parts of 1; too narrow to see isn't told. */
export function waitSpans(
  node: TreeNode,
  on: Axis,
  narrowest = 0.004,
): { left: number; width: number }[] {
  const found: { left: number; width: number }[] = [];
  for (const wait of waitsIn(node, on.now)) {
    const at = placed(wait, on);
    const last = found[found.length - 1];
    if (last !== undefined && at.left - last.left - last.width < narrowest / 2) {
      last.width = at.left + at.width - last.left;
    } else {
      found.push(at);
    }
  }
  return found.filter((at) => at.width >= narrowest);
}

function placed({ from, to }: Wait, on: Axis): { left: number; width: number } {
  const left = clamp(along(from, on) / on.seconds);
  return { left, width: Math.max(clamp(along(to, on) / on.seconds) - left, 0) };
}

/** Round moments to mark on an axis, in seconds from its start. */
export function ticks(on: Axis, most: number): number[] {
  const rough = on.seconds / Math.max(most, 1);
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((times) => times * unit >= rough) ?? 10) * unit;
  const found: number[] = [];
  for (let at = step; at < on.seconds * 0.95; at += step) {
    found.push(at);
  }
  return found;
}

/** A moment on an axis in few characters: `0.5 s`, `20 s`, `1:30`, `1:05:00`. */
export function tickText(seconds: number): string {
  if (seconds < 60) {
    return `${Number(seconds.toFixed(3))} s`;
  }
  const two = (value: number) => String(value).padStart(2, '0');
  const rest = `${two(Math.floor((seconds % 3600) / 60))}:${two(Math.floor(seconds % 60))}`;
  return seconds < 3600 ? rest.replace(/^0/, '') : `${Math.floor(seconds / 3600)}:${rest}`;
}

function clamp(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}
