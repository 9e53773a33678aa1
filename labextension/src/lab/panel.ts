/** The panel that follows the current notebook: what is missing, what to do next, the tree. */

import { Clipboard } from '@jupyterlab/apputils';
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { mountTree, type Mounted } from '../view/index.js';
import type { Store } from '../core/store.js';
import type { Desk, Seat } from './desk.js';
import { button, el, setText, show } from './dom.js';
import { highlighter } from './highlight.js';
import { rlmIcon } from './icons.js';
import { linkSentence } from './words.js';

const FIRST_CELL = `%%rlm answer --context text
What is this about?`;

/** The first half of every shortcut, as `schema/plugin.json` has it. */
function chord(): string {
  return CommandRegistry.formatKeystroke('Accel Shift Y');
}

/** The other halves of the most used, each with what it does. */
function letters(t: TranslationBundle): string {
  return [
    `A ${t.__('run')}`,
    `R ${t.__('reject')}`,
    `O ${t.__('respond')}`,
    `S ${t.__('step')}`,
    `P ${t.__('pause')}`,
    `G ${t.__('resume')}`,
    `T ${t.__('take over')}`,
    `H ${t.__('hand back')}`,
    `X ${t.__('stop')}`,
    `J ${t.__('go to what waits')}`,
    `V ${t.__('play')}`,
  ].join(' · ');
}

/** The tree of the current notebook's runs, with the sentence that is due and the way on. */
export class RunPanel extends Widget {
  constructor(
    private readonly desk: Desk,
    private readonly options: {
      main?: boolean;
      tab?: boolean;
      languages: IEditorLanguageRegistry | null;
    },
  ) {
    super({ node: el('div') });
    const { trans: t } = desk;
    this.addClass('rlm-Panel');
    this.id = options.main ? 'rlm-tab' : 'rlm-panel';
    this.title.icon = rlmIcon;
    this.title.caption = t.__('Runs of the current notebook (RLM)');
    if (options.main) {
      this.title.label = t.__('RLM runs');
      this.title.closable = true;
    }
    this.node.setAttribute('role', 'region');
    this.node.tabIndex = -1;
    // Both may be open: a landmark's name is there once.
    this.node.setAttribute(
      'aria-label',
      options.main ? t.__('RLM runs, in a tab') : t.__('RLM runs'),
    );
    this.name = el('span', { class: 'rlm-Panel-name' });
    const head = el('div', { class: 'rlm-Panel-head' }, this.name);
    if (options.tab) {
      head.append(
        button(
          t.__('Open as tab'),
          t.__('Show the tree in the main area'),
          () => void desk.app.commands.execute('rlm:open-tab'),
          'rlm-mod-quiet',
        ),
      );
    }
    this.node.append(head, this.sentence, this.hint, this.empty, this.body);
    this.drawHint();
    desk.changed.connect(this.draw, this);
    desk.settings.changed.connect(this.drawHint, this);
    this.draw();
  }

  /** Show a node of a run of a notebook. */
  focusNode(seat: Seat, run: string, node: string): void {
    this.whenThere(seat, run, node, (mounted) => mounted.focusNode(node));
  }

  /** Write what is to be otherwise in a branch, where a node of a run is. */
  forkAt(seat: Seat, run: string, node: string): void {
    this.whenThere(seat, run, node, (mounted) => mounted.forkAt(node));
  }

  /** Play the run that is shown. */
  play(): void {
    this.draw();
    void this.mounted?.play();
  }

  private whenThere(seat: Seat, run: string, node: string, then: (mounted: Mounted) => void): void {
    this.follow(seat);
    this.draw();
    seat.link.store?.select(run);
    const tries = (left: number): void => {
      if (this.isDisposed) return;
      // The events of a run that nobody looked at before may still be on their way.
      if (seat.link.store?.tree(run)?.get(node) ?? left <= 0) {
        if (this.mounted) then(this.mounted);
      } else setTimeout(() => tries(left - 1), 100);
    };
    requestAnimationFrame(() => tries(20));
  }

  dispose(): void {
    if (this.isDisposed) return;
    this.mounted?.dispose();
    super.dispose();
  }

  protected onBeforeShow(msg: Message): void {
    super.onBeforeShow(msg);
    this.draw();
  }

  protected onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    const first = this.body.querySelector<HTMLElement>('[tabindex="0"]');
    (first ?? this.node).focus();
  }

  private draw(): void {
    if (this.isDisposed) return;
    const seat = this.desk.current ?? (this.seat && !this.seat.link.isDisposed ? this.seat : null);
    this.follow(seat);
    const { trans: t } = this.desk;
    const link = seat?.link ?? null;
    setText(
      this.name,
      seat ? (seat.panel.context.path.split('/').pop() ?? '') : t.__('No notebook'),
    );
    this.name.title = seat?.panel.context.path ?? '';
    const said = linkSentence(link, t);
    setText(this.sentence, said);
    this.sentence.dataset['state'] = link?.state ?? 'none';
    show(this.sentence, said !== '');
    const runs = link?.store?.runs ?? [];
    const store = link?.store ?? null;
    this.mount(store !== null && runs.length > 0 ? store : null);
    // Of use where a proposal is, or was: not before there is a run.
    const first = !this.desk.settings.values.hintSeen && !this.options.main;
    const steered = runs.some((info) => !info.recorded && info.phase !== 'session');
    show(this.hint, first && steered);
    this.drawEmpty(seat, store !== null && runs.length > 0);
  }

  private follow(seat: Seat | null): void {
    this.seat = seat;
  }

  private mount(store: Store | null): void {
    const compact = this.desk.settings.values.density === 'compact';
    if (store === this.store && compact === this.compact) return;
    this.store = store;
    this.compact = compact;
    this.mounted?.dispose();
    this.mounted = null;
    show(this.body, store !== null);
    if (!store) return;
    const { desk } = this;
    const { languages } = this.options;
    const t = desk.trans;
    const seatOf = (): Seat | undefined =>
      [...desk.seats.values()].find((one) => one.link.store === store);
    this.mounted = mountTree(this.body, {
      store,
      host: {
        jumpToCell: (run, node) => {
          const seat = seatOf();
          if (seat && !desk.jump(seat, run, node)) desk.sayRemoved();
        },
        edited: (run, node) => seatOf()?.placer.edited(run, node),
        copy: (text) => Clipboard.copyToSystem(text),
        language: t,
        highlight: languages ? highlighter(languages) : undefined,
        compact,
      },
    });
  }

  private drawEmpty(seat: Seat | null, full: boolean): void {
    const { trans: t, app } = this.desk;
    const state = seat?.link.state ?? 'none';
    const key = full ? '' : `${state} ${seat?.panel.id ?? ''}`;
    if (key === this.emptyKey) return;
    this.emptyKey = key;
    show(this.empty, !full);
    this.empty.replaceChildren();
    if (full) return;
    const tour = button(
      t.__('Take the tour'),
      t.__('A notebook that runs without a key'),
      () => void app.commands.execute('rlm:first-tour'),
      'rlm-mod-accept',
    );
    const icon = el('div', { class: 'rlm-Empty-icon', 'aria-hidden': 'true' });
    rlmIcon.element({ container: icon, width: '40px', height: '40px' });
    this.empty.append(icon);
    if (state === 'open') {
      this.empty.append(
        el('p', { class: 'rlm-Empty-title', text: t.__('No run in this kernel yet') }),
        el('p', {
          text: t.__(
            'A run answers one question over one text. Name the text’s variable, write the question, and run the cell; its tree grows here.',
          ),
        }),
        el('pre', { class: 'rlm-Empty-code', text: FIRST_CELL }),
        el(
          'div',
          { class: 'rlm-Empty-buttons' },
          button(t.__('Insert this cell'), t.__('Insert it below the active cell'), () =>
            this.insert(FIRST_CELL),
          ),
          tour,
        ),
      );
    } else if (state === 'without' && seat) {
      this.empty.append(
        el('p', { class: 'rlm-Empty-title', text: t.__('This kernel has no rlm') }),
        el(
          'div',
          { class: 'rlm-Empty-buttons' },
          button(
            t.__('Choose the kernel…'),
            t.__('RLM (Python 3) has it; the variables of this kernel stay behind'),
            () => {
              app.shell.activateById(seat.panel.id);
              void app.commands.execute('notebook:change-kernel');
            },
          ),
          button(
            t.__('Run %load_ext rlm'),
            t.__('In a new cell below the active one; rlm-kernel has to be installed there'),
            () => void this.load(seat.panel),
          ),
          tour,
        ),
      );
    } else if (state !== 'asking' && state !== 'lost') {
      this.empty.append(el('div', { class: 'rlm-Empty-buttons' }, tour));
    }
  }

  private async load(panel: NotebookPanel): Promise<void> {
    this.insert('%load_ext rlm');
    await NotebookActions.run(panel.content, panel.sessionContext);
  }

  private insert(source: string): void {
    const panel = this.seat?.panel;
    const shared = panel?.model?.sharedModel;
    if (!panel || !shared) return;
    const at = panel.content.activeCellIndex + 1;
    shared.insertCell(at, { cell_type: 'code', source });
    panel.content.activeCellIndex = at;
    panel.content.activate();
  }

  /** Said once: where the person decides, and with which key. */
  private drawHint(): void {
    const { trans: t, settings } = this.desk;
    if (settings.values.hintSeen) show(this.hint, false);
    if (settings.values.hintSeen || this.hint.firstChild) return;
    const act = (name: string, does: string): (HTMLElement | string)[] => [
      ' ',
      el('b', { text: name }),
      ` ${does}`,
    ];
    this.hint.append(
      el(
        'p',
        {},
        t.__('A cell that waits for you stands in the notebook.'),
        ...act(t.__('Shift+Enter'), t.__('runs it, changed or not;')),
        ...act(t.__('Reject…'), t.__('tells the model why not;')),
        ...act(t.__('Take over'), t.__('lets you write cells instead.')),
      ),
      el(
        'details',
        {},
        el('summary', { text: t.__('By keyboard') }),
        t.__('%1, then a letter: %2', chord(), letters(t)),
      ),
      button(
        t.__('Got it'),
        t.__('Don’t show this again'),
        () => settings.set('hintSeen', true),
        'rlm-mod-quiet',
      ),
    );
  }

  private seat: Seat | null = null;
  private store: Store | null = null;
  private compact = false;
  private mounted: Mounted | null = null;
  private emptyKey = ' ';
  private readonly name: HTMLElement;
  private readonly sentence = el('p', {
    class: 'rlm-Panel-sentence',
    role: 'status',
    hidden: true,
  });
  private readonly hint = el('div', { class: 'rlm-Hint', hidden: true });
  private readonly empty = el('div', { class: 'rlm-Empty', hidden: true });
  private readonly body = el('div', { class: 'rlm-Panel-body', hidden: true });
}
