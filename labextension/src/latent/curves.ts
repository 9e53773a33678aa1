/** The curves over the cycles, as places in a box of 1 by 1. */
import { sayN } from '../core/say.js';
import { type Frame, type Solve } from './data.js';
import { say } from '../core/say.js';

/** One curve. */
export interface Curve {
  name: string;
  /** The value at each frame but the first, which is the puzzle. */
  values: number[];
  /** What the top stands for. */
  most: number;
  /** A value as a person reads it. */
  text(value: number): string;
}

/** The three curves of a solve. */
export function curvesOf(solve: Solve): Curve[] {
  const frames = solve.frames.slice(1);
  const count = (name: string, of: (frame: Frame) => number[]): Curve => {
    const values = frames.map((frame) => of(frame).length);
    return {
      name,
      values,
      most: Math.max(1, ...values),
      text: (n) => sayN('%1 cell', '%1 cells', n),
    };
  };
  return [
    count(say('Break a rule'), (frame) => frame.wrong),
    count(say('Changed'), (frame) => frame.changed),
    {
      name: say('Sure that it is right'),
      values: frames.map((frame) => frame.halt),
      most: 1,
      text: (part) => say('%1 %', percent(part)),
    },
  ];
}

/** Where a frame is along a curve, 0 to 1. */
export function across(at: number, last: number): number {
  return last <= 1 ? 0.5 : (at - 1) / (last - 1);
}

/** Where a value is from the top, 0 to 1. */
export function down(curve: Curve, value: number): number {
  return 1 - value / curve.most;
}

/** Which frame is meant by a place along a curve. */
export function frameAt(part: number, last: number): number {
  return last <= 1 ? last : Math.max(1, Math.min(1 + Math.round(part * (last - 1)), last));
}

/** Every other step, from where to where along a curve: their ground is shaded. */
export function bands(solve: Solve): [number, number][] {
  const last = solve.frames.length - 1;
  const half = last <= 1 ? 0.5 : 0.5 / (last - 1);
  const found: [number, number][] = [];
  let shaded = true;
  for (let at = 1; at <= last; at += 1) {
    const step = solve.frames[at]!.step;
    if (at > 1 && step === solve.frames[at - 1]!.step) continue;
    let end = at;
    while (end < last && solve.frames[end + 1]!.step === step) end += 1;
    shaded = !shaded;
    if (shaded) {
      found.push([Math.max(0, across(at, last) - half), Math.min(1, across(end, last) + half)]);
    }
  }
  return found;
}

function percent(part: number): string {
  if (part > 0 && part < 0.005) return '<1';
  return part < 1 && part >= 0.995 ? '>99' : String(Math.round(100 * part));
}
