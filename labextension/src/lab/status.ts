/** The status bar's item: phase, calls in flight, cost. */

import { Widget } from '@lumino/widgets';
import type { Desk } from './desk.js';
import { el, setText } from './dom.js';
import { budgetLine, standingOf } from './words.js';

/** Text of the current notebook's run; a click shows the panel. */
export class RunStatus extends Widget {
  constructor(private readonly desk: Desk) {
    super({ node: el('button', { type: 'button' }) });
    this.addClass('rlm-Status');
    this.node.title = desk.trans.__('Show the run');
    this.node.addEventListener('click', () => void desk.app.commands.execute('rlm:show-tree'));
    desk.changed.connect(this.draw, this);
    this.draw();
  }

  /** Whether there is a run to speak of. */
  get isActive(): boolean {
    return this.desk.runOf(this.desk.current) !== null;
  }

  private draw(): void {
    const { trans: t } = this.desk;
    const seat = this.desk.current;
    const info = this.desk.runOf(seat);
    if (!seat || !info) return setText(this.node, '');
    const parts = ['rlm', t.__(standingOf(info, seat.link).words)];
    if (info.in_flight > 0) {
      parts.push(t._n('%1 call in flight', '%1 calls in flight', info.in_flight));
    }
    const { text } = budgetLine(info, t);
    if (text) parts.push(text);
    setText(this.node, parts.join(' · '));
  }
}
