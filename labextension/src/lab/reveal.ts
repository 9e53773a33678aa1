/** Brings a proposal that waits for the person into view, and under their next key. */

import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { PendingInfo } from '../protocol.js';
import { within } from './dom.js';
import { cellOf } from './notebook.js';

const INPUT = ['keydown', 'pointerdown'];

/** Shows the proposals of one notebook, unless the person is writing something. */
export class Revealer {
  constructor(
    private readonly panel: NotebookPanel,
    private readonly pendingOf: (run: string) => PendingInfo | null,
  ) {
    for (const kind of INPUT) panel.content.node.addEventListener(kind, this.onInput, true);
  }

  /** Let go. */
  dispose(): void {
    this.isDisposed = true;
    for (const kind of INPUT) {
      this.panel.content.node.removeEventListener(kind, this.onInput, true);
    }
  }

  /** Bring a proposal into view. */
  async reveal(run: string, node: string): Promise<void> {
    const { panel } = this;
    const notebook = panel.content;
    if (!this.pendingOf(run)?.asks || !panel.isVisible) return;
    const writes = notebook.mode === 'edit' && !isEmpty(notebook.activeCell);
    const cell = cellOf(panel, run, node);
    if (writes || !cell) return;
    const { inputs } = this;
    this.choose(run, node);
    const index = notebook.widgets.indexOf(cell);
    // Where the page is slow JupyterLab's scrolling says now and then never that it is over.
    await within(200, notebook.scrollToItem(index, 'smart', 0));
    await within(100, cell.ready);
    // Its header and editor are drawn by now; all of it should be seen, not its first line. And an
    // editor that was made before may have taken the keyboard only now.
    for (const ms of [50, 250, 1000]) {
      setTimeout(() => {
        if (cell.isDisposed || this.isDisposed) return;
        if (inputs === this.inputs) this.choose(run, node);
        if (ms < 1000) cell.node.scrollIntoView({ block: 'nearest' });
      }, ms);
    }
  }

  /**
   * Make the proposal the active cell where Shift+Enter on the last one has made an empty one below:
   * the next press would run that. Who has pressed or clicked anything since is about to write there.
   */
  private choose(run: string, node: string): void {
    const notebook = this.panel.content;
    const pending = this.pendingOf(run);
    const cell = cellOf(this.panel, run, node);
    if (!this.advanced || pending?.cell !== node || !pending.asks || !cell) return;
    const index = notebook.widgets.indexOf(cell);
    const below = notebook.widgets[index + 1];
    if (below === undefined || notebook.activeCell !== below || !isEmpty(below)) return;
    notebook.activeCellIndex = index;
    notebook.mode = 'command';
  }

  private readonly onInput = (event: Event): void => {
    const isKey = event instanceof KeyboardEvent;
    if (isKey && event.key === 'Shift') return;
    this.inputs += 1;
    this.advanced = isKey && event.key === 'Enter' && event.shiftKey;
  };

  private isDisposed = false;
  /** What the person has pressed and clicked in the notebook so far. */
  private inputs = 0;
  /** Whether the last thing the person did in the notebook was Shift+Enter. */
  private advanced = false;
}

function isEmpty(cell: Cell | null): boolean {
  return cell !== null && cell.model.sharedModel.getSource().trim() === '';
}
