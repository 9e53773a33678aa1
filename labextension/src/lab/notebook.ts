/** A notebook as the reconciler sees it, and what it does to it. */

import { type Cell, CodeCell, type ICellModel, type ICodeCellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { CellMeta, NotebookCell, OpenDisplay } from '../core/reconcile.js';
import type { Output } from '../core/outputs.js';
import type { ShownReply } from '../protocol.js';

/** The name of our cell metadata. */
export const META = 'rlm';

/** Give a cell's `metadata.rlm` where it is one of ours. */
export function metaOf(model: ICellModel): CellMeta | null {
  const meta: unknown = model.getMetadata(META);
  if (typeof meta !== 'object' || meta === null) return null;
  const { run, cell } = meta as { run?: unknown; cell?: unknown };
  return typeof run === 'string' && typeof cell === 'string' ? (meta as CellMeta) : null;
}

/** Give the notebook's cells as they are now. */
export function readCells(panel: NotebookPanel): NotebookCell[] {
  const notebook = panel.content;
  const editing = notebook.mode === 'edit' ? notebook.activeCell : null;
  return notebook.widgets.map((widget) => {
    const { model } = widget;
    const outputs = model.type === 'code' ? (model as ICodeCellModel).outputs : null;
    return {
      id: model.id,
      source: model.sharedModel.getSource(),
      meta: metaOf(model),
      editing: widget === editing,
      running: isRunning(widget),
      outputs: outputs?.length ?? 0,
      text: outputs ? streams(outputs) : null,
      open: outputs ? openDisplays(outputs) : [],
    };
  });
}

/** Whether this page waits for a cell's execution. */
export function isRunning(widget: Cell): boolean {
  if (!(widget instanceof CodeCell)) return false;
  const { executionState } = widget.model.sharedModel;
  // JupyterLab before 4.3 has no such state, but the same prompt.
  if (executionState === undefined) return widget.promptNode?.textContent?.includes('*') ?? false;
  return executionState === 'running';
}

function streams(outputs: ICodeCellModel['outputs']): string | null {
  const texts: string[] = [];
  for (let at = 0; at < outputs.length; at += 1) {
    const output = outputs.get(at);
    if (output.type !== 'stream') return null;
    const { text } = output.toJSON() as { text?: string | string[] };
    texts.push(Array.isArray(text) ? text.join('') : (text ?? ''));
  }
  return texts.join('');
}

/** The displays of runs among a cell's outputs that don't tell of their end. */
function openDisplays(outputs: ICodeCellModel['outputs']): OpenDisplay[] {
  const found: OpenDisplay[] = [];
  for (let at = 0; at < outputs.length; at += 1) {
    const shown: unknown = outputs.get(at).metadata[META];
    if (typeof shown !== 'object' || shown === null) continue;
    const { run, final } = shown as { run?: unknown; final?: unknown };
    if (typeof run === 'string' && final === false) found.push({ at, run });
  }
  return found;
}

/** The runs of which a cell's displays don't tell the end. */
export function openRuns(model: ICodeCellModel): string[] {
  return openDisplays(model.outputs).map((display) => display.run);
}

/** Put what a run shows now in the place of its displays in a cell; other outputs stay. */
export function setDisplay(cell: CodeCell, run: string, shown: ShownReply): void {
  const { outputs } = cell.model;
  for (const display of openDisplays(outputs)) {
    if (display.run !== run) continue;
    const { data, metadata } = shown;
    outputs.set(display.at, { output_type: 'display_data', data, metadata } as IOutput);
  }
}

/** Find a code cell by its id. */
export function cellById(panel: NotebookPanel, id: string): CodeCell | null {
  const found = panel.content.widgets.find((widget) => widget.model.id === id);
  return found instanceof CodeCell ? found : null;
}

/** Find the cell of a run's proposal. */
export function cellOf(panel: NotebookPanel, run: string, cell: string): CodeCell | null {
  const found = panel.content.widgets.find((widget) => {
    const meta = metaOf(widget.model);
    return meta?.run === run && meta.cell === cell;
  });
  return found instanceof CodeCell ? found : null;
}

/** Insert a code cell; whatever the person does goes on undisturbed. */
export function insertCell(
  panel: NotebookPanel,
  index: number,
  source: string,
  meta: CellMeta,
): void {
  const notebook = panel.content;
  const active = notebook.activeCell;
  const { viewport, anchor, top } = eye(panel);
  const shared = panel.model?.sharedModel;
  // nbclient, and what is built on it, asks the question anew and leaves what the old run made.
  const metadata = { [META]: { ...meta }, tags: ['skip-execution'] };
  // Not by the person's hand, so not for their undo either.
  shared?.transact(() => {
    shared.insertCell(index, { cell_type: 'code', source, metadata });
  }, false);
  // The active cell is kept by its index: above it there is one more now.
  if (active && notebook.activeCell !== active) {
    const at = notebook.widgets.indexOf(active);
    if (at >= 0) notebook.activeCellIndex = at;
  }
  if (viewport && anchor) {
    requestAnimationFrame(() => {
      const moved = anchor.getBoundingClientRect().top - top;
      if (anchor.isConnected && Math.abs(moved) > 1) viewport.scrollTop += moved;
    });
  }
}

/** Where a person who writes looks at: it is to stay where it is on the screen. */
function eye(panel: NotebookPanel): {
  viewport: Element | null;
  anchor: Element | null;
  top: number;
} {
  const focus = document.activeElement;
  const viewport =
    panel.content.node.querySelector('.jp-WindowedPanel-outer') ?? panel.content.node;
  const anchor = panel.content.node.contains(focus) ? (focus?.closest('.jp-Cell') ?? null) : null;
  return { viewport, anchor, top: anchor?.getBoundingClientRect().top ?? 0 };
}

/** Put a cell's metadata in its place. */
export function describe(model: ICellModel, meta: CellMeta): void {
  model.sharedModel.transact(() => model.setMetadata(META, { ...meta }), false);
}

/** Give a cell's outputs as they are now. */
export function outputsIn(cell: CodeCell): Output[] {
  return cell.model.sharedModel.getOutputs() as unknown as Output[];
}

/** Show outputs in place of those that a cell has. */
export function setOutputs(cell: CodeCell, outputs: Output[]): void {
  cell.model.sharedModel.setOutputs(outputs as unknown as IOutput[]);
}

/** Take cells out, as one undo of the person's can take back. */
export function removeCells(panel: NotebookPanel, ids: string[]): void {
  const shared = panel.model?.sharedModel;
  const { widgets } = panel.content;
  const there = widgets.filter((widget) => ids.includes(widget.model.id));
  if (!shared || there.length === 0) return;
  const keyboard = there.some((widget) => widget.node.contains(document.activeElement));
  shared.transact(() => {
    if (there.length === shared.cells.length) shared.addCell({ cell_type: 'code' });
    for (let at = shared.cells.length - 1; at >= 0; at -= 1) {
      if (ids.includes(shared.cells[at]?.id ?? '')) shared.deleteCell(at);
    }
  });
  if (keyboard) panel.content.activate();
}
