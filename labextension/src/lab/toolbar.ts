/** The items of a notebook's toolbar: the run's phase, its mode, what to do with it, its budget. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { LabIcon } from '@jupyterlab/ui-components';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { shortage, shortageText } from '../core/budget.js';
import type { RunInfo } from '../protocol.js';
import type { Desk } from './desk.js';
import { el, setText, show } from './dom.js';
import { backIcon, pauseIcon, resumeIcon, rlmIcon, stopIcon, takeIcon } from './icons.js';
import type { Link } from './link.js';
import { budgetLine, standingOf } from './words.js';

/**
 * An item that is there while there is something for it to show.
 *
 * JupyterLab measures an item once, to know what fits; so the items keep their widths, whatever
 * they say.
 */
abstract class Item extends Widget {
  constructor(
    protected readonly desk: Desk,
    private readonly panel: NotebookPanel,
    label: string,
  ) {
    super({ node: el('div', { role: 'group', 'aria-label': label }) });
    this.addClass('rlm-Toolbar');
    this.hide();
    desk.changed.connect(this.draw, this);
  }

  /** Show what is so now; false hides the item. */
  protected abstract shows(info: RunInfo | null, link: Link | null): boolean;

  protected draw(): void {
    if (this.isDisposed) return;
    const seat = this.desk.seats.get(this.panel) ?? null;
    const on = seat !== null && (seat.link.state === 'open' || seat.link.state === 'lost');
    const shown = this.shows(on ? this.desk.runOf(seat) : null, seat?.link ?? null) && on;
    if (shown === !this.isHidden) return;
    this.setHidden(!shown);
    const bar = this.panel.toolbar;
    MessageLoop.postMessage(
      bar,
      new Widget.ResizeMessage(bar.node.clientWidth, bar.node.clientHeight),
    );
  }

  protected does(command: string): () => void {
    return () => void this.desk.app.commands.execute(command);
  }

  protected iconButton(icon: LabIcon, label: string, command: string): HTMLButtonElement {
    const node = el('button', {
      type: 'button',
      class: 'rlm-Toolbar-icon',
      title: label,
      'aria-label': label,
      onclick: this.does(command),
    });
    icon.element({ container: node, width: '16px', height: '16px' });
    return node;
  }
}

/** The way to the tree, and the phase; pressing that goes to the cell that waits. */
class PhaseItem extends Item {
  constructor(desk: Desk, panel: NotebookPanel) {
    super(desk, panel, desk.trans.__('Run'));
    const label = desk.trans.__('Show the runs of this notebook');
    this.phase.addEventListener('click', this.does('rlm:jump-to-pending'));
    this.node.append(this.iconButton(rlmIcon, label, 'rlm:show-tree'), this.phase);
    this.draw();
  }

  protected shows(info: RunInfo | null, link: Link | null): boolean {
    const { trans: t } = this.desk;
    show(this.phase, info !== null);
    if (info && link) {
      const stands = standingOf(info, link);
      setText(this.phase, t.__(stands.words));
      this.phase.dataset['phase'] =
        stands.waits && stands.status !== 'paused' ? 'asks' : info.phase;
      this.phase.title = info.reason || t.__('Run %1: %2', info.name, info.question);
    }
    return true;
  }

  private readonly phase = el('button', { type: 'button', class: 'rlm-Toolbar-phase' });
}

/** Pause and resume, take over and hand back, stop. */
class ControlItem extends Item {
  constructor(desk: Desk, panel: NotebookPanel) {
    const t = desk.trans;
    super(desk, panel, t.__('Steer the run'));
    this.pause = this.iconButton(pauseIcon, t.__('Pause the run'), 'rlm:pause');
    this.resume = this.iconButton(resumeIcon, t.__('Resume the run'), 'rlm:resume');
    this.take = this.iconButton(
      takeIcon,
      t.__('Take over: write the next cells yourself'),
      'rlm:take-over',
    );
    this.back = this.iconButton(backIcon, t.__('Hand back to the model…'), 'rlm:hand-back');
    this.stop = this.iconButton(stopIcon, t.__('Stop the run'), 'rlm:stop');
    this.back.classList.add('rlm-mod-accept');
    this.resume.classList.add('rlm-mod-accept');
    this.node.append(this.pause, this.resume, this.take, this.back, this.stop);
    this.draw();
  }

  protected shows(info: RunInfo | null): boolean {
    if (!info || info.ended) return false;
    const focus = this.node.contains(document.activeElement);
    show(this.pause, info.phase !== 'paused');
    show(this.resume, info.phase === 'paused');
    this.pause.disabled = info.phase === 'taken over';
    show(this.take, info.phase !== 'taken over');
    show(this.back, info.phase === 'taken over');
    // The focus goes from a button that went to the one that came in its place.
    const active = document.activeElement;
    if (focus && active instanceof HTMLElement && active.hidden) {
      const pairs = [
        [this.pause, this.resume],
        [this.take, this.back],
      ];
      pairs
        .find((two) => two.some((one) => one === active))
        ?.find((one) => !one.hidden)
        ?.focus();
    }
    return true;
  }

  private readonly pause: HTMLButtonElement;
  private readonly resume: HTMLButtonElement;
  private readonly take: HTMLButtonElement;
  private readonly back: HTMLButtonElement;
  private readonly stop: HTMLButtonElement;
}

/** How proposals are decided. */
class ModeItem extends Item {
  constructor(desk: Desk, panel: NotebookPanel) {
    const label = desk.trans.__('How proposals are decided');
    super(desk, panel, label);
    this.select = el('select', { class: 'rlm-Toolbar-mode', 'aria-label': label, title: label });
    this.select.addEventListener('change', () => {
      void desk.app.commands.execute('rlm:set-mode', { mode: this.select.value });
      this.modes = '';
      this.select.blur();
    });
    this.node.append(this.select);
    this.draw();
  }

  protected shows(info: RunInfo | null): boolean {
    if (!info || info.ended) return false;
    const { trans: t } = this.desk;
    const { mode } = info;
    const modes = ['step', 'auto', ...(mode === 'step' || mode === 'auto' ? [] : [mode]), '…'];
    this.select.title = `${t.__('How proposals are decided')}: ${mode}`;
    if (document.activeElement === this.select) return true;
    if (modes.join('\n') !== this.modes) {
      this.modes = modes.join('\n');
      const words: Record<string, string> = {
        step: t.__('Step'),
        auto: t.__('Auto'),
        '…': t.__('Ask when…'),
      };
      this.select.replaceChildren(
        ...modes.map((value) => el('option', { value, text: words[value] ?? value })),
      );
    }
    if (this.select.value !== mode) this.select.value = mode;
    return true;
  }

  private modes = '';
  private readonly select: HTMLSelectElement;
}

/** The budget as a meter; pressing it changes the budget. */
class BudgetItem extends Item {
  constructor(desk: Desk, panel: NotebookPanel) {
    super(desk, panel, desk.trans.__('Budget of the run'));
    this.meter.addEventListener('click', this.does('rlm:set-budget'));
    this.node.append(this.meter);
    this.draw();
  }

  protected shows(info: RunInfo | null): boolean {
    if (!info) return false;
    const { trans: t } = this.desk;
    const { text, part } = budgetLine(info, t);
    setText(this.amount, budgetLine(info, t, true).text);
    const percent = Math.round((part ?? 0) * 100);
    this.fill.style.width = `${percent}%`;
    this.meter.dataset['level'] = percent > 85 ? 'high' : '';
    const short = shortage(info);
    this.meter.dataset['short'] = String(short !== null);
    const all = part === null ? text : t.__('%1, %2 % of the budget', text, percent);
    const said = short ? `${all}. ${shortageText(short).replace(/\.$/, '')}` : all;
    this.meter.setAttribute('aria-label', t.__('Used: %1', said));
    this.meter.title = info.ended ? said : t.__('Used: %1. Press to change the budget.', said);
    this.meter.disabled = info.ended;
    return text !== '';
  }

  private readonly fill = el('span', { class: 'rlm-Meter-fill', 'aria-hidden': 'true' });
  private readonly amount = el('span', { class: 'rlm-Meter-text' });
  private readonly meter = el(
    'button',
    { type: 'button', class: 'rlm-Meter' },
    this.fill,
    this.amount,
  );
}

/** The items by their names in the settings, in their order. */
export const TOOLBAR: Record<string, (desk: Desk, panel: NotebookPanel) => Widget> = {
  'rlm-phase': (desk, panel) => new PhaseItem(desk, panel),
  'rlm-control': (desk, panel) => new ControlItem(desk, panel),
  'rlm-mode': (desk, panel) => new ModeItem(desk, panel),
  'rlm-budget': (desk, panel) => new BudgetItem(desk, panel),
};
