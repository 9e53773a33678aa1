/** Does, one after another, what the reconciler says is to be done to a notebook. */

import { NotebookActions } from '@jupyterlab/notebook';
import type { ITranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import { factsOf } from '../core/facts.js';
import { type Output, outputsOf } from '../core/outputs.js';
import { type Action, belongs, keyOf, newMemory, next, type World } from '../core/reconcile.js';
import type { LeaseReply, Reply, RunInfo, ShownReply } from '../protocol.js';
import { throttled } from './dom.js';
import type { Link } from './link.js';
import {
  cellById,
  cellOf,
  describe,
  insertCell,
  isRunning,
  metaOf,
  outputsIn,
  readCells,
  removeCells,
  setDisplay,
  setOutputs,
} from './notebook.js';
import { runQuietly } from './quiet.js';
import { Revealer } from './reveal.js';

/** Ms after which a claim that was refused is tried again. */
const REFUSED_WAIT = 2000;
/** Ms between two looks at a notebook. */
const OFTEN = 30;
/** A cell that asks a question. */
const QUESTION = /^\s*%%rlm\b/m;
const PIECE = 65_536;
const OUTPUT_AT_MOST = 16 * PIECE;

/** Keeps the cells of one notebook's runs in it. */
export class Placer {
  constructor(
    private readonly link: Link,
    private readonly translator: ITranslator,
    /** Whether this is the view of the document that acts; there may be several in a page. */
    private readonly acts: () => boolean,
  ) {
    const wake = (): void => this.wake();
    link.changed.connect(wake);
    const { panel } = link;
    this.view = new Revealer(panel, (run) => link.store?.info(run)?.pending ?? null);
    panel.content.modelContentChanged.connect(wake);
    panel.content.activeCellChanged.connect(wake);
    panel.content.stateChanged.connect(wake);
    NotebookActions.executionScheduled.connect(this.onScheduled, this);
    NotebookActions.executed.connect(this.onExecuted, this);
    panel.disposed.connect(this.dispose, this);
    this.wake();
  }

  isDisposed = false;

  /** The runs whose cells are in this notebook, oldest first. */
  get runs(): RunInfo[] {
    const { store } = this.link;
    return store ? store.runs.filter((info) => this.mine.has(info.run)) : [];
  }

  /** Look again soon. */
  readonly wake = throttled(() => {
    if (!this.isDisposed) void this.loop();
  }, OFTEN);

  /** Run a proposal as it now stands in the notebook, as the person asks for. */
  async approve(info: RunInfo): Promise<void> {
    const { panel, client, store } = this.link;
    const pending = info.pending;
    if (!pending || !client || !store) return;
    const cell = cellOf(panel, info.run, pending.cell);
    const source = cell?.model.sharedModel.getSource() ?? pending.code;
    if (cell && info.executor === 'notebook') {
      this.memory.pressed.set(keyOf(info.run, pending.cell), source);
      await this.run(info.run, pending.cell, cell.model.id, source);
      return;
    }
    await this.decide(info, source);
  }

  /** What stands in the cell of the proposal that waits, where a person changed it. */
  edited(run: string, node: string): string | undefined {
    const pending = this.link.store?.info(run)?.pending;
    if (pending?.cell !== node) return undefined;
    const source = cellOf(this.link.panel, run, node)?.model.sharedModel.getSource();
    return source === pending.code ? undefined : source;
  }

  /** Let go. */
  dispose(): void {
    if (this.isDisposed) return;
    this.isDisposed = true;
    clearTimeout(this.timer);
    this.unshow.forEach((stop) => stop());
    this.view.dispose();
    Signal.clearData(this);
  }

  private world(): World {
    const { link } = this;
    const cells = readCells(link.panel);
    return {
      now: Date.now(),
      client: link.client?.client ?? '',
      session: link.session,
      starting: cells.some((cell) => cell.running && QUESTION.test(cell.source)),
      cells,
      runs: (link.store?.runs ?? []).map((info) => ({
        info,
        cells: factsOf(link.store?.tree(info.run), info),
      })),
      memory: this.memory,
    };
  }

  /** One action at a time; asked anew after each, until nothing is left to do. */
  private async loop(): Promise<void> {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    try {
      do {
        this.again = false;
        if (this.isDisposed || !this.link.panel.model) return;
        if (this.link.state !== 'lost' && this.link.store?.kernel !== this.kernel) this.giveUp();
        if (!this.link.store) return;
        if (this.kernel !== this.link.store.kernel) {
          this.kernel = this.link.store.kernel;
          const { executed } = this.memory;
          this.memory = { ...newMemory(), executed };
          this.mine.clear();
          this.unshow.clear();
        }
        const world = this.world();
        this.follow(world);
        const action = this.acts() ? next(world) : null;
        if (!action) continue;
        if (action.do === 'wait') this.wakeAt(action.until);
        else {
          // The same thing twice: it had no effect (yet), and trying harder won't help.
          const said = JSON.stringify(action);
          if (said === this.last) await this.pause();
          this.last = said;
          await this.act(action);
          this.again = true;
        }
      } while (this.again);
    } catch {
      // The connection; the link tells the person, and wakes us when it is back.
      this.wakeAt(Date.now() + 2000);
    } finally {
      this.busy = false;
    }
  }

  private wakeAt(time: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.wake(), Math.max(20, time - Date.now()));
  }

  /** Have the events of this notebook's runs here; they tell what its cells gave. */
  private follow(world: World): void {
    for (const { info } of world.runs) {
      const { over } = this.memory;
      if (info.ended && !over.has(info.run)) over.set(info.run, world.now);
      if (!belongs(info, world)) continue;
      this.mine.add(info.run);
      this.executing.delete(info.run);
      if (info.pending?.executing) this.executing.set(info.run, info.pending.cell);
      const stop = this.unshow.has(info.run) ? undefined : this.link.store?.show(info.run);
      if (stop) this.unshow.set(info.run, stop);
    }
    for (const cell of world.cells) {
      if (cell.meta) this.memory.seen.add(keyOf(cell.meta.run, cell.meta.cell));
    }
  }

  /** What ran when the kernel went will never end. */
  private giveUp(): void {
    for (const [run, cell] of this.executing) {
      const found = cellOf(this.link.panel, run, cell);
      const meta = found ? metaOf(found.model) : null;
      if (found && meta) describe(found.model, { ...meta, status: 'died' });
    }
    this.executing.clear();
  }

  private async act(action: Exclude<Action, { do: 'wait' }>): Promise<void> {
    const { panel, client, store } = this.link;
    if (!client || !store) return;
    const { memory } = this;
    switch (action.do) {
      case 'claim':
        await this.claim(action.run);
        break;
      case 'lease':
        await this.lease(action.run, action.cell);
        break;
      case 'insert': {
        insertCell(panel, action.index, action.source, action.meta);
        memory.seen.add(keyOf(action.run, action.cell));
        await this.view.reveal(action.run, action.cell);
        this.save();
        break;
      }
      case 'hold':
        await client.request<Reply>({
          type: 'hold',
          run: action.run,
          cell: action.cell,
          on: action.on,
        });
        break;
      case 'source':
        cellById(panel, action.id)?.model.sharedModel.setSource(action.source);
        break;
      case 'run':
        await this.run(action.run, action.cell, action.id, action.source);
        break;
      case 'decide':
        await this.decideQueued(action.run, action.cell, action.source);
        break;
      case 'describe': {
        const cell = cellById(panel, action.id);
        if (cell) describe(cell.model, action.meta);
        // What ran is in the file as well, and not only what was proposed.
        if (memory.leases.has(keyOf(action.meta.run, action.meta.cell))) this.save();
        break;
      }
      case 'remove':
        removeCells(panel, [action.id]);
        break;
      case 'outputs':
        await this.patch(action.run, action.cell, action.id);
        break;
      case 'show':
        await this.show(action.run, action.id, action.seq);
        break;
    }
  }

  private async claim(run: string): Promise<void> {
    const { client, session } = this.link;
    const reply = await client?.request<Reply>({ type: 'claim', run, session });
    if (reply?.ok) this.memory.claimed.add(run);
    this.memory.later.set(run, Date.now() + REFUSED_WAIT);
  }

  private async lease(run: string, cell: string): Promise<void> {
    const { client, store, session } = this.link;
    if (!client || !store) return;
    const { memory } = this;
    const key = keyOf(run, cell);
    const reply = await client.request<LeaseReply>({ type: 'lease', run, cell, session });
    const ms = (reply.seconds ?? 0) * 1000;
    if (reply.ok) {
      memory.later.delete(key);
      // A little less than the kernel gives, for the way there and back.
      memory.leases.set(key, Date.now() + Math.max(0, ms - 1000));
    } else {
      memory.later.set(key, Date.now() + Math.min(Math.max(ms, 100), 2000));
    }
  }

  private async run(run: string, cell: string, id: string, source: string): Promise<void> {
    const { panel, client } = this.link;
    const widget = cellById(panel, id);
    if (!client || !widget || isRunning(widget)) return;
    const before = this.memory.ran.get(keyOf(run, cell));
    const tried = { tries: (before?.tries ?? 0) + 1, under: true, at: Date.now() };
    this.memory.ran.set(keyOf(run, cell), tried);
    await client.request<Reply>({ type: 'arm', run, cell, source });
    void runQuietly(panel.content, widget, panel.sessionContext, this.translator)
      .catch(() => false)
      .finally(() => {
        tried.under = false;
        tried.at = Date.now();
        this.memory.pressed.delete(keyOf(run, cell));
        this.wake();
      });
  }

  private async decide(info: RunInfo, source: string): Promise<void> {
    const pending = info.pending;
    if (!pending) return;
    const proposal = pending.cell;
    await this.link.store?.steer(
      info.run,
      source === pending.code
        ? { type: 'approve', proposal }
        : { type: 'edit', proposal, code: source },
    );
  }

  /** Decide as a cell says whose execution waits behind the one that executes the run's. */
  private async decideQueued(run: string, cell: string, source: string): Promise<void> {
    const { client, store } = this.link;
    const info = store?.info(run);
    this.memory.pressed.delete(keyOf(run, cell));
    if (!client || !info) return;
    await client.request<Reply>({ type: 'arm', run, cell, source, queued: true });
    await this.decide(info, source);
  }

  /** Show outputs that never reached the notebook; the whole of them where that is sensible. */
  private async patch(run: string, node: string, id: string): Promise<void> {
    const { panel, store } = this.link;
    this.memory.complete.add(keyOf(run, node));
    const facts = this.world()
      .runs.find((one) => one.info.run === run)
      ?.cells.find((one) => one.cell === node);
    if (!facts || !store) return;
    let { text } = facts.output;
    const wanted = Math.min(facts.output.chars, OUTPUT_AT_MOST);
    if (facts.output.chars > text.length) {
      let whole = '';
      for (let at = 0; at < wanted; at += PIECE) {
        const reply = await store.text(run, node, 'output', at, Math.min(at + PIECE, wanted));
        if (!reply.ok || reply.text === '') break;
        whole += reply.text;
      }
      if (whole !== '') text = whole;
    }
    const cell = cellById(panel, id);
    if (cell) setOutputs(cell, outputsOf(facts.output, text));
  }

  /** Show of a run, in the cell that asked, what it is now: nothing else tells this page. */
  private async show(run: string, id: string, seq: number): Promise<void> {
    const reply = await this.link.client?.request<ShownReply>({ type: 'shown', run });
    // Refused, it would be the next time, too.
    this.memory.shown.set(run, { at: reply?.ok ? Date.now() : Infinity, seq });
    const cell = cellById(this.link.panel, id);
    if (cell && reply?.ok) setDisplay(cell, run, reply);
  }

  /**
   * Whoever placed a cell saves; where a document is shared live that happens by itself.
   *
   * One after another, and nothing waits for it: JupyterLab may ask the person what to do first.
   */
  private save(): void {
    const { context } = this.link.panel;
    if (context.model.collaborative || context.model.readOnly) return;
    if (context.contentsModel?.writable === false) return;
    this.unsaved = true;
    if (this.saving) return;
    this.saving = true;
    void (async () => {
      while (this.unsaved && !this.isDisposed) {
        this.unsaved = false;
        await context.save().catch(() => undefined);
      }
      this.saving = false;
    })();
  }

  private async pause(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }

  /** A cell of this notebook is about to be executed, by whatever way. */
  private onScheduled(_: unknown, args: { notebook: unknown; cell: { model: unknown } }): void {
    const { panel, client } = this.link;
    if (args.notebook !== panel.content) return;
    const model = args.cell.model as Parameters<typeof metaOf>[0];
    this.memory.executed.add(model.id);
    const meta = metaOf(model);
    const text = model.sharedModel.getSource();
    // A server that executes in this page's place doesn't tell the kernel which cell it is.
    if (!meta && (QUESTION.test(text) || this.runs.some((run) => run.phase === 'taken over'))) {
      void client
        ?.request<Reply>({ type: 'arm', run: '', cell: model.id, source: text })
        .catch(() => undefined);
    }
    if (!meta && QUESTION.test(text)) this.asking.add(model.id);
    // Before it runs: a run's last cell is told to be over when the run is. Behind a question that is
    // asked anew, as in Run All, the kernel doesn't run it.
    if (meta && this.asking.size > 0) {
      const cell = cellById(panel, model.id);
      if (cell) this.left.set(model.id, outputsIn(cell));
    } else if (meta && this.link.isOver(meta.run)) {
      this.plain.add(model.id);
    }
    if (meta) this.memory.pressed.set(keyOf(meta.run, meta.cell), text);
    this.wake();
  }

  private onExecuted(_: unknown, args: { notebook: unknown; cell: { model: unknown } }): void {
    if (args.notebook !== this.link.panel.content) return;
    const model = args.cell.model as Parameters<typeof metaOf>[0];
    const meta = metaOf(model);
    this.asking.delete(model.id);
    if (meta) this.memory.pressed.delete(keyOf(meta.run, meta.cell));
    const { executionCount } = model as { executionCount?: number | null };
    const { link } = this;
    const gone = meta !== null && !link.store?.info(meta.run) && link.isOver(meta.run);
    const left = this.left.get(model.id);
    const plain = left === undefined && (this.plain.delete(model.id) || gone);
    const cell = cellById(this.link.panel, model.id);
    if (left && cell) setOutputs(cell, left);
    this.left.delete(model.id);
    // Without a count the kernel dropped it, as after an error before it.
    if (plain && meta && !meta.again && executionCount) describe(model, { ...meta, again: true });
    if (/\brlm/.test(model.sharedModel.getSource())) this.link.notice();
    this.wake();
  }

  private readonly view: Revealer;
  private memory = newMemory();
  /** Cells that are executed now though their run is over. */
  private readonly plain = new Set<string>();
  /** Questions that are executed now. */
  private readonly asking = new Set<string>();
  /** Cells of earlier runs that were queued behind one, and what they showed: it stays. */
  private readonly left = new Map<string, Output[]>();
  private kernel = '';
  private last = '';
  private busy = false;
  private saving = false;
  private unsaved = false;
  private again = false;
  private readonly mine = new Set<string>();
  private readonly executing = new Map<string, string>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly unshow = new Map<string, () => void>();
}
