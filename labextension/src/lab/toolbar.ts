/** The items of a notebook's toolbar: the run's phase, mode, pause, take over, stop, budget. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Message } from '@lumino/messaging';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import type { Desk } from './desk.js';
import { button, el, setText, show } from './dom.js';
import { rlmIcon } from './icons.js';
import { budgetLine, phaseWord } from './words.js';

/** One group, so that it comes and goes as a whole; hidden where the kernel doesn't know us. */
export class RunToolbar extends Widget {
  constructor(
    private readonly desk: Desk,
    private readonly panel: NotebookPanel,
  ) {
    super({ node: el('div', { role: 'group' }) });
    const { trans: t, app } = desk;
    this.addClass('rlm-Toolbar');
    this.node.setAttribute('aria-label', t.__('Run'));
    const command = (id: string) => (): void => void app.commands.execute(id);
    this.phase = el('button', { type: 'button', class: 'rlm-Toolbar-phase' });
    this.phase.addEventListener('click', command('rlm:jump-to-pending'));
    this.tree = el('button', {
      type: 'button',
      class: 'rlm-Toolbar-icon',
      title: t.__('Show the runs of this notebook'),
      'aria-label': t.__('Show the runs of this notebook'),
    });
    rlmIcon.element({ container: this.tree, width: '16px', height: '16px' });
    this.tree.addEventListener('click', command('rlm:show-tree'));
    this.mode = el('select', {
      class: 'rlm-Toolbar-mode',
      'aria-label': t.__('How proposals are decided'),
      title: t.__('How proposals are decided'),
    });
    this.mode.addEventListener('change', () => {
      void app.commands.execute('rlm:set-mode', { mode: this.mode.value });
      this.mode.blur();
    });
    this.pause = button(t.__('Pause'), t.__('Pause at the next boundary'), command('rlm:pause'));
    this.resume = button(
      t.__('Resume'),
      t.__('Go on with the same proposal'),
      command('rlm:resume'),
    );
    this.take = button(
      t.__('Take over'),
      t.__('Write the next cells yourself'),
      command('rlm:take-over'),
    );
    this.back = button(
      t.__('Hand back…'),
      t.__('Let the model go on, with a note'),
      command('rlm:hand-back'),
      'rlm-mod-accept',
    );
    this.stop = button(t.__('Stop'), t.__('End the run now'), command('rlm:stop'), 'rlm-mod-quiet');
    this.meter = el('button', { type: 'button', class: 'rlm-Meter' }, this.fill, this.amount);
    this.meter.addEventListener('click', command('rlm:set-budget'));
    this.node.append(this.tree, this.phase, this.mode, this.pause, this.resume, this.take);
    this.node.append(this.back, this.stop, this.meter);
    this.hide();
    desk.changed.connect(this.draw, this);
    this.draw();
  }

  protected onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this.draw();
  }

  private draw(): void {
    if (this.isDisposed) return;
    const { trans: t } = this.desk;
    const seat = this.desk.seats.get(this.panel) ?? null;
    const on = seat !== null && (seat.link.state === 'open' || seat.link.state === 'lost');
    const info = this.desk.runOf(seat);
    const live = info !== null && !info.ended;
    show(this.phase, info !== null);
    show(this.mode, live);
    show(this.meter, info !== null);
    show(this.pause, live && info.phase !== 'paused' && info.phase !== 'taken over');
    show(this.resume, live && info.phase === 'paused');
    show(this.take, live && info.phase !== 'taken over');
    show(this.back, live && info.phase === 'taken over');
    show(this.stop, live);
    if (info) {
      const word = phaseWord(info, t);
      setText(this.phase, word);
      this.phase.dataset['phase'] = info.pending?.asks || info.asking ? 'asks' : info.phase;
      this.phase.title = info.reason || t.__('Run %1: %2', info.name, info.question);
      if (live) this.drawMode(info.mode);
      const { text, part } = budgetLine(info, t);
      setText(this.amount, text);
      this.fill.style.width = `${Math.round((part ?? 0) * 100)}%`;
      this.meter.dataset['level'] = part !== null && part > 0.85 ? 'high' : '';
      const said = part === null ? '' : t.__(', %1 % of the budget', Math.round(part * 100));
      this.meter.setAttribute('aria-label', t.__('Used: %1%2', text, said));
      this.meter.title = t.__('Used: %1%2. Click to change the budget.', text, said);
    }
    this.setHidden(!on);
    const shape = [on, ...[...this.node.children].map((one) => (one as HTMLElement).hidden)].join();
    if (shape !== this.shape) {
      this.shape = shape;
      // The toolbar moves what doesn't fit into a pop-up by widths that it measured before.
      if (this.parent) MessageLoop.postMessage(this.parent, Widget.ResizeMessage.UnknownSize);
    }
  }

  private drawMode(mode: string): void {
    const { trans: t } = this.desk;
    const modes = ['step', 'auto', ...(mode === 'step' || mode === 'auto' ? [] : [mode]), '…'];
    if (modes.join('\n') !== this.modes) {
      this.modes = modes.join('\n');
      const words: Record<string, string> = {
        step: t.__('Step: each waits'),
        auto: t.__('Auto: runs all'),
        '…': t.__('Ask when…'),
      };
      this.mode.replaceChildren(
        ...modes.map((value) => el('option', { value, text: words[value] ?? value })),
      );
    }
    if (this.mode.value !== mode && document.activeElement !== this.mode) this.mode.value = mode;
  }

  private shape = '';
  private modes = '';
  private readonly phase: HTMLButtonElement;
  private readonly tree: HTMLButtonElement;
  private readonly mode: HTMLSelectElement;
  private readonly pause: HTMLButtonElement;
  private readonly resume: HTMLButtonElement;
  private readonly take: HTMLButtonElement;
  private readonly back: HTMLButtonElement;
  private readonly stop: HTMLButtonElement;
  private readonly meter: HTMLButtonElement;
  private readonly fill = el('span', { class: 'rlm-Meter-fill', 'aria-hidden': 'true' });
  private readonly amount = el('span', { class: 'rlm-Meter-text' });
}
