import { Component, createRef, type JSX } from 'preact';
import {
  callsText,
  clean,
  contextText,
  costText,
  durationText,
  estimateText,
  oneLine,
  percentText,
  plural,
  titleText,
  statusWord,
  timeText,
  unsentText,
  tokensText,
  whole,
} from '../core/format.js';
import { tallyText } from '../core/groups.js';
import { tally } from '../core/groups.js';
import { asked, live, type TreeNode } from '../core/node.js';
import { isTaken, type RunTree } from '../core/tree.js';
import { timeOf } from '../core/waits.js';
import type { RunInfo } from '../protocol.js';
import { Actions } from './actions.js';
import { Strip } from './bar.js';
import { BranchButtons, BranchesFrom, ForkForm, isForking } from './branches.js';
import { Difference } from './cell.js';
import { Pieces } from './code.js';
import { ActionIcon, StatusIcon } from './icons.js';
import type { Model } from './model.js';
import { isModel, isYours } from '../core/waiting.js';
import { decidedText, nameOf } from './person.js';
import { tallied } from './row.js';
import { Section, Text } from './texts.js';

/**
 * What is known of the selected row, to be read, and below it, always in sight, what the person is to
 * do about it.
 */
export class Details extends Component<{ model: Model; tree: RunTree }> {
  private watching: { key: string; stop: () => void } | null = null;
  private reading = createRef<HTMLDivElement>();
  /** The output that was brought into sight, and the node that it is of. */
  private shown = '';

  override componentDidMount(): void {
    this.watch();
    this.showOutput();
  }

  override componentDidUpdate(): void {
    this.watch();
    this.showOutput();
  }

  override componentWillUnmount(): void {
    this.watching?.stop();
  }

  /** Have the reply of the call that is looked at stream in. */
  private watch(): void {
    const { model } = this.props;
    const { node, run } = model;
    const streams =
      run !== null &&
      node !== undefined &&
      node.kind === 'call' &&
      live(node) &&
      !model.over &&
      model.player === null;
    const key = streams ? `${run}\n${node.id}` : '';
    if (key !== (this.watching?.key ?? '')) {
      this.watching?.stop();
      this.watching = streams ? { key, stop: model.store.watch(run, node.id) } : null;
    }
  }

  /** What comes of a cell that is followed is seen when it comes, whatever the length of its code. */
  private showOutput(): void {
    const { model } = this.props;
    const { node } = model;
    const come = node !== undefined && model.playing.follows === node.id ? shownOf(node) : 0;
    const key = come > 0 ? `${node?.id} ${come}` : '';
    if (key === this.shown) {
      return;
    }
    this.shown = key;
    const box = this.reading.current;
    const outcome = box?.querySelector('.rlm-outcome');
    if (key === '' || !box || !outcome) {
      return;
    }
    const { top, bottom } = box.getBoundingClientRect();
    const at = outcome.getBoundingClientRect();
    const under = at.bottom - bottom;
    const over = at.top - top;
    box.scrollTop += Math.max(Math.min(under, over), 0); // its beginning, where it is long
  }

  private keyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      this.props.model.showDetails(false);
    }
  };

  override render(): JSX.Element {
    const { model, tree } = this.props;
    const { node, row } = model;
    const t = model.trans;
    return (
      <div class="rlm-details" role="group" aria-label={t('Details')} onKeyDown={this.keyDown}>
        <button
          class="rlm-quiet-button rlm-close"
          title={t('Close (Esc)')}
          aria-label={t('Close the details')}
          onClick={() => model.showDetails(false)}
        >
          <ActionIcon name="cross" />
        </button>
        <div class="rlm-reading" key={model.selected ?? ''} ref={this.reading}>
          {node !== undefined ? (
            <NodeDetails model={model} tree={tree} node={node} />
          ) : row?.group ? (
            <GroupDetails model={model} title={row.group.title} nodes={row.group.nodes} />
          ) : (
            <p class="rlm-hint">{t('Select a row to see what is behind it.')}</p>
          )}
        </div>
        {node !== undefined && (
          <div class="rlm-doing" key={`do ${node.id}`}>
            {model.message !== '' && (
              <p class="rlm-trouble" role="alert">
                {model.message}
              </p>
            )}
            {isForking(model, node) ? (
              <ForkForm model={model} tree={tree} node={node} />
            ) : (
              <Actions model={model} node={node} />
            )}
          </div>
        )}
      </div>
    );
  }
}

function GroupDetails(props: {
  model: Model;
  title: string;
  nodes: readonly TreeNode[];
}): JSX.Element {
  const counts = tally(props.nodes);
  return (
    <>
      <div class="rlm-details-head">
        <h2>{props.title}</h2>
        <p>{tallyText(counts)}</p>
        <Strip counts={counts} />
      </div>
      <p class="rlm-hint">{props.model.trans('Open the row to see each call.')}</p>
    </>
  );
}

function NodeDetails(props: { model: Model; tree: RunTree; node: TreeNode }): JSX.Element {
  const { model, tree, node } = props;
  const t = model.trans;
  const status = statusWord(node, model.over, isTaken(tree));
  const name = nameOf(node);
  // The code, the prompt and the error of these stand below, whole.
  const words =
    node.kind === 'cell' || node.kind === 'call'
      ? ''
      : oneLine(node.question || titleText(node), 400);
  const { first, more } = factsOf(model, tree, node);
  const waits = model.wanting?.id === node.id;
  const { jumpToCell } = model.host;
  const placed =
    node.kind === 'cell' &&
    jumpToCell !== undefined &&
    model.waiting?.id !== node.id &&
    inNotebook(model.info);
  return (
    <>
      <div class="rlm-details-head">
        <h2 class="rlm-kicker" title={clean(node.id)}>
          <StatusIcon status={status} />
          <b>{name === '' ? t(node.kind) : clean(name)}</b>
          <span>{t(status)}</span>
        </h2>
        {!waits && <Facts facts={first} />}
      </div>
      {words !== '' && <p class="rlm-lead">{words}</p>}
      {node.notes.map(([level, text], i) => (
        <p
          class={`rlm-note rlm-note-${level === 'info' ? 'info' : level === 'error' ? 'error' : 'warning'}`}
          key={i}
        >
          {level === 'info' ? '' : `${t(level)}: `}
          {clean(text)}
        </p>
      ))}
      {node.reason !== '' && <p class="rlm-note">{clean(node.reason)}</p>}
      {node.note !== '' && (
        <p class={node.kind === 'solve' ? 'rlm-note rlm-note-info' : 'rlm-note'}>
          {clean(node.note)}
        </p>
      )}
      <Body model={model} node={node} tree={tree} />
      <Facts facts={more} />
      <div class="rlm-buttons rlm-foot">
        <BranchButtons model={model} node={node} />
        {placed && model.run !== null && (
          <button
            class="rlm-button"
            onClick={() => jumpToCell?.call(model.host, model.run as string, node.id)}
          >
            <ActionIcon name="cell" />
            {t('Go to the notebook cell')}
          </button>
        )}
        {node.children.length > 0 && (
          <button
            class="rlm-button"
            onClick={() => model.focusOn(model.focus === node.id ? null : node.id)}
          >
            <ActionIcon name="focus" />
            {model.focus === node.id ? t('Show everything') : t('Show only this part')}
          </button>
        )}
        <button class="rlm-button" onClick={() => model.copy(pathOf(tree, node))}>
          <ActionIcon name="copy" />
          {t('Copy path')}
        </button>
      </div>
      <BranchesFrom model={model} node={node} />
    </>
  );
}

/** Whether a run's cells, or the one that asked, are in a notebook. */
function inNotebook(info: RunInfo | undefined): boolean {
  return info !== undefined && (info.executor !== 'kernel' || info.anchor !== '');
}

function pathOf(tree: RunTree, node: TreeNode): string {
  return [node, ...tree.above(node)]
    .reverse()
    .map((one) => one.id)
    .join(' / ');
}

function Body(props: { model: Model; node: TreeNode; tree: RunTree }): JSX.Element | null {
  const { model, node, tree } = props;
  const t = model.trans;
  switch (node.kind) {
    case 'call': {
      const turn = tree.nearest(node, 'turn');
      const root = node.role === 'root' || node.role === 'closing';
      const unsent = unsentText(node);
      const told = root && turn?.status === 'error' ? turn : undefined;
      const earlier = root && earlierTurns(tree, turn ?? node);
      return (
        <>
          {unsent !== '' ? (
            <p class="rlm-note">{unsentWords(model, node, unsent)}</p>
          ) : (
            node.error !== '' && (
              <Text
                model={model}
                node={node}
                field="error"
                title={t('Error')}
                class="rlm-bad-text"
              />
            )
          )}
          {node.role === 'human' ? (
            <>
              <Text model={model} node={node} field="prompt" title={t('Question')} />
              <Text model={model} node={node} field="text" title={t('Answer')} />
            </>
          ) : (
            <>
              {told !== undefined && (
                <Text
                  model={model}
                  node={told}
                  field="observation"
                  title={t('What the model was told')}
                />
              )}
              {!(isYours(node) && !model.over) && (
                <Text
                  model={model}
                  node={node}
                  field="text"
                  title={t('Reply')}
                  empty={unsent === '' ? t('No reply.') : undefined}
                />
              )}
              <Text
                model={model}
                node={node}
                field="prompt"
                title={root ? t('Prompt (last message)') : t('Prompt')}
                hint={earlier ? t('The earlier messages are the turns above.') : ''}
              />
            </>
          )}
        </>
      );
    }
    case 'cell': {
      const edited = node.decision === 'edit' && node.proposed_code !== '';
      return (
        <>
          {node.cut.code !== undefined ? (
            <Text model={model} node={node} field="code" title={t('Code')} class="rlm-code" />
          ) : (
            model.doing?.what !== 'edit' && (
              <Section
                model={model}
                title={edited ? t('Code, as you changed it') : t('Code')}
                copy={() => node.code}
              >
                {edited ? (
                  <Difference model={model} node={node} />
                ) : (
                  <pre class="rlm-text rlm-code" role="group" tabIndex={0} aria-label={t('Code')}>
                    <Pieces pieces={model.colours.of(node.code)} />
                  </pre>
                )}
              </Section>
            )
          )}
          <div class="rlm-outcome">
            <Text model={model} node={node} field="error" title={t('Error')} class="rlm-bad-text" />
            <Text model={model} node={node} field="output" title={t('Output')} />
            <Text model={model} node={node} field="result" title={t('Result')} />
            <Text model={model} node={node} field="traceback" title={t('Traceback')} />
          </div>
        </>
      );
    }
    case 'solve':
    case 'step':
      return (
        <>
          <Text model={model} node={node} field="error" title={t('Error')} class="rlm-bad-text" />
          <Text
            model={model}
            node={node}
            field="text"
            title={node.kind === 'solve' ? t('Answer') : t('Grid')}
            class="rlm-code"
          />
          <Text model={model} node={node} field="prompt" title={t('Puzzle')} class="rlm-code" />
        </>
      );
    case 'turn':
      return (
        <Text model={model} node={node} field="observation" title={t('What the model was told')} />
      );
    case 'batch':
      return (
        <p class="rlm-tally">
          <Strip counts={tallied(tree, node)} /> {tallyText(tallied(tree, node))}
        </p>
      );
    case 'run':
    case 'session': {
      // A child is kept in the folder of the run above it.
      const folder = model.info?.node === node.id ? model.info.folder || '' : '';
      return (
        <>
          {node.question.length > 300 && (
            <Text model={model} node={node} field="question" title={t('Question')} />
          )}
          <Text
            model={model}
            node={node}
            field="answer"
            title={node.status === 'partial' ? t('Partial answer') : t('Answer')}
          />
          {node.context.length > 0 && (
            <Section model={model} title={t('Context')}>
              {node.context.map((info, i) => (
                <p class="rlm-plain" key={i}>
                  {clean(contextText(info))}
                </p>
              ))}
            </Section>
          )}
          {folder !== '' && (
            <Section model={model} title={t('Kept in')} copy={() => folder}>
              <p class="rlm-plain">{clean(folder)}</p>
            </Section>
          )}
        </>
      );
    }
  }
}

/** A sentence about a call that was cancelled or not sent. */
function unsentWords(model: Model, node: TreeNode, unsent: string): string {
  if (node.error_kind === 'budget') {
    return clean(node.error); // which says what was used of what, and what to do
  }
  const t = model.trans;
  return node.text === ''
    ? t('%1 before there was a reply; all else is kept.', unsent)
    : t('%1 before the reply was whole; all else is kept.', unsent);
}

/** Whether turns of the same run come before a turn, or before a call that has none. */
function earlierTurns(tree: RunTree, node: TreeNode): boolean {
  const parent = node.parent === null ? undefined : tree.get(node.parent);
  const before = parent?.children.slice(0, parent.children.indexOf(node.id)) ?? [];
  return before.some((id) => tree.get(id)?.kind === 'turn');
}

type Fact = [name: string, value: string];

/** Few that matter most, to stand beside the name, and the others, for who looks for them. */
function factsOf(model: Model, tree: RunTree, node: TreeNode): { first: Fact[]; more: Fact[] } {
  const t = model.trans;
  const first: Fact[] = [];
  const more: Fact[] = [];
  const add = (name: string, value: string) => {
    if (value !== '') {
      (FIRST.has(name) ? first : more).push([t(name), value]);
    }
  };
  const models = [node.model, node.sub_model].filter(Boolean);
  add('Model', isModel(node) ? t('you') : clean([...new Set(models)].join(', ')));
  const took =
    node.seconds === null && (!live(node) || model.over) ? null : timeOf(node, model.now());
  const waiting = took !== null && took.waiting >= 0.05;
  add('Took', waiting ? timeText(took) : durationText(node.seconds));
  if (node.waited) {
    add('Waiting for calls', durationText(node.waited));
  }
  add('First token', durationText(node.first_token));
  if (node.own.calls) {
    add('Own', `${tokensText(node.own)} · ${costText(node.own)}`);
    add('From the cache', node.own.cached_tokens ? plural(node.own.cached_tokens, 'token') : '');
  }
  const { total } = node;
  const calls = node.kind === 'call' ? '' : callsText(asked(node), node.amiss);
  if (calls !== '') {
    const paid = total.calls ? [tokensText(total), costText(total)] : [];
    add('With all below', [calls, ...paid].filter(Boolean).join(' · '));
  }
  if (node.kind === 'cell') {
    add('Author', node.author === 'human' ? t('you') : t('the model'));
    add('Decided', decidedText(node));
    add('Estimate', model.waiting?.id === node.id ? '' : estimateText(node.estimate));
    add('Changed', oneLine(node.changed.join(', '), 300));
  }
  add('Applied', node.applied ? plural(node.applied, 'time') : '');
  if (node.kind === 'solve') {
    add('Parameters', node.parameters ? whole(node.parameters) : '');
  } else if (node.kind === 'step') {
    add('Halt', percentText(node.halt));
    add('Cells changed', whole(node.cells_changed));
    add('Breaking a rule', whole(node.cells_wrong));
    add('Latent moved', oneLine(node.moved.toPrecision(2), 20));
  }
  add('Line', node.line === null ? '' : String(node.line));
  add(
    'In the batch',
    node.index === null ? '' : t('%1 of %2', node.index + 1, siblings(tree, node)),
  );
  add('Finish', node.finish === 'stop' ? '' : clean(node.finish));
  add('Retries', node.retries ? String(node.retries) : '');
  add('Kind of error', clean(node.error_kind));
  add('Cached', node.cached ? t('yes, at no cost') : '');
  add('Id', clean(node.id));
  return { first, more };
}

const FIRST = new Set(['Model', 'Took', 'Own', 'With all below', 'Decided', 'Applied', 'Halt']);

function Facts({ facts }: { facts: readonly Fact[] }): JSX.Element | null {
  if (facts.length === 0) {
    return null;
  }
  return (
    <dl class="rlm-facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** How much of what came of a cell is there. */
function shownOf(node: TreeNode): number {
  const { error, output, result, traceback } = node;
  return [error, output, result, traceback].filter(Boolean).length;
}

function siblings(tree: RunTree, node: TreeNode): number {
  const parent = node.parent === null ? undefined : tree.get(node.parent);
  return parent === undefined ? 1 : Math.max(parent.size, parent.children.length);
}
