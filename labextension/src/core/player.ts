/** A recorded run, played: the tree as it was at any moment, without a kernel. */

import {
  FRONT_VERSION,
  type Logged,
  type Push,
  type Reply,
  type Request,
  type RunInfo,
} from '../protocol.js';
import type { Store } from './store.js';
import type { Transport } from './transport.js';
import { RunTree } from './tree.js';

/** Seconds that a time in which nothing happened takes, at most. */
const IDLE = 1;
/** What a store knows a recording by, in the place of a kernel. */
const KERNEL = 'recording';
/** Speeds to choose from. */
export const SPEEDS = [0.5, 1, 2, 4, 8] as const;
/** Ms between two steps of a player. */
const TICK = 40;
/** Where a step ends: what a person would call the next thing. */
const STEPS = new Set(['turn.started', 'cell.proposed', 'cell.decided', 'cell.ended', 'run.ended']);

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

/** A recording as a page holds it. */
export interface Recorded {
  /** What is known of the run in the end. */
  info: RunInfo;
  /** Its events, whole. */
  events: Logged[];
}

/** Calls `work` every so many ms until what it gives is called. */
export type Clock = (work: () => void, ms: number) => () => void;

const EVERY: Clock = (work, ms) => {
  const timer = setInterval(work, ms);
  return () => clearInterval(timer);
};

/**
 * Plays a recording into a store.
 *
 * Guarantees: at every moment the store has exactly the tree that the events until then fold to;
 * gaps count for a second at most; playing ends at the end; nothing is asked of any kernel.
 */
export class Player implements Transport {
  /** How many events have happened. */
  index = 0;
  playing = false;
  speed = 1;
  readonly marks: Mark[] = [];

  private readonly times: number[] = [];
  private tree: RunTree;
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
    let time = 0;
    let before: number | null = null;
    recorded.events.forEach((logged, i) => {
      time += Math.min(IDLE, Math.max(0, logged.time - (before ?? logged.time)));
      before = logged.time;
      this.times.push(time);
      const node = whole.apply(logged);
      const kind = node && markOf(logged, recorded.info.node);
      if (kind) this.marks.push({ kind, at: time, index: i + 1, node: node.id });
    });
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

  /** Hear when it has moved, or plays, or doesn't any more. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Show it in a store from now on. */
  attach(store: Store): void {
    this.store = store;
    store.kernel = KERNEL;
    this.give();
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
    const i = this.recorded.events.findIndex((one) => one.event.node === node);
    if (i < 0) return;
    this.at = this.times[i] ?? 0;
    this.goTo(i + 1);
  }

  dispose(): void {
    this.pause();
    this.listeners.clear();
  }

  // -- as what a store asks -------------------------------------------------------------------

  async request<T extends Reply>(request: Request): Promise<T> {
    await Promise.resolve();
    const reply = { v: FRONT_VERSION, ok: true, message: '', to: '' };
    if (request.type === 'sync') {
      return {
        ...reply,
        kernel: KERNEL,
        version: '',
        notice: '',
        runs: [this.info],
      } as unknown as T;
    }
    if (request.type === 'events') {
      // The store gets its tree whole, from `give`.
      const { index: seq } = this;
      return { ...reply, run: this.run, events: [], seq, more: false } as unknown as T;
    }
    const message = 'This is a recording: nothing can be changed in it.';
    return { ...reply, ok: request.type === 'watch', message } as unknown as T;
  }

  onPush(_: (push: Push) => void): () => void {
    return () => undefined;
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
    this.give();
    this.tell();
  }

  /** What is known of the run where it is. */
  private get info(): RunInfo {
    const { info, events } = this.recorded;
    if (this.index === events.length) return info;
    const node = this.tree.get(info.node);
    return {
      ...info,
      phase: node?.status ?? 'starting',
      reason: node?.reason ?? '',
      ended: node !== undefined && node.ended !== null,
      answer: node?.answer ?? null,
      pending: null,
      asking: null,
      in_flight: 0,
      budget: {},
    };
  }

  private give(): void {
    this.store?.put(this.info, this.tree, this.index);
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }

  private store: Store | null = null;
}

function recordedTree(): RunTree {
  const tree = new RunTree();
  tree.recorded = true;
  return tree;
}

function markOf(logged: Logged, top: string): MarkKind | null {
  const { event } = logged;
  switch (event.type) {
    case 'turn.started':
      return event.parent === top ? 'turn' : null;
    case 'run.started':
      return event.node === top ? null : 'child';
    case 'cell.decided':
      return event.by === 'auto' || event.by === 'rules' || !event.by ? null : 'decision';
    case 'cell.ended':
      return event.status && event.status !== 'ok' ? 'error' : null;
    case 'call.ended':
      return event.status === 'error' ? 'error' : null;
    default:
      return null;
  }
}
