/** A run, played: the tree as it was at any moment, without a kernel. */

import type { Logged, RunInfo } from '../protocol.js';
import type { Recorded } from './held.js';
import { decidedByPerson, pace } from './pace.js';
import { RunTree } from './tree.js';

/** Speeds to choose from. */
export const SPEEDS = [0.5, 1, 2, 4, 8] as const;
/** Ms between two steps of a player. */
const TICK = 40;
/** Where a step ends: what a person would call the next thing. */
const STEPS = new Set(['turn.started', 'cell.proposed', 'cell.decided', 'cell.ended', 'run.ended']);

/** What a person looks at while it happens: a cell, with its code and then its output, a child. */
const LOOKED_AT = new Set([
  'cell.proposed',
  'cell.decided',
  'cell.ended',
  'run.started',
  'run.ended',
]);

/** What stands on the scrubber. */
export type MarkKind = 'turn' | 'child' | 'error' | 'decision';

/** A moment of a recording that is worth going to. */
export interface Mark {
  kind: MarkKind;
  /** Seconds from its beginning, as it is played. */
  at: number;
  /** How many events have happened by then. */
  index: number;
  node: string;
}

/** Words that stand with a recording from a moment on. */
export interface Caption {
  /** How many events have happened by then. */
  index: number;
  text: string;
}

let count = 0;

/** Calls `work` every so many ms until what it gives is called. */
export type Clock = (work: () => void, ms: number) => () => void;

const EVERY: Clock = (work, ms) => {
  const timer = setInterval(work, ms);
  return () => clearInterval(timer);
};

/**
 * Plays a run from its events.
 *
 * Guarantees: at every moment `tree` is exactly what the events until then fold to; waits are
 * shortened and what happens is held until it can be seen, as `pace` has it; playing ends at the
 * end; nothing is asked of any kernel.
 */
export class Player {
  /** Another one has another. */
  readonly id = (count += 1);
  /** How many events have happened. */
  index = 0;
  /** The run as it is there. */
  tree: RunTree;
  playing = false;
  speed = 1;
  readonly marks: Mark[] = [];
  /** What is said of the run while it is played: its notes. */
  readonly captions: readonly Caption[];

  private readonly times: readonly number[];
  /** The node that each moment is about; empty: none. */
  private readonly nodes: string[] = [];
  private at = 0;
  private last = 0;
  private stop: (() => void) | null = null;
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly recorded: Recorded,
    private readonly clock: Clock = EVERY,
    private readonly now: () => number = () => performance.now(),
  ) {
    const whole = recordedTree();
    this.times = pace(recorded);
    recorded.events.forEach((logged, i) => {
      const { event } = logged;
      const at = this.times[i] ?? 0;
      const seen = LOOKED_AT.has(event.type) && event.node !== recorded.info.node;
      this.nodes.push(seen ? event.node : (this.nodes[i - 1] ?? ''));
      const node = whole.apply(logged);
      const kind = node && markOf(logged, recorded.info.node);
      if (kind) this.marks.push({ kind, at, index: i + 1, node: node.id });
    });
    this.captions = captionsOf(recorded);
    this.index = recorded.events.length;
    this.at = this.length;
    this.tree = whole;
  }

  /** The id of its run. */
  get run(): string {
    return this.recorded.info.run;
  }

  /** Seconds that it takes at speed 1. */
  get length(): number {
    return this.times[this.times.length - 1] ?? 0;
  }

  /** Seconds from its beginning to where it is. */
  get position(): number {
    return this.at;
  }

  /** The node that the moment is about: the cell or the child that came, or ended, last. */
  get about(): string {
    return this.nodes[this.index - 1] ?? '';
  }

  /** What is said where it is: the latest note of the run until then, or the empty string. */
  get caption(): string {
    return this.captions.filter(({ index }) => index <= this.index).pop()?.text ?? '';
  }

  /** Hear when it has moved, or plays, or doesn't any more. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Go to a moment, in seconds from the beginning. */
  seek(seconds: number): void {
    this.at = Math.min(Math.max(0, seconds), this.length);
    this.goTo(this.indexAt(this.at));
  }

  /** Go on, or from the beginning where it is at its end. */
  play(): void {
    if (this.playing) return;
    if (this.at >= this.length) this.seek(0);
    this.playing = true;
    this.last = this.now();
    this.stop = this.clock(() => this.tick(), TICK);
    this.tell();
  }

  pause(): void {
    this.stop?.();
    this.stop = null;
    if (!this.playing) return;
    this.playing = false;
    this.tell();
  }

  toggle(): void {
    if (this.playing) this.pause();
    else this.play();
  }

  setSpeed(speed: number): void {
    this.speed = speed;
    this.tell();
  }

  /** Go to the next thing that happened, or to the one before. */
  step(by: 1 | -1): void {
    this.pause();
    const { events } = this.recorded;
    let i = this.index + (by === 1 ? 0 : -2);
    while (i >= 0 && i < events.length && !STEPS.has(events[i]?.event.type ?? '')) i += by;
    const index = Math.min(Math.max(i + 1, 0), events.length);
    this.at = index === 0 ? 0 : (this.times[index - 1] ?? 0);
    this.goTo(index);
  }

  /** Go to the first moment at which a node is there. */
  goToNode(node: string): void {
    this.goToEvent(this.recorded.events.findIndex((one) => one.event.node === node));
  }

  /** Go to the moment at which a node has just ended. */
  goToEnd(node: string): void {
    const { events } = this.recorded;
    let i = events.length - 1;
    while (
      i >= 0 &&
      !(events[i]?.event.node === node && events[i]?.event.type.endsWith('.ended'))
    ) {
      i -= 1;
    }
    this.goToEvent(i);
  }

  /** Go to where another player of the same run is, and do what it does. */
  takeFrom(other: Player): void {
    this.speed = other.speed;
    const time = other.recorded.events[other.index - 1]?.time ?? -Infinity;
    const atEnd = other.index === other.recorded.events.length;
    const { events } = this.recorded;
    const after = atEnd ? -1 : events.findIndex((one) => one.time > time);
    const index = after < 0 ? events.length : after;
    this.at = index === 0 ? 0 : (this.times[index - 1] ?? 0);
    this.goTo(index);
    const { playing } = other;
    other.dispose();
    if (playing) this.play();
  }

  dispose(): void {
    this.pause();
    this.listeners.clear();
  }

  /** What is known of the run where it is. */
  get info(): RunInfo {
    const { info, events } = this.recorded;
    // Nothing waits for anybody in what is past.
    const past = { ...info, pending: null, asking: null, in_flight: 0, questions: 0 };
    if (this.index === events.length) return past;
    const node = this.tree.get(info.node);
    return {
      ...past,
      phase: node?.status ?? 'starting',
      reason: node?.reason ?? '',
      ended: node !== undefined && node.ended !== null,
      answer: node?.answer ?? null,
      budget: {},
    };
  }

  // -- private --------------------------------------------------------------------------------

  private tick(): void {
    const now = this.now();
    const passed = ((now - this.last) / 1000) * this.speed;
    this.last = now;
    this.at = Math.min(this.at + passed, this.length);
    this.goTo(this.indexAt(this.at));
    if (this.at >= this.length) this.pause();
  }

  /** How many events have happened at a moment. */
  private indexAt(seconds: number): number {
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.times[middle] ?? 0) <= seconds) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private goTo(index: number): void {
    const { events } = this.recorded;
    if (index < this.index) {
      this.tree = recordedTree();
      this.index = 0;
    }
    for (; this.index < index; this.index += 1) {
      const logged = events[this.index];
      if (logged) this.tree.apply(logged);
    }
    this.tell();
  }

  private goToEvent(i: number): void {
    if (i < 0) return;
    this.pause();
    this.at = this.times[i] ?? 0;
    this.goTo(i + 1);
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

function recordedTree(): RunTree {
  const tree = new RunTree();
  tree.recorded = true;
  return tree;
}

/** The notes of the run itself; the first is there from the beginning where no turn is before it. */
function captionsOf({ info, events }: Recorded): Caption[] {
  const found: Caption[] = [];
  let turns = false;
  events.forEach(({ event }, i) => {
    turns ||= event.type === 'turn.started';
    if (event.type === 'note' && event.node === info.node && event.text) {
      found.push({ index: found.length === 0 && !turns ? 0 : i + 1, text: event.text });
    }
  });
  return found;
}

function markOf(logged: Logged, top: string): MarkKind | null {
  const { event } = logged;
  switch (event.type) {
    case 'turn.started':
      return event.parent === top ? 'turn' : null;
    case 'run.started':
      return event.node === top ? null : 'child';
    case 'cell.decided':
      return decidedByPerson(event) ? 'decision' : null;
    case 'cell.ended':
      return event.status && event.status !== 'ok' ? 'error' : null;
    case 'call.ended':
      return event.status === 'error' ? 'error' : null;
    default:
      return null;
  }
}
