/** Puts a header on each cell of a run in a notebook, and keeps it true. */

import { type Cell, CodeCell } from '@jupyterlab/cells';
import { NotebookActions } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import type { PanelLayout } from '@lumino/widgets';
import { factOf } from '../core/facts.js';
import { described } from '../core/described.js';
import { type CellMeta } from '../core/reconcile.js';
import { isUntouched } from '../core/transcript.js';
import type { Command, RunInfo } from '../protocol.js';
import { CellHeader, type HeaderActs, type HeaderView } from './header.js';
import { throttled } from './dom.js';
import type { Link } from './link.js';
import { isRunning, metaOf, removeCells } from './notebook.js';
import { Notices } from './notices.js';
import type { Placer } from './placer.js';
import { distrust } from './trust.js';

/** Ms between two drawings. */
const OFTEN = 60;

/** What headers need from the rest of the page. */
export interface HeaderHost {
  trans: TranslationBundle;
  /** Show a node in the side panel. */
  showTree(link: Link, run: string, node: string): void;
  /** Send a command and tell the person where it isn't taken. */
  steer(link: Link, run: string, command: Command): void;
  /** Ask first, where the person wants to be asked. */
  stop(link: Link, run: string): void;
  enabled(): boolean;
}

/** The headers of one notebook. */
export class Headers {
  constructor(
    private readonly link: Link,
    private readonly placer: Placer,
    private readonly host: HeaderHost,
  ) {
    this.notices = new Notices(link, host.trans);
    distrust(link.panel);
    const { content } = link.panel;
    const soon = (): void => this.soon();
    link.changed.connect(soon);
    content.modelContentChanged.connect(soon);
    content.stateChanged.connect(soon);
    NotebookActions.executionScheduled.connect(this.soon, this);
    NotebookActions.executed.connect(this.soon, this);
    this.tick = setInterval(() => {
      if (this.running) this.soon();
    }, 1000);
    link.panel.disposed.connect(() => {
      clearInterval(this.tick);
      Signal.clearData(this);
    });
    this.soon();
  }

  /** Draw again soon. */
  readonly soon = throttled(() => {
    if (!this.link.isDisposed) this.draw();
  }, OFTEN);

  /** The header of a cell, where it has one. */
  of(cell: Cell): CellHeader | undefined {
    return this.headers.get(cell);
  }

  private draw(): void {
    if (this.link.isDisposed) return;
    this.running = false;
    this.lastOf.clear();
    this.firstOf.clear();
    this.againOf.clear();
    for (const cell of this.link.panel.content.widgets) {
      const meta = metaOf(cell.model);
      if (!meta) continue;
      this.lastOf.set(meta.run, cell);
      if (!this.firstOf.has(meta.run)) this.firstOf.set(meta.run, cell);
      if (meta.again) this.againOf.add(meta.run);
    }
    this.notices.refresh(this.host.enabled());
    for (const cell of this.headers.keys()) if (cell.isDisposed) this.headers.delete(cell);
    for (const cell of this.link.panel.content.widgets) {
      const meta = this.host.enabled() ? metaOf(cell.model) : null;
      const header = this.headers.get(cell);
      if (!meta || !(cell instanceof CodeCell)) {
        if (header) {
          header.dispose();
          this.headers.delete(cell);
          cell.removeClass('rlm-Cell');
        }
        continue;
      }
      if (header) header.refresh(this.view(cell, meta));
      else this.attach(cell);
    }
  }

  /** A cell that wasn't on the screen yet has no parts; its header comes with them. */
  private attach(cell: CodeCell): void {
    if (this.waiting.has(cell)) return;
    this.waiting.add(cell);
    void cell.ready.then(() => {
      this.waiting.delete(cell);
      const meta = cell.isDisposed ? null : metaOf(cell.model);
      if (!meta || this.headers.has(cell)) return;
      const header = new CellHeader(this.acts(cell), this.host.trans);
      header.refresh(this.view(cell, meta));
      cell.addClass('rlm-Cell');
      (cell.layout as PanelLayout).insertWidget(1, header);
      this.headers.set(cell, header);
    });
  }

  private view(cell: CodeCell, meta: CellMeta): HeaderView {
    const { store } = this.link;
    const info = store?.info(meta.run) ?? null;
    const node = info ? store?.tree(meta.run)?.get(meta.cell) : undefined;
    const tree = info ? store?.tree(meta.run) : undefined;
    const source = cell.model.sharedModel.getSource();
    const view: HeaderView = {
      meta,
      info,
      status: meta.status ?? 'proposed',
      source,
      proposed: meta.proposed ?? null,
      last: this.lastOf.get(meta.run) === cell,
      old: this.link.isOver(meta.run) && (info === null || this.isFollowed(info)),
      removable: 0,
      since: null,
    };
    if (info && node && tree) {
      const facts = factOf(tree, info, node);
      const told = described(info, facts, source);
      view.meta = { ...told, turn: told.turn || meta.turn, again: meta.again };
      view.status = told.status ?? view.status;
      view.proposed = facts.code;
      view.since = view.status === 'running' ? node.started : null;
    }
    const pending = info && !info.ended && info.pending?.cell === meta.cell ? info.pending : null;
    if (pending) {
      view.proposed = pending.code;
      if (pending.executing) view.status = 'running';
      else if (info?.phase === 'taken over') view.status = 'set aside';
      else view.status = pending.asks ? 'proposed' : 'waiting';
    } else if (view.status === 'proposed' || view.status === 'waiting') {
      view.status = 'not run';
    }
    if (view.status === 'running' && info && !info.ended) {
      this.running = true;
      if (info.asking?.cell === meta.cell) view.status = 'asking';
    }
    // A transcript of which this kernel knows nothing: what the metadata says, and the outputs.
    const lost =
      view.status === 'running' || (view.status === 'not run' && cell.model.outputs.length);
    if (!info && lost) view.status = 'interrupted';
    if (meta.again) view.old = true;
    // Executed now that its run is over, it is a cell like any other.
    if ((!info || info.ended) && this.link.isOver(meta.run) && isRunning(cell)) {
      view.old = true;
      view.status = 'running';
      view.meta = { ...view.meta, again: true };
    }
    if (view.old && this.firstOf.get(meta.run) === cell) {
      view.removable = this.untouched(meta.run).length;
    }
    return view;
  }

  /** Whether a run's cells aren't the newest: another began in the same cell, or they ran again. */
  private isFollowed(info: RunInfo): boolean {
    if (this.againOf.has(info.run)) return true;
    const runs = this.link.store?.runs ?? [];
    const later = runs.slice(runs.findIndex((one) => one.run === info.run) + 1);
    return info.anchor !== '' && later.some((one) => one.anchor === info.anchor);
  }

  /** The cells of a run that are as it left them. */
  private untouched(run: string): string[] {
    return this.link.panel.content.widgets.flatMap((cell) => {
      const meta = metaOf(cell.model);
      const its = meta?.run === run && !isRunning(cell);
      return its && isUntouched(meta, cell.model.sharedModel.getSource()) ? [cell.model.id] : [];
    });
  }

  private acts(cell: CodeCell): HeaderActs {
    const { link, host, placer } = this;
    const meta = (): CellMeta | null => metaOf(cell.model);
    const info = (): RunInfo | null => {
      const run = meta()?.run;
      return run ? (link.store?.info(run) ?? null) : null;
    };
    const steer = (command: Command): void => {
      const found = info();
      if (found) host.steer(link, found.run, command);
    };
    const proposal = (): string => {
      const found = info();
      if (found?.asking?.cell === meta()?.cell) return found?.asking?.ask ?? '';
      return found?.pending?.cell ?? '';
    };
    // The line that was typed into goes away, and with it the keyboard's place in the notebook.
    const said = (command: Command): void => {
      steer(command);
      link.panel.content.activate();
    };
    return {
      run: () => {
        const found = info();
        if (found) void placer.approve(found);
      },
      allow: () => steer({ type: 'approve', proposal: proposal() }),
      reject: (reason) => said({ type: 'reject', proposal: proposal(), reason }),
      respond: (text) => said({ type: 'respond', proposal: proposal(), text }),
      takeOver: () => steer({ type: 'take over' }),
      handBack: (note) => said({ type: 'hand back', note }),
      auto: () => steer({ type: 'mode', mode: 'auto' }),
      resume: () => steer({ type: 'resume' }),
      interrupt: () => steer({ type: 'interrupt' }),
      stop: () => {
        const found = info();
        if (found) host.stop(link, found.run);
      },
      restore: () => {
        const code = info()?.pending?.code;
        if (code !== undefined) cell.model.sharedModel.setSource(code);
      },
      remove: () => {
        const run = meta()?.run;
        if (run && link.isOver(run)) removeCells(link.panel, this.untouched(run));
      },
      leave: () => {
        const { content } = link.panel;
        content.mode = 'command';
        content.node.focus({ preventScroll: true });
      },
      showTree: () => {
        const found = meta();
        if (found) host.showTree(link, found.run, found.cell);
      },
    };
  }

  private readonly notices: Notices;
  private readonly againOf = new Set<string>();
  private readonly firstOf = new Map<string, Cell>();
  private readonly lastOf = new Map<string, Cell>();
  private running = false;
  private readonly tick: ReturnType<typeof setInterval>;
  private readonly headers = new Map<Cell, CellHeader>();
  private readonly waiting = new WeakSet<Cell>();
}
