import {
  type Event,
  FRONT_VERSION,
  type Logged,
  type Push,
  type RunInfo,
} from '../src/protocol.js';
import type { Reply, Request } from '../src/protocol.js';
import type { Transport } from '../src/core/transport.js';

/** A run as the fake kernel has it. */
export interface FakeRun {
  info: RunInfo;
  log: Logged[];
  /** Whole texts of nodes that are cut in the events: `node field`. */
  texts: Map<string, string>;
}

/** Fill in what a `RunInfo` needs. */
export function runInfo(run: string, more: Partial<RunInfo>): RunInfo {
  return {
    run,
    name: '',
    node: 'run1',
    question: '',
    phase: 'running',
    reason: '',
    ended: false,
    answer: null,
    mode: 'auto',
    where: 'shell',
    sandbox: 'none',
    folder: '',
    model: '',
    executor: 'notebook',
    anchor: '',
    session: '',
    seq: 0,
    started: 0,
    pending: null,
    asking: null,
    budget: {},
    in_flight: 0,
    questions: 0,
    interrupting: false,
    recorded: false,
    branch_of: '',
    branch_turn: 0,
    ...more,
  };
}

/** A kernel that isn't there: runs made here, given out and pushed as a real one does. */
export class FakeKernel implements Transport {
  readonly runs = new Map<string, FakeRun>();
  readonly steered: Record<string, unknown>[] = [];
  readonly asked: Request[] = [];
  /** How many events a packed reply has; 0: none is packed. */
  packs = 0;
  /** Packs as the kernel does; tests give it. */
  pack: (value: unknown) => string = () => '';
  watched: string[] = [];
  private listeners = new Set<(push: Push) => void>();

  constructor(public kernel = 'kernel-1') {}

  add(run: FakeRun): FakeRun {
    this.runs.set(run.info.run, run);
    return run;
  }

  /** Append events to a run and push them. */
  emit(run: string, events: readonly Event[], time: number, spread = 0): void {
    const one = this.runs.get(run) as FakeRun;
    const since = one.log.length;
    const logged = events.map((event, i) => ({
      seq: since + i + 1,
      time: time + (spread * i) / events.length,
      event,
    }));
    one.log.push(...logged);
    one.info = { ...one.info, seq: one.log.length };
    this.push({
      kind: 'events',
      run,
      since,
      events: JSON.parse(JSON.stringify(logged)) as Record<string, unknown>[],
      seq: one.log.length,
    });
  }

  /** Change what is known of a run and push it. */
  inform(run: string, change: Partial<RunInfo>): void {
    const one = this.runs.get(run) as FakeRun;
    one.info = { ...one.info, ...change };
    this.push({ kind: 'run', info: one.info });
  }

  push(push: Push): void {
    for (const listener of this.listeners) {
      listener(push);
    }
  }

  onPush(listener: (push: Push) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async request<T extends Reply>(request: Request): Promise<T> {
    this.asked.push(request);
    await Promise.resolve();
    return { v: FRONT_VERSION, ok: true, message: '', to: '', ...this.answer(request) } as T;
  }

  private answer(request: Request): Record<string, unknown> {
    switch (request.type) {
      case 'sync':
        return {
          kernel: this.kernel,
          version: '0',
          notice: '',
          runs: [...this.runs.values()].map((run) => run.info),
        };
      case 'events': {
        const log = this.runs.get(request.run ?? '')?.log ?? [];
        const since = request.since ?? 0;
        const limit = request.limit ?? 2000;
        const many = request.packed && this.packs > 0 ? this.packs : limit;
        const events = log.slice(since, since + many);
        if (request.packed && this.packs > 0) {
          const packed = this.pack(events);
          return { run: request.run, events: [], packed, seq: 0, more: since + many < log.length };
        }
        return {
          run: request.run,
          events,
          seq: since + events.length,
          more: since + limit < log.length,
        };
      }
      case 'text': {
        const whole =
          this.runs.get(request.run ?? '')?.texts.get(`${request.node} ${request.field}`) ?? '';
        return {
          text: whole.slice(request.start, request.stop),
          start: request.start,
          chars: whole.length,
        };
      }
      case 'watch':
        this.watched = request.nodes ?? [];
        return {};
      case 'steer':
        this.steered.push(request.command ?? {});
        return this.refuses === '' ? { phase: 'running' } : { ok: false, message: this.refuses };
      case 'fork': {
        if (this.refuses !== '') return { ok: false, message: this.refuses, info: null };
        const more = { branch_of: request.run ?? '', branch_turn: request.turn ?? 0 };
        const run = `${request.run}-fork${this.runs.size}`;
        const info = runInfo(run, { started: Date.now() / 1000, ...more });
        this.add({ info, log: [], texts: new Map() });
        return { info };
      }
      default:
        return {};
    }
  }

  /** The sentence that commands are refused with; empty: they are taken. */
  refuses = '';
}
