/** Says of a run that went with its kernel that it is over, where its last word is that it waits. */

import { type Cell, CodeCell } from '@jupyterlab/cells';
import type { TranslationBundle } from '@jupyterlab/translation';
import { type PanelLayout, Widget } from '@lumino/widgets';
import { el } from './dom.js';
import type { Link } from './link.js';
import { isRunning, metaOf, openRuns } from './notebook.js';

/** The notices on the cells of one notebook that began such runs. */
export class Notices {
  constructor(
    private readonly link: Link,
    private readonly trans: TranslationBundle,
  ) {}

  /** Put them where they are due, take away those that aren't. */
  refresh(enabled: boolean): void {
    for (const cell of this.link.panel.content.widgets) {
      const due = enabled && this.isDue(cell);
      const notice = this.there.get(cell);
      if (!due && notice) {
        notice.dispose();
        this.there.delete(cell);
      } else if (due && !notice && cell.layout) {
        // Its display is drawn, or the cell isn't on the screen yet: then with its parts.
        void cell.ready.then(() => this.attach(cell));
      }
    }
  }

  private isDue(cell: Cell): boolean {
    if (!(cell instanceof CodeCell) || cell.model.isDisposed) return false;
    if (metaOf(cell.model) || isRunning(cell)) return false;
    const runs = openRuns(cell.model);
    const { link } = this;
    return runs.length > 0 && runs.every((run) => !link.store?.info(run) && link.isOver(run));
  }

  private attach(cell: Cell): void {
    if (cell.isDisposed || this.there.has(cell) || !this.isDue(cell)) return;
    const t = this.trans;
    const node = el('div', { role: 'note' });
    node.append(
      el('span', { 'aria-hidden': 'true', text: '■ ' }),
      t.__(
        'This run ended with the kernel; what is shown below is from before. %rlm resume in a cell says how to go on with it.',
      ),
    );
    const notice = new Widget({ node });
    notice.addClass('rlm-Notice');
    (cell.layout as PanelLayout).insertWidget(1, notice);
    this.there.set(cell, notice);
  }

  private readonly there = new Map<Cell, Widget>();
}
