/** Keeps what a model's cells show untrusted: JupyterLab then runs nothing of it. */

import type { CodeCellModel, ICellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { metaOf } from './notebook.js';

/**
 * Keep the cells of runs in a notebook untrusted.
 *
 * JupyterLab trusts a cell from the moment it is executed, since a person is taken to have written
 * it. What a model wrote is no such cell, whoever pressed the key.
 */
export function distrust(panel: NotebookPanel): void {
  const seen = new WeakSet<ICellModel>();
  const look = (): void => {
    for (const cell of panel.content.model?.cells ?? []) {
      if (cell.type === 'code' && !seen.has(cell) && metaOf(cell)) {
        seen.add(cell);
        keepUntrusted(cell as CodeCellModel);
      }
    }
  };
  const watch = (): void => {
    panel.content.model?.cells.changed.connect(look);
    look();
  };
  panel.content.modelChanged.connect(watch);
  panel.content.modelContentChanged.connect(look);
  watch();
}

function keepUntrusted(model: CodeCellModel): void {
  const shut = (): void => {
    if (model.trusted && metaOf(model)) {
      model.trusted = false;
      model.sharedModel.deleteMetadata('trusted');
    }
  };
  model.stateChanged.connect((_, change) => {
    if (change.name === 'trusted') shut();
  });
  shut();
}
