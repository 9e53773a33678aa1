/** All notebooks of the page with their links, and which run is meant by a command. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { UUID } from '@lumino/coreutils';
import { type ISignal, Signal } from '@lumino/signaling';
import type { Command, RunInfo } from '../protocol.js';
import { within } from './dom.js';
import { Headers } from './headers.js';
import { Link } from './link.js';
import { cellById, cellOf } from './notebook.js';
import { Placer } from './placer.js';
import type { Settings } from './settings.js';

/** A notebook and what we hold of it. */
export interface Seat {
  panel: NotebookPanel;
  link: Link;
  placer: Placer;
  headers: Headers;
}

/** Everything about the page's notebooks that panel, toolbar, commands and status bar share. */
export class Desk {
  constructor(
    readonly app: JupyterFrontEnd,
    readonly tracker: INotebookTracker,
    readonly settings: Settings,
    readonly trans: TranslationBundle,
    private readonly translator: ITranslator,
  ) {
    tracker.widgetAdded.connect((_, panel) => this.add(panel));
    tracker.forEach((panel) => this.add(panel));
    tracker.currentChanged.connect(() => this.emit());
    settings.changed.connect(() => {
      this.seats.forEach((seat) => seat.headers.soon());
      this.emit();
    });
  }

  /** Names this page in leases and decisions; a page that is loaded again is another client. */
  readonly client = `lab-${UUID.uuid4().slice(0, 8)}`;

  readonly seats = new Map<NotebookPanel, Seat>();

  /** Shows a node in the tree; the panel sets it. */
  showNode: (seat: Seat, run: string, node: string) => void = () => undefined;

  /** The current notebook, or anything known of its runs, has changed. */
  get changed(): ISignal<this, void> {
    return this.signal;
  }

  /** A run of a notebook was seen for the first time while it was going on. */
  get started(): ISignal<this, { seat: Seat; info: RunInfo }> {
    return this.startedSignal;
  }

  /** The current notebook. */
  get current(): Seat | null {
    const panel = this.tracker.currentWidget;
    return panel ? (this.seats.get(panel) ?? null) : null;
  }

  /** The run that a command means: the one that goes on in a notebook, else its last. */
  runOf(seat: Seat | null): RunInfo | null {
    if (!seat?.link.store) return null;
    const here = seat.placer.runs;
    const runs = here.length
      ? here
      : seat.link.store.runs.filter((i) => i.phase !== 'session' && !i.recorded);
    const open = runs.filter((info) => !info.ended);
    const wants = open.find((info) => info.asking ?? info.pending?.asks);
    return wants ?? open[open.length - 1] ?? runs[runs.length - 1] ?? null;
  }

  /** The run that the tree shows of a notebook. */
  shownOf(seat: Seat | null): RunInfo | null {
    const store = seat?.link.store;
    const run = store?.selected ?? null;
    return run === null ? null : (store?.info(run) ?? null);
  }

  /** Send a command, and say where it isn't taken. */
  async steer(seat: Seat, run: string, command: Command): Promise<boolean> {
    const reply = await seat.link.store?.steer(run, command);
    if (reply?.ok) return true;
    Notification.warning(
      reply?.message || this.trans.__('The kernel can’t be reached; nothing was changed.'),
      { autoClose: 6000 },
    );
    return false;
  }

  /** End a run, asking first where the person wants that. */
  async stop(seat: Seat, run: string): Promise<void> {
    const t = this.trans;
    if (this.settings.values.confirmStop) {
      const never = t.__('Don’t ask again');
      const result = await showDialog({
        title: t.__('Stop the run?'),
        body: t.__(
          'The running cell is interrupted and calls in flight are cancelled. Variables and everything paid for are kept; the run can’t be resumed.',
        ),
        buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: t.__('Stop') })],
        checkbox: { label: never, caption: never, checked: false },
      });
      if (!result.button.accept) return;
      if (result.isChecked) this.settings.set('confirmStop', false);
    }
    await this.steer(seat, run, { type: 'stop' });
  }

  /** Bring the notebook cell of a node on the screen; false where there is none. */
  jump(seat: Seat, run: string, node: string): boolean {
    const tree = seat.link.store?.tree(run);
    const found = tree?.get(node);
    const near = found && tree ? tree.nearest(found, 'cell') : undefined;
    // A child's node: the cell whose code started the child is what is in the notebook.
    const cells = [near, ...(near && tree ? tree.above(near) : [])];
    const ids = found ? cells.flatMap((one) => (one?.kind === 'cell' ? [one.id] : [])) : [node];
    const places = cells.flatMap((one) => (one?.place ? [one.place] : []));
    const anchor = seat.link.store?.info(run)?.anchor ?? '';
    const meant =
      ids.map((id) => cellOf(seat.panel, run, id)).find(Boolean) ??
      places.map((id) => cellById(seat.panel, id)).find(Boolean);
    const cell = meant ?? cellById(seat.panel, anchor);
    if (!cell) return false;
    if (!meant && ids.length > 0) this.sayRemoved(true);
    this.app.shell.activateById(seat.panel.id);
    const notebook = seat.panel.content;
    const index = notebook.widgets.indexOf(cell);
    notebook.activeCellIndex = index;
    void within(200, notebook.scrollToItem(index, 'smart', 0)).then(() => {
      cell.addClass('rlm-mod-flash');
      setTimeout(() => cell.isDisposed || cell.removeClass('rlm-mod-flash'), 1600);
    });
    return true;
  }

  /** Say that the cell someone wants to see isn't there, and what is shown in its place. */
  sayRemoved(anchor = false): void {
    const t = this.trans;
    const said = anchor
      ? t.__(
          'That cell was removed from the notebook; this is the one that began its run. Its code is in the tree.',
        )
      : t.__('That cell was removed from the notebook; its code is in the tree.');
    Notification.info(said, { autoClose: 6000 });
  }

  private add(panel: NotebookPanel): void {
    if (this.seats.has(panel)) return;
    const link = new Link(panel, this.client);
    const placer = new Placer(link, this.translator, () => this.first(panel));
    const headers: Headers = new Headers(link, placer, {
      trans: this.trans,
      showTree: (_, run, node) => this.showNode(seat, run, node),
      steer: (_, run, command) => void this.steer(seat, run, command),
      stop: (_, run) => void this.stop(seat, run),
      enabled: () => this.settings.values.showHeaders,
    });
    const seat: Seat = { panel, link, placer, headers };
    this.seats.set(panel, seat);
    link.changed.connect(() => {
      this.announce(seat);
      this.emit();
    });
    panel.disposed.connect(() => {
      this.seats.delete(panel);
      this.emit();
    });
    this.emit();
  }

  /** Of several views of one document the first acts; the others show what it does. */
  private first(panel: NotebookPanel): boolean {
    const views = [...this.seats.keys()].filter((one) => one.context === panel.context);
    return views[0] === panel || views.length === 0;
  }

  private announce(seat: Seat): void {
    for (const info of seat.placer.runs) {
      if (info.ended || this.known.has(info.run)) continue;
      this.known.add(info.run);
      this.startedSignal.emit({ seat, info });
    }
  }

  /** At most once a frame: runs change many times a second. */
  private emit(): void {
    if (this.emitting) return;
    this.emitting = true;
    requestAnimationFrame(() => {
      this.emitting = false;
      this.signal.emit();
    });
  }

  private emitting = false;
  private readonly known = new Set<string>();
  private readonly signal = new Signal<this, void>(this);
  private readonly startedSignal = new Signal<this, { seat: Seat; info: RunInfo }>(this);
}
