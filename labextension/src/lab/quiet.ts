/** Running a cell without taking the person away from where they are. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { CodeCell } from '@jupyterlab/cells';
import { type Notebook, NotebookActions } from '@jupyterlab/notebook';
import type { ITranslator } from '@jupyterlab/translation';

/**
 * Run a cell by the ordinary path, but leave mode, focus and scroll position as they are.
 *
 * `runCells` puts the notebook into command mode and scrolls to its active cell: right where a
 * person pressed Run, wrong where a model's cell starts while they write somewhere else. Going
 * around it isn't possible (servers that execute in our place replace what is behind it), so the
 * three things it does to the notebook do nothing for the moment that it takes to start.
 */
export async function runQuietly(
  notebook: Notebook,
  cell: CodeCell,
  context: ISessionContext,
  translator?: ITranslator,
): Promise<boolean> {
  const mode = notebook.mode;
  Object.defineProperties(notebook, {
    mode: { configurable: true, get: () => mode, set: () => undefined },
    scrollToItem: { configurable: true, value: () => Promise.resolve() },
    activate: { configurable: true, value: () => undefined },
  });
  let done: Promise<boolean>;
  try {
    done = NotebookActions.runCells(notebook, [cell], context, undefined, translator);
    // It looks for the focus once its (replaced) scrolling is over, a few microtasks from here.
    await new Promise((resolve) => setTimeout(resolve, 0));
  } finally {
    for (const name of ['mode', 'scrollToItem', 'activate']) Reflect.deleteProperty(notebook, name);
  }
  return done;
}
