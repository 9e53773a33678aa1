/** Back to a turn, forks, and where branches come from. */

import { Component, type JSX } from 'preact';
import { type Change, changesAt, forkPlace, meant, type Place } from '../core/forks.js';
import { clean, oneLine } from '../core/format.js';
import type { TreeNode } from '../core/node.js';
import type { RunTree } from '../core/tree.js';
import type { RunInfo } from '../protocol.js';
import { Editor } from './editor.js';
import { ActionIcon } from './icons.js';
import type { Model } from './model.js';

/** Where the run that is shown can be forked at a node, if it can. */
export function placeOf(model: Model, node: TreeNode): Place | null {
  const { tree, info } = model;
  const forkable = tree !== undefined && info !== undefined && info.phase !== 'session';
  return forkable ? forkPlace(tree, info.node, node) : null;
}

/** Show the run as it was after the turn of a node. */
export async function backTo(model: Model, node: TreeNode): Promise<void> {
  const place = placeOf(model, node);
  if (place === null || place.turn === 0) return;
  await model.asItWas();
  model.playing.goTo((player) => player.goToEnd(place.node.id), place.node.id, false);
}

/** Whether the person writes what is to be otherwise in a branch, where a node is. */
export function isForking(model: Model, node: TreeNode): boolean {
  const { doing } = model;
  return doing?.what === 'fork' && doing.node === node.id && placeOf(model, node) !== null;
}

/** What can be done at a turn that is over. */
export function BranchButtons(props: { model: Model; node: TreeNode }): JSX.Element | null {
  const { model, node } = props;
  const t = model.trans;
  const place = placeOf(model, node);
  if (place === null || isForking(model, node)) {
    return null;
  }
  const { turn } = place;
  const own = node.id === place.node.id;
  const words = turn === 0 ? t('Ask otherwise…') : own ? t('Fork here…') : t('Fork with a change…');
  return (
    <>
      {turn > 0 && (
        <button
          class="rlm-button"
          title={`${t('Show the run as it was after this turn')} (B)`}
          onClick={() => void backTo(model, node)}
        >
          <ActionIcon name="back" />
          {t('Back to turn %1', turn)}
        </button>
      )}
      {model.host.forks !== false && (
        <button
          class="rlm-button"
          title={`${t('Begin a branch: this run stays as it is')} (K)`}
          onClick={() => model.begin('fork', node.id)}
        >
          <ActionIcon name="branch" />
          {words}
        </button>
      )}
    </>
  );
}

/** The branches that began at a turn. */
export function BranchesFrom(props: { model: Model; node: TreeNode }): JSX.Element | null {
  const { model, node } = props;
  const t = model.trans;
  const place = placeOf(model, node);
  const { run } = model;
  const branches =
    node.id === place?.node.id
      ? model.store.runs.filter((one) => one.branch_of === run && one.branch_turn === place.turn)
      : [];
  return branches.length === 0 ? null : (
    <p class="rlm-branches">
      <span class="rlm-said">{t('Branches from here:')}</span>
      {branches.map((one) => (
        <button class="rlm-link" key={one.run} onClick={() => model.goToRun(one.run)}>
          <ActionIcon name="branch" />
          {nameOfRun(model, one.run)}
        </button>
      ))}
    </p>
  );
}

/** Of a branch: the run that it came from, to go there. */
export function Origin({ model, info }: { model: Model; info: RunInfo }): JSX.Element | null {
  const t = model.trans;
  const { branch_of: origin, branch_turn: turn } = info;
  if (origin === '' || model.store.info(origin) === undefined) {
    return null;
  }
  return (
    <p class="rlm-origin">
      <ActionIcon name="branch" />
      <span>
        {turn > 0 ? t('A branch, after turn %1, of', turn) : t('A branch, from the start, of')}
      </span>
      <button
        class="rlm-link"
        title={oneLine(model.store.info(origin)?.question ?? '', 200)}
        onClick={() => model.goToRun(origin)}
      >
        {nameOfRun(model, origin)}
      </button>
    </p>
  );
}

/** What a run is called, or else which of the runs it is. */
function nameOfRun(model: Model, run: string): string {
  const { runs } = model.store;
  const name = clean(model.store.info(run)?.name ?? '');
  return name || model.trans('run %1', runs.findIndex((one) => one.run === run) + 1);
}

interface ForkProps {
  model: Model;
  tree: RunTree;
  node: TreeNode;
}

interface ForkState {
  chosen: number;
  /** What stood there, by choice; null: it is being fetched. */
  text: string | null;
  with: string;
  busy: boolean;
}

/** What is to be otherwise in a branch; there where the run can be forked. */
export class ForkForm extends Component<ForkProps, ForkState> {
  private readonly place = placeOf(this.props.model, this.props.node) as Place;
  private readonly changes = changesAt(this.props.tree, this.place);
  override state: ForkState = { chosen: 0, text: '', with: '', busy: false };

  override componentDidMount(): void {
    const first = meant(this.changes, this.props.node);
    this.choose(Math.max(this.changes.indexOf(first as Change), 0));
  }

  private get change(): Change {
    return this.changes[this.state.chosen] as Change;
  }

  private choose(chosen: number): void {
    const { model, tree } = this.props;
    const { place } = this;
    const { change, node: id } = this.changes[chosen] as Change;
    this.setState({ chosen, text: null });
    const node = id === '' ? place.node : tree.get(id);
    const field = FIELDS[change];
    const text = field && node ? model.whole(node, field) : Promise.resolve('');
    void text
      .catch(() => '')
      .then((found) => {
        if (this.state.chosen === chosen) this.setState({ text: found });
      });
  }

  private send = async (text: string): Promise<void> => {
    const { model } = this.props;
    if (this.state.busy) return;
    const { change, node } = this.change;
    this.setState({ busy: true });
    await model.fork({ turn: this.place.turn, change, node, text, model: this.state.with });
    this.setState({ busy: false });
  };

  private cancel = (): void => {
    const { model } = this.props;
    model.doing = null;
    model.message = '';
    model.wantsFocus = true;
    model.changed();
  };

  private keyDown = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key === 'Escape') {
      event.preventDefault();
      this.cancel();
    }
  };

  override render(): JSX.Element {
    const { model } = this.props;
    const { place } = this;
    const { chosen, text, busy } = this.state;
    const t = model.trans;
    const { change } = this.change;
    return (
      <div class="rlm-fork" role="group" aria-label={t('Fork')} onKeyDown={this.keyDown}>
        <p>
          <b>
            {place.turn === 0 ? t('A branch from the start') : t('A branch at turn %1', place.turn)}
          </b>{' '}
          {said(model, place.turn, change)}
        </p>
        <div class="rlm-fork-fields">
          <label>
            <span>{t('Otherwise in it')}</span>
            <select
              ref={focusFirst}
              value={String(chosen)}
              onChange={(event) => this.choose(Number(event.currentTarget.value))}
            >
              {this.changes.map((one, i) => (
                <option key={i} value={String(i)}>
                  {one.words}
                </option>
              ))}
            </select>
          </label>
          <label>
            <span>{t('Model')}</span>
            <input
              value={this.state.with}
              placeholder={clean(model.info?.model ?? '') || t('the same')}
              spellcheck={false}
              onInput={(event) => this.setState({ with: event.currentTarget.value })}
            />
          </label>
        </div>
        {change === '' ? (
          <div class="rlm-buttons">
            <button
              class="rlm-button rlm-primary"
              aria-disabled={busy}
              onClick={() => void this.send('')}
            >
              <ActionIcon name="branch" />
              {t('Fork')}
            </button>
            <button class="rlm-button" onClick={this.cancel}>
              {t('Cancel')}
            </button>
          </div>
        ) : text === null ? (
          <p class="rlm-hint">{t('Fetching what stood there …')}</p>
        ) : (
          <Editor
            key={chosen}
            model={model}
            label={LABELS[change] ? t(LABELS[change]) : ''}
            text={text}
            verb={t('Fork')}
            code={change === 'code'}
            quiet
            onSend={(written) => void this.send(written)}
            onCancel={this.cancel}
          />
        )}
        {busy && <p class="rlm-hint">{t('The branch begins …')}</p>}
      </div>
    );
  }
}

/** The text of a node that is changed. */
const FIELDS = {
  '': null,
  code: 'code',
  reply: 'text',
  told: 'observation',
  question: 'question',
} as const;

const LABELS: Record<Change['change'], string> = {
  '': '',
  code: 'The code that runs in its place',
  reply: 'The reply that is taken in its place',
  told: 'What the model is told instead',
  question: 'What is asked instead',
};

/** What becomes of the turns, and that nothing else changes. */
function said(model: Model, turn: number, change: Change['change']): string {
  const t = model.trans;
  const again = change === 'code' || change === 'reply' ? turn - 1 : turn;
  const kept =
    again === 0
      ? ''
      : again === 1
        ? t('Turn 1 runs again in a kernel of its own with the reply it had, at no cost.')
        : t(
            'Turns 1 to %1 run again in a kernel of their own with the replies they had, at no cost.',
            again,
          );
  const then =
    change === 'code' || change === 'reply'
      ? t('Turn %1 is done with your change, and the model goes on from what comes of it.', turn)
      : change === 'question'
        ? t('The same context, another question.')
        : t('Then the model goes on.');
  return [kept, then, t('This run stays as it is.')].filter(Boolean).join(' ');
}

function focusFirst(element: HTMLSelectElement | null): void {
  if (element !== null && !element.closest('.rlm-fork')?.contains(document.activeElement)) {
    element.focus({ preventScroll: true });
    element.closest('.rlm-fork')?.scrollIntoView({ block: 'start' });
  }
}
