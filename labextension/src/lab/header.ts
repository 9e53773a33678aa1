/** The slim header on a run's cell, and the bar on the one that waits. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import type { CellMeta } from '../core/reconcile.js';
import { whyOf } from '../core/standing.js';
import type { RunInfo } from '../protocol.js';
import { drawDiff } from './diff.js';
import { button, el, setText, show } from './dom.js';
import { amissLine, estimateLine, factsLine, flightLine, SIGNS, stateWord } from './words.js';

/** What a header shows now. */
export interface HeaderView {
  meta: CellMeta;
  /** The live run, where the kernel has it. */
  info: RunInfo | null;
  status: string;
  source: string;
  /** The proposal, where it differs or may yet. */
  proposed: string | null;
  /** The last cell of its run in the notebook. */
  last: boolean;
  /** Its run isn't in this kernel, or is over and was followed by another. */
  old: boolean;
  /** How many cells of the old run nobody has changed; 0 on all but its first. */
  removable: number;
  /** Epoch seconds since which the cell runs. */
  since: number | null;
}

/** What its buttons do. */
export interface HeaderActs {
  run(): void;
  allow(): void;
  reject(reason: string): void;
  respond(text: string): void;
  takeOver(): void;
  handBack(note: string): void;
  auto(): void;
  resume(): void;
  stop(): void;
  interrupt(): void;
  restore(): void;
  showTree(): void;
  /** Take the untouched cells of this old run out. */
  remove(): void;
  /** Give the keyboard back to the notebook. */
  leave(): void;
}

type Ask = 'reject' | 'respond' | 'handBack';

/** Drawn on the cell, no part of the document; parts are made once and then only changed. */
export class CellHeader extends Widget {
  constructor(
    private readonly acts: HeaderActs,
    private readonly trans: TranslationBundle,
  ) {
    super({ node: el('div') });
    this.addClass('rlm-Header');
    this.node.setAttribute('role', 'group');
    const t = trans;
    this.diffButton = button(t.__('Changes'), t.__('Show how this differs from the proposal'), () =>
      this.toggleDiff(),
    );
    this.diffButton.setAttribute('aria-pressed', 'false');
    this.restoreButton = button(
      t.__('Undo edit'),
      t.__('Put the proposal back as the model wrote it'),
      () => acts.restore(),
    );
    this.treeButton = button(t.__('Tree'), t.__('Show this cell in the tree'), () =>
      acts.showTree(),
    );
    this.removeButton = button(
      t.__('Remove the cells of this old run'),
      t.__('Those that nobody has changed since; undo brings them back'),
      () => acts.remove(),
    );
    this.node.append(
      el(
        'div',
        { class: 'rlm-Header-line' },
        this.state,
        this.amiss,
        this.facts,
        el('span', { class: 'rlm-Header-space' }),
        this.restoreButton,
        this.diffButton,
        this.treeButton,
        this.removeButton,
      ),
    );
    this.buttons = {
      handBack: button(
        t.__('Hand back…'),
        t.__('Let the model go on; it sees what you did'),
        () => this.ask('handBack'),
        'rlm-mod-accept',
      ),
      run: button(
        t.__('Run'),
        t.__('Run this cell as it stands (Shift+Enter)'),
        () => this.press('run'),
        'rlm-mod-accept',
      ),
      allow: button(
        t.__('Allow'),
        t.__('Let these calls be made'),
        () => this.press('allow'),
        'rlm-mod-accept',
      ),
      resume: button(t.__('Resume'), t.__('Go on where the run was paused'), () => acts.resume()),
      reject: button(t.__('Reject…'), t.__('Don’t run it, and tell the model why'), () =>
        this.ask('reject'),
      ),
      respond: button(
        t.__('Respond…'),
        t.__('Tell the model the outcome yourself, without running'),
        () => this.ask('respond'),
      ),
      takeOver: button(t.__('Take over'), t.__('Write the next cells yourself'), () =>
        acts.takeOver(),
      ),
      auto: button(t.__('Auto'), t.__('Run this and what follows without asking'), () =>
        acts.auto(),
      ),
      interrupt: button(
        t.__('Interrupt'),
        t.__('Stop this cell and pause the run; its variables stay'),
        () => acts.interrupt(),
      ),
      stop: button(t.__('Stop'), t.__('End the run now'), () => acts.stop(), 'rlm-mod-quiet'),
    };
    for (const name of ['reject', 'respond', 'handBack'] as const) {
      this.buttons[name].setAttribute('aria-expanded', 'false');
    }
    this.bar.append(...Object.values(this.buttons), this.note);
    this.input.setAttribute('data-lm-suppress-shortcuts', 'true');
    this.input.addEventListener('keydown', (event) => this.onKey(event));
    this.form.append(
      this.input,
      el(
        'div',
        { class: 'rlm-Form-buttons' },
        this.send,
        button(
          t.__('Cancel'),
          t.__('Back to the proposal (Escape)'),
          () => this.ask(null),
          'rlm-mod-quiet',
        ),
      ),
    );
    this.send.addEventListener('click', () => this.submit());
    this.node.append(this.bar, this.form, this.diff);
  }

  /** Show what is so now. */
  refresh(view: HeaderView): void {
    const focus = document.activeElement;
    const inside = focus instanceof HTMLElement && this.node.contains(focus);
    this.draw(view);
    // A button that went takes the focus with it: the next key should still mean the notebook.
    if (inside && focus.closest('[hidden]')) this.acts.leave();
  }

  dispose(): void {
    if (this.isDisposed) return;
    if (this.node.contains(document.activeElement)) this.acts.leave();
    super.dispose();
  }

  private draw(view: HeaderView): void {
    const { trans: t } = this;
    this.view = view;
    const { info, status } = view;
    const word = stateWord(status, t);
    this.node.dataset['status'] = status;
    this.node.dataset['author'] = view.meta.author ?? 'model';
    const said = `${SIGNS[status] ?? '·'} ${word}`;
    if (this.state.textContent !== said) {
      this.state.replaceChildren(
        el('span', { 'aria-hidden': 'true', text: `${SIGNS[status] ?? '·'} ` }),
        word,
      );
    }
    // What the run says of it, as that it was approved, isn't true of what it shows now.
    const again = view.meta.again === true;
    show(this.state, !again || status === 'running');
    const amiss = again ? '' : amissLine(view.meta);
    setText(this.amiss, amiss);
    show(this.amiss, amiss !== '');
    setText(this.facts, this.factsOf(view));
    this.facts.title =
      view.old && info === null
        ? t.__('Its run isn’t in this kernel any more: run again, this is an ordinary cell.')
        : (this.facts.textContent ?? '');
    const label = [this.facts.textContent, this.state.hidden ? '' : word, amiss];
    this.node.setAttribute('aria-label', label.filter(Boolean).join(' · '));
    this.node.classList.toggle('rlm-mod-amiss', amiss !== '');
    const edited = view.proposed !== null && view.proposed !== view.source;
    const open = status === 'proposed' || status === 'waiting';
    show(this.diffButton, edited);
    show(this.restoreButton, edited && open);
    show(this.treeButton, info !== null);
    show(this.removeButton, view.removable > 0);
    this.node.classList.toggle('rlm-mod-old', view.old);
    if (!edited && this.diffOn) this.toggleDiff();
    if (this.diffOn) this.drawDiff();
    this.updateBar(view, info);
  }

  /** Open the line for a reason or an answer, with the cursor in it; null closes it. */
  ask(what: Ask | null): void {
    const { trans: t } = this;
    const was = this.asking;
    this.asking = what === was ? null : what;
    for (const name of ['reject', 'respond', 'handBack'] as const) {
      this.buttons[name].setAttribute('aria-expanded', String(this.asking === name));
    }
    show(this.form, this.asking !== null);
    if (this.asking === null) {
      if (was) this.buttons[was].focus();
      return;
    }
    const [label, word] = {
      reject: [t.__('Why not? The model reads this.'), t.__('Reject')],
      respond: [t.__('What should the model see as this cell’s outcome?'), t.__('Respond')],
      handBack: [t.__('A note for the model, if you like'), t.__('Hand back')],
    }[this.asking] as [string, string];
    this.input.setAttribute('aria-label', label);
    this.input.placeholder = label;
    this.input.rows = this.asking === 'respond' ? 3 : 1;
    setText(this.send, word);
    this.input.focus();
  }

  private factsOf({ meta, source, proposed, status, old }: HeaderView): string {
    if (meta.again) {
      const first = ['proposed', 'waiting', 'not run', 'rejected', 'responded'];
      const plain = first.includes(meta.status ?? 'proposed')
        ? this.trans.__('run as plain code')
        : this.trans.__('run again as plain code');
      return `${this.trans.__('earlier run')} · ${plain}`;
    }
    const told = factsLine(meta, this.trans);
    const line = old ? `${this.trans.__('earlier run')} · ${told}` : told;
    if (status === 'rejected' && proposed !== null && source !== proposed) {
      return `${line} · ${this.trans.__('kept because you edited it')}`;
    }
    const open = status === 'proposed' || status === 'waiting';
    const changed = open && proposed !== null && source !== proposed;
    return changed ? `${line} · ${this.trans.__('edited by you')}` : line;
  }

  private updateBar(view: HeaderView, info: RunInfo | null): void {
    const { trans: t, buttons } = this;
    const live = info !== null && !info.ended;
    const pending = live && info.pending?.cell === view.meta.cell ? info.pending : null;
    const running =
      live &&
      (view.status === 'running' || view.status === 'asking' || pending?.executing === true);
    const asking = live && info.asking?.cell === view.meta.cell ? info.asking : null;
    const proposal = pending !== null && !running && !pending.decided;
    const taken = live && info.phase === 'taken over';
    const asks = proposal && pending.asks && !taken;
    const held = proposal && !pending.asks && !taken;
    const on = {
      handBack: taken && view.last,
      run: proposal,
      allow: asking !== null,
      resume: asks && info?.phase === 'paused',
      reject: asks || asking !== null,
      respond: asks,
      takeOver: asks,
      auto: asks && info?.mode !== 'auto',
      interrupt: running,
      stop: asks || running || asking !== null || (taken && view.last),
    };
    for (const [name, shown] of Object.entries(on)) show(buttons[name as keyof typeof on], shown);
    const any = Object.values(on).some(Boolean);
    if (this.asking && !on[this.asking]) this.ask(null);
    show(this.bar, any);
    this.node.classList.toggle('rlm-mod-asks', asks || asking !== null);
    const edited = pending !== null && view.source !== pending.code;
    const run = edited ? t.__('Run edited') : t.__('Run');
    setText(buttons.run, taken ? t.__('Run it after all') : run);
    buttons.run.title = taken
      ? t.__('Run the model’s cell after all; that hands back, too')
      : t.__('Run this cell as it stands (Shift+Enter)');
    buttons.run.classList.toggle('rlm-mod-accept', !taken);
    setText(this.note, this.noteOf(view, info, { asks, held, running }));
  }

  private noteOf(
    view: HeaderView,
    info: RunInfo | null,
    is: { asks: boolean; held: boolean; running: boolean },
  ): string {
    const { trans: t } = this;
    if (!info) return '';
    if (info.asking?.cell === view.meta.cell) {
      const { calls, tokens, cost, reason } = info.asking;
      return [estimateLine({ calls, tokens, cost }, t), reason].filter(Boolean).join(' · ');
    }
    if (is.running) {
      return flightLine(info, view.since ? Date.now() / 1000 - view.since : 0, t);
    }
    if (info.phase === 'taken over' && view.last) {
      return t.__('You are at the keyboard: run cells below. Hand back ends it.');
    }
    if (is.held) return t.__('Waits while you are in this cell');
    if (!is.asks) return '';
    const said = [whyOf(info), estimateLine(info.pending?.estimate ?? {}, t)];
    if (info.phase === 'paused' && !info.reason) said.unshift(t.__('Paused'));
    return said.filter(Boolean).join(' · ');
  }

  private press(name: 'run' | 'allow'): void {
    this.acts[name]();
  }

  private submit(): void {
    const text = this.input.value.trim();
    const what = this.asking;
    if (what === 'respond' && text === '') {
      this.input.focus();
      return;
    }
    this.input.value = '';
    this.asking = null;
    // Still focused when it is hidden, it would seem to the notebook to have the keyboard.
    this.input.blur();
    show(this.form, false);
    if (what === 'reject') this.acts.reject(text);
    if (what === 'respond') this.acts.respond(text);
    if (what === 'handBack') this.acts.handBack(text);
    this.acts.leave();
  }

  private onKey(event: KeyboardEvent): void {
    event.stopPropagation();
    if (event.key === 'Escape') {
      event.preventDefault();
      this.ask(null);
    } else if (
      event.key === 'Enter' &&
      (this.asking === 'respond' ? event.ctrlKey || event.metaKey : !event.shiftKey)
    ) {
      event.preventDefault();
      this.submit();
    }
  }

  private toggleDiff(): void {
    this.diffOn = !this.diffOn;
    this.diffButton.setAttribute('aria-pressed', String(this.diffOn));
    show(this.diff, this.diffOn);
    if (this.diffOn) this.drawDiff();
    else this.diff.replaceChildren();
  }

  private drawDiff(): void {
    const { view } = this;
    if (!view || view.proposed === null) return;
    const key = `${view.proposed}\n${view.source}`;
    if (this.diffKey === key && this.diff.firstChild) return;
    this.diffKey = key;
    const label = this.trans.__('Changes to the proposal');
    this.diff.replaceChildren(drawDiff(view.proposed, view.source, label));
  }

  private view: HeaderView | null = null;
  private asking: Ask | null = null;
  private diffOn = false;
  private diffKey = '';
  private readonly state = el('span', { class: 'rlm-Header-state' });
  private readonly amiss = el('span', { class: 'rlm-Header-amiss', hidden: true });
  private readonly facts = el('span', { class: 'rlm-Header-facts' });
  private readonly bar = el('div', { class: 'rlm-Bar' });
  private readonly note = el('span', { class: 'rlm-Bar-note' });
  private readonly form = el('div', { class: 'rlm-Form', hidden: true });
  private readonly input = el('textarea', { class: 'rlm-Form-input', rows: 1 });
  private readonly send = el('button', { type: 'button', class: 'rlm-Button rlm-mod-accept' });
  private readonly diff = el('div', { class: 'rlm-Header-diff', hidden: true });
  private readonly diffButton: HTMLButtonElement;
  private readonly restoreButton: HTMLButtonElement;
  private readonly treeButton: HTMLButtonElement;
  private readonly removeButton: HTMLButtonElement;
  private readonly buttons: Record<
    | 'run'
    | 'allow'
    | 'resume'
    | 'reject'
    | 'respond'
    | 'takeOver'
    | 'handBack'
    | 'auto'
    | 'interrupt'
    | 'stop',
    HTMLButtonElement
  >;
}
