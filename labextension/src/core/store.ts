import type {
  EventsReply,
  Fork,
  ForkReply,
  Logged,
  Push,
  RunInfo,
  SteerReply,
  SyncReply,
  TextReply,
  Command,
} from '../protocol.js';
import { UNPACKS, unpackText } from './packed.js';
import { RunTree } from './tree.js';
import type { TreeNode } from './node.js';
import type { Transport } from './transport.js';
import { length } from './words.js';

/** What changed since listeners were told last. */
export interface Change {
  /** The list of runs or what is known of one of them, the connection, the selection. */
  runs: boolean;
  /** The runs whose trees grew or changed. */
  trees: ReadonlySet<string>;
}

/** How well the kernel is reached: `gone` after its goodbye, `lost` when requests fail. */
export type Connection = 'new' | 'open' | 'lost' | 'gone';

/** Events of a run asked for at a time where all are wanted. */
const MANY = 50_000;

/** How a store is set up. */
export interface StoreOptions {
  /** When listeners are told: at once by default; a view gives `requestAnimationFrame`. */
  schedule?: (flush: () => void) => void;
  /** Events asked for at a time. */
  page?: number;
}

/**
 * What a front end knows of a kernel's runs.
 *
 * Guarantees: events are applied once and in order (a gap in the numbers is asked for before what
 * comes after it); a kernel with a new id starts from nothing; events are loaded only of runs that
 * somebody shows; listeners are told at most once per `schedule`.
 */
export class Store {
  /** The kernel's id, new after each restart. */
  kernel = '';
  version = '';
  notice = '';
  connection: Connection = 'new';
  /** The run that is chosen, for all views of this store that don't choose by themselves. */
  selected: string | null = null;

  private infos = new Map<string, RunInfo>();
  private trees = new Map<string, RunTree>();
  private known = new Map<string, number>();
  private latest = new Map<string, number>();
  private shown = new Map<string, number>();
  private watched = new Map<string, Map<string, number>>();
  private streamed = new Map<string, number>();
  private loading = new Set<string>();
  private listeners = new Set<(change: Change) => void>();
  private changedRuns = false;
  private changedTrees = new Set<string>();
  private scheduled = false;
  private readonly schedule: (flush: () => void) => void;
  private readonly page: number;
  private stop: () => void;

  constructor(
    private readonly transport: Transport,
    options: StoreOptions = {},
  ) {
    this.schedule = options.schedule ?? ((flush) => flush());
    this.page = options.page ?? 2000;
    this.stop = transport.onPush((push) => this.take(push));
  }

  /** The runs of the kernel, oldest first. */
  get runs(): RunInfo[] {
    return [...this.infos.values()].sort((a, b) => a.started - b.started);
  }

  /** What is known of a run. */
  info(run: string): RunInfo | undefined {
    return this.infos.get(run);
  }

  /** The tree of a run, as far as its events are here. */
  tree(run: string): RunTree | undefined {
    return this.trees.get(run);
  }

  /** Whether a run's earlier events are still being fetched. */
  isLoading(run: string): boolean {
    return this.loading.has(run);
  }

  /** Hear of changes; the function that is given back ends it. */
  subscribe(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Ask the kernel what there is: at the start, after a reconnection, after every doubt. */
  async sync(): Promise<void> {
    let reply: SyncReply;
    try {
      reply = await this.transport.request<SyncReply>({ type: 'sync' });
    } catch (error) {
      this.fail();
      throw error;
    }
    if (!reply.ok) {
      this.notice = reply.message;
      this.fail();
      return;
    }
    if (reply.kernel !== this.kernel) {
      this.drop();
      this.kernel = reply.kernel;
    }
    this.version = reply.version;
    this.notice = reply.notice;
    this.connection = 'open';
    this.infos = new Map(reply.runs.map((info) => [info.run, info]));
    for (const info of reply.runs) {
      this.latest.set(info.run, Math.max(info.seq, this.latest.get(info.run) ?? 0));
    }
    if (this.selected === null || !this.infos.has(this.selected)) {
      this.selected = this.newest();
    }
    this.tell();
    for (const run of this.shown.keys()) {
      void this.load(run);
    }
    for (const run of this.watched.keys()) {
      this.sendWatch(run);
    }
  }

  /** Choose a run. */
  select(run: string | null): void {
    if (run !== this.selected) {
      this.selected = run;
      this.tell();
    }
  }

  /** Have a run's events here for as long as it is shown; the function given back ends it. */
  show(run: string): () => void {
    this.shown.set(run, (this.shown.get(run) ?? 0) + 1);
    void this.load(run);
    let on = true;
    return () => {
      if (on) {
        on = false;
        const left = (this.shown.get(run) ?? 1) - 1;
        if (left > 0) {
          this.shown.set(run, left);
        } else {
          this.shown.delete(run);
        }
      }
    };
  }

  /** Have the reply of a call stream in while somebody looks at it. */
  watch(run: string, node: string): () => void {
    const nodes = this.watched.get(run) ?? new Map<string, number>();
    this.watched.set(run, nodes);
    nodes.set(node, (nodes.get(node) ?? 0) + 1);
    this.sendWatch(run);
    let on = true;
    return () => {
      if (on) {
        on = false;
        const left = (nodes.get(node) ?? 1) - 1;
        if (left > 0) {
          nodes.set(node, left);
        } else {
          nodes.delete(node);
          this.sendWatch(run);
        }
      }
    };
  }

  /** A piece of a text of a node: characters `start` to `stop` of the whole. */
  text(run: string, node: string, field: string, start: number, stop: number): Promise<TextReply> {
    return this.transport.request<TextReply>({ type: 'text', run, node, field, start, stop });
  }

  /** Send a command to a run; `ok` false comes with the sentence that says why not. */
  async steer(run: string, command: Command): Promise<SteerReply> {
    try {
      return await this.transport.request<SteerReply>({
        type: 'steer',
        run,
        command: command as unknown as Record<string, unknown>,
      });
    } catch {
      const message = 'The kernel could not be reached; nothing was changed. Try again.';
      return { v: 1, ok: false, message, to: '', phase: '' };
    }
  }

  /** Begin a branch of a run; `ok` false comes with the sentence that says why not. */
  async fork(request: Omit<Fork, 'type'>): Promise<ForkReply> {
    try {
      const reply = await this.transport.request<ForkReply>({ type: 'fork', ...request });
      if (reply.ok && reply.info !== null) this.takeRun(reply.info);
      return reply;
    } catch {
      const message = 'The kernel could not be reached; no branch was begun. Try again.';
      return { v: 1, ok: false, message, to: '', info: null };
    }
  }

  /** All events of a run until now, to play it; what is kept of it here doesn't change. */
  async events(run: string): Promise<Logged[]> {
    const found: Logged[] = [];
    for (;;) {
      const reply = await this.transport.request<EventsReply>({
        type: 'events',
        run,
        since: found[found.length - 1]?.seq ?? 0,
        limit: MANY,
        packed: UNPACKS,
      });
      if (!reply.ok) throw new Error(reply.message);
      const came = reply.packed ? await unpackText(reply.packed) : reply.events;
      const events = came as Logged[];
      for (const one of events) found.push(one); // too many to be arguments
      if (!reply.more || events.length === 0) return found;
    }
  }

  /** Hear nothing any more. */
  dispose(): void {
    this.stop();
    this.listeners.clear();
  }

  // -- what comes in ------------------------------------------------------------------------

  private take(push: Push): void {
    switch (push.kind) {
      case 'run':
        this.takeRun(push.info);
        return;
      case 'events':
        this.latest.set(push.run, Math.max(push.seq, this.latest.get(push.run) ?? 0));
        if (this.shown.has(push.run) || this.trees.has(push.run)) {
          if (push.since > (this.known.get(push.run) ?? 0) || this.loading.has(push.run)) {
            void this.load(push.run);
          } else {
            this.apply(push.run, push.events as unknown as Logged[], push.seq);
          }
        }
        return;
      case 'text':
        this.takeText(push.run, push.node, push.text, push.at);
        return;
      case 'bye':
        this.connection = 'gone';
        this.tell();
    }
  }

  private takeRun(info: RunInfo): void {
    const fresh = !this.infos.has(info.run);
    this.infos.set(info.run, info);
    this.connection = 'open';
    if (fresh && info.node !== '') {
      const chosen = this.selected === null ? undefined : this.infos.get(this.selected);
      if (chosen === undefined || !goesOn(chosen)) {
        this.selected = info.run;
      }
    }
    this.tell();
  }

  private apply(run: string, events: Logged[], seq: number): void {
    let tree = this.trees.get(run);
    if (tree === undefined) {
      tree = new RunTree();
      this.trees.set(run, tree);
    }
    const known = this.known.get(run) ?? 0;
    for (const logged of events) {
      if (logged.seq > known) {
        tree.apply(logged);
      }
    }
    this.known.set(run, Math.max(known, seq));
    this.tell(run);
  }

  private takeText(run: string, id: string, text: string, at: number): void {
    const tree = this.trees.get(run);
    const node = tree?.get(id);
    if (tree === undefined || node === undefined || node.ended !== null) {
      return;
    }
    const key = `${run}\n${id}`;
    const have = node.text === '' ? 0 : (this.streamed.get(key) ?? length(node.text));
    if (tree.stream(id, text, at, have)) {
      this.streamed.set(key, at + length(text));
      this.tell(run);
    } else {
      void this.fill(run, node, at + length(text));
    }
  }

  /** Fetch what has streamed in before somebody began to watch. */
  private async fill(run: string, node: TreeNode, stop: number): Promise<void> {
    const reply = await this.text(run, node.id, 'text', 0, stop).catch(() => undefined);
    if (reply?.ok && node.ended === null && reply.text.length > node.text.length) {
      node.text = reply.text;
      this.streamed.set(`${run}\n${node.id}`, length(reply.text));
      this.trees.get(run)?.touch(node);
      this.tell(run);
    }
  }

  private async load(run: string): Promise<void> {
    if (this.loading.has(run)) {
      return;
    }
    this.loading.add(run);
    const kernel = this.kernel;
    try {
      for (;;) {
        const since = this.known.get(run) ?? 0;
        const reply = await this.transport.request<EventsReply>({
          type: 'events',
          run,
          since,
          limit: this.page,
        });
        if (this.kernel !== kernel || !reply.ok) {
          break;
        }
        const events = reply.events as unknown as Logged[];
        const last = events[events.length - 1]?.seq ?? since;
        this.apply(run, events, reply.more ? last : Math.max(last, reply.seq));
        const behind = (this.known.get(run) ?? 0) < (this.latest.get(run) ?? 0);
        if (!reply.more && (!behind || events.length === 0)) {
          break;
        }
      }
    } catch {
      this.fail();
    } finally {
      this.loading.delete(run);
      this.tell(run);
    }
  }

  // -- keeping and telling ------------------------------------------------------------------

  private newest(): string | null {
    const runs = this.runs;
    const open = runs.filter(goesOn);
    return (open[open.length - 1] ?? runs[runs.length - 1])?.run ?? null;
  }

  private sendWatch(run: string): void {
    const nodes = [...(this.watched.get(run)?.keys() ?? [])];
    this.transport.request({ type: 'watch', run, nodes }).catch(() => this.fail());
  }

  private drop(): void {
    for (const run of this.trees.keys()) {
      this.changedTrees.add(run);
    }
    this.infos.clear();
    this.trees.clear();
    this.known.clear();
    this.latest.clear();
    this.watched.clear();
    this.streamed.clear();
    this.loading.clear();
    this.selected = null;
  }

  private fail(): void {
    if (this.connection !== 'gone') {
      this.connection = 'lost';
    }
    this.tell();
  }

  private tell(run?: string): void {
    if (run === undefined) {
      this.changedRuns = true;
    } else {
      this.changedTrees.add(run);
    }
    if (!this.scheduled) {
      this.scheduled = true;
      this.schedule(() => {
        this.scheduled = false;
        const change = { runs: this.changedRuns, trees: this.changedTrees };
        this.changedRuns = false;
        this.changedTrees = new Set();
        for (const listener of [...this.listeners]) {
          listener(change);
        }
      });
    }
  }
}

/** Whether a run isn't over; calls typed outside of a run have no end, and count as none. */
function goesOn(info: RunInfo): boolean {
  return !info.ended && info.phase !== 'session';
}
