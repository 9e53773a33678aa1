import { Component, type JSX } from 'preact';
import type { Axis } from '../core/axis.js';
import {
  amissSigns,
  amissText,
  clean,
  costText,
  countText,
  durationText,
  oneLine,
  plural,
  statusWord,
  timeText,
  tokensShort,
} from '../core/format.js';
import { amissIn, goneText, type Group, medianText, type Tally, tally } from '../core/groups.js';
import { live, NOTHING_AMISS, tokens, type TreeNode, type Used } from '../core/node.js';
import type { Row } from '../core/rows.js';
import { isTaken, type RunTree } from '../core/tree.js';
import { timeOf } from '../core/waits.js';
import { titleText } from '../core/format.js';
import { say } from '../core/say.js';
import { Bar, Strip } from './bar.js';
import { StatusIcon, tone } from './icons.js';
import { isModel } from '../core/waiting.js';
import { decidedText, nameOf } from './person.js';

/** The height of every row in px. */
export const ROW_HEIGHT = 24;
const DEEPEST_INDENT = 10;
/** Seconds of waiting below which nothing is said of it. */
const LEAST_SAID = 0.05;

/** What a row is drawn from. */
export interface RowProps {
  row: Row;
  tree: RunTree;
  index: number;
  top: number;
  axis: Axis;
  over: boolean;
  selected: boolean;
  tabbable: boolean;
  id: string;
  onPick: (row: Row, event: MouseEvent) => void;
  onToggle: (row: Row) => void;
  onFocusOn: (row: Row) => void;
}

interface Told {
  status: string;
  name: string;
  title: string;
  tail: string;
  model: string;
  own: string;
  sum: string;
  cost: string;
  costSaid: string;
  time: string;
  timeSaid: string;
  /** Whether the time is one of waiting for the person only. */
  idle: boolean;
  counts: Tally | null;
  /** What below it came to nothing, by signs and in words. */
  amiss: string;
  amissSaid: string;
}

/** One row of the tree. It draws itself again only when what it shows has changed. */
export class RowView extends Component<RowProps> {
  private seen = '';

  private stamp(props: RowProps): string {
    const { row, axis, tree } = props;
    const { node, group } = row;
    const version = node?.below ?? group?.nodes.reduce((sum, one) => sum + one.below, 0);
    const alive = node === null ? group?.nodes.some(live) : live(node);
    const clock = alive && !props.over ? Math.floor(axis.now * 2) : 0;
    return [
      tree.from,
      row.key,
      version,
      row.level,
      row.place,
      row.of,
      row.expanded,
      row.expandable,
      row.pale,
      group?.nodes.length,
      props.index,
      props.top,
      props.selected,
      props.tabbable,
      props.over,
      axis.from,
      axis.seconds,
      clock,
      alive && isTaken(tree),
    ].join(' ');
  }

  override shouldComponentUpdate(next: RowProps): boolean {
    return this.stamp(next) !== this.seen;
  }

  override render(): JSX.Element {
    this.seen = this.stamp(this.props);
    const { row, tree, axis, over, selected, tabbable, index, top, id } = this.props;
    const told = row.node === null ? ofGroup(row.group as Group) : ofNode(tree, row.node, over);
    const indent = Math.min(row.level - 1, DEEPEST_INDENT);
    const human =
      row.node?.author === 'human' ||
      row.node?.role === 'human' ||
      (row.node !== null && isModel(row.node));
    const classes = ['rlm-row', `rlm-kind-${row.node?.kind ?? 'group'}`];
    if (selected) classes.push('rlm-selected');
    if (row.pale) classes.push('rlm-pale');
    if (human) classes.push('rlm-human');
    if (tone(told.status) === 'ask') classes.push('rlm-asks');
    return (
      <div
        role="row"
        id={id}
        class={classes.join(' ')}
        style={{ transform: `translateY(${top}px)` }}
        tabIndex={tabbable ? 0 : -1}
        aria-level={row.level}
        aria-posinset={row.place}
        aria-setsize={row.of}
        aria-rowindex={index + 2}
        aria-expanded={row.expandable ? row.expanded : undefined}
        aria-selected={selected}
        data-key={row.key}
        onClick={(event) => this.props.onPick(row, event)}
        onDblClick={() => this.props.onFocusOn(row)}
      >
        <span
          role="gridcell"
          aria-colindex={1}
          class="rlm-title"
          style={{ '--rlm-indent': indent }}
        >
          <span
            class={row.expandable ? 'rlm-twisty' : 'rlm-twisty rlm-leaf'}
            aria-hidden="true"
            onClick={(event) => {
              event.stopPropagation();
              this.props.onToggle(row);
            }}
          >
            {row.expandable && (
              <svg class="rlm-icon" viewBox="0 0 16 16">
                <path d={row.expanded ? 'M4 6l4 4 4-4' : 'M6 4l4 4-4 4'} />
              </svg>
            )}
          </span>
          {row.level - 1 > DEEPEST_INDENT && (
            <span class="rlm-deep" title={say('level %1', row.level)}>
              {row.level}
            </span>
          )}
          <StatusIcon status={told.status} />
          {told.name !== '' && <b class="rlm-name">{told.name}</b>}
          <span class="rlm-words" title={told.title.length > 40 ? told.title : undefined}>
            {told.title}
          </span>
          {told.amiss !== '' && (
            <span class="rlm-amiss" title={told.amissSaid}>
              <span aria-hidden="true">{told.amiss}</span>
              <span class="rlm-hidden">{told.amissSaid}</span>
            </span>
          )}
          {told.counts !== null && <Strip counts={told.counts} />}
          {told.tail !== '' && <span class="rlm-tail">{told.tail}</span>}
        </span>
        <span role="gridcell" aria-colindex={2} class={`rlm-status rlm-word-${tone(told.status)}`}>
          {say(told.status)}
        </span>
        <span role="gridcell" aria-colindex={3} class="rlm-model" title={told.model}>
          {told.model}
        </span>
        <span role="gridcell" aria-colindex={4} class="rlm-own">
          {told.own}
        </span>
        <span role="gridcell" aria-colindex={5} class="rlm-sum">
          {told.sum}
        </span>
        <span role="gridcell" aria-colindex={6} class="rlm-cost" title={told.costSaid}>
          {told.cost}
        </span>
        <span
          role="gridcell"
          aria-colindex={7}
          class={told.idle ? 'rlm-time rlm-idle' : 'rlm-time'}
          title={told.timeSaid || undefined}
        >
          {told.time}
        </span>
        <span role="gridcell" aria-colindex={8} class="rlm-bar" aria-hidden="true">
          <Bar row={row} axis={axis} over={over} status={told.status} />
        </span>
      </div>
    );
  }
}

function short(used: Used): string {
  if (used.cost === null) {
    return used.known_cost > 0
      ? `≥ ${costText({ ...used, cost: used.known_cost })}`
      : say('unknown');
  }
  return costText(used);
}

function sums(used: Used): string {
  return tokens(used) ? `∑ ${countText(tokens(used))}` : '';
}

/** A run or turn whose cell or model waits for the person waits, too: nothing of it goes on. */
function statusOf(tree: RunTree, node: TreeNode, over: boolean): string {
  const own = statusWord(node, over, isTaken(tree));
  const last = node.children[node.children.length - 1];
  if ((node.kind !== 'turn' && node.kind !== 'run') || !live(node) || last === undefined) {
    return own;
  }
  const child = tree.get(last);
  const below = child === undefined ? own : statusOf(tree, child, over);
  const aside = below === 'set aside' && node.kind === 'turn';
  return tone(below) === 'ask' || aside ? below : own;
}

function cellOf(tree: RunTree, turn: TreeNode): TreeNode | undefined {
  return tree.children(turn).find((child) => child.kind === 'cell');
}

function ofNode(tree: RunTree, node: TreeNode, over: boolean): Told {
  const leaf = node.children.length === 0;
  const batch = node.kind === 'batch';
  const counts = batch && !leaf ? tallied(tree, node) : null;
  const holds = node.kind === 'call' ? NOTHING_AMISS : node.amiss;
  const amiss = counts === null ? holds : amissIn(counts);
  const sum = batch && counts !== null ? counts.total : node.total;
  const tails: string[] = [];
  if (node.decision !== '' && node.decision !== 'approve') {
    tails.push(decidedText(node));
  }
  if (node.kind === 'turn' && node.status === 'error' && cellOf(tree, node) === undefined) {
    tails.push(oneLine(node.observation, 160));
  }
  if (node.kind === 'cell' && node.error) {
    tails.push(oneLine(node.error, 160));
  }
  tails.push(oneLine(node.refusal, 160));
  if (node.kind === 'run' && node.parent !== null && node.answer !== null) {
    tails.push(say('answer: %1', oneLine(node.answer, 120)));
  }
  if (node.cached) {
    tails.push(say('cached'));
  }
  if (node.retries) {
    tails.push(plural(node.retries, 'retry', 'retries'));
  }
  if (counts !== null) {
    tails.push(goneText(counts));
  }
  const own = node.own.calls ? node.own : null;
  const paid = leaf ? own : sum.calls ? sum : null;
  const goes = live(node) && !over && node.started !== null;
  const took = node.seconds !== null || goes ? timeOf(node, tree.now) : null;
  const idle = took !== null && took.work < LEAST_SAID && took.waiting >= LEAST_SAID;
  return {
    status: statusOf(tree, node, over),
    name: clean(nameOf(node)),
    title: oneLine(titleText(node), 240),
    tail: tails.filter(Boolean).join(' · '),
    model: isModel(node) ? say('you') : clean(node.model),
    own: own === null ? '' : tokensShort(own),
    sum: leaf ? '' : sums(sum),
    cost: paid === null ? '' : (leaf ? '' : '∑ ') + short(paid),
    costSaid:
      paid === null ? '' : leaf ? costText(paid) : say('%1 with everything below', costText(paid)),
    time: took === null ? '' : durationText(idle ? took.waiting : took.work),
    timeSaid: [
      took === null || took.waiting < LEAST_SAID ? '' : timeText(took),
      counts === null ? '' : medianText(counts),
    ]
      .filter(Boolean)
      .join(' · '),
    idle,
    counts,
    amiss: amissSigns(amiss),
    amissSaid: amissText(amiss),
  };
}

function ofGroup(group: Group): Told {
  const counts = tally(group.nodes);
  const status = counts.open
    ? 'running'
    : !counts.failed
      ? 'ok'
      : counts.done
        ? 'partial'
        : 'error';
  const models = new Set(group.nodes.map((node) => node.model));
  return {
    status,
    name: '',
    title: group.title,
    tail: goneText(counts),
    model: models.size === 1 ? clean([...models][0] ?? '') : plural(models.size, 'model'),
    own: '',
    sum: sums(counts.total),
    cost: counts.total.calls ? `∑ ${short(counts.total)}` : '',
    costSaid: counts.total.calls ? costText(counts.total) : '',
    time: counts.median === null ? '' : say('~ %1', durationText(counts.median)),
    counts,
    timeSaid: medianText(counts),
    idle: false,
    amiss: amissSigns(amissIn(counts)),
    amissSaid: amissText(amissIn(counts)),
  };
}

const kept = new WeakMap<TreeNode, { below: number; counts: Tally }>();

/** The tally of a batch, counted again only where something below it changed. */
export function tallied(tree: RunTree, node: TreeNode): Tally {
  const before = kept.get(node);
  if (before !== undefined && before.below === node.below) {
    return before.counts;
  }
  const counts = tally(tree.children(node));
  const toCome = node.ended === null ? Math.max(node.size - node.children.length, 0) : 0;
  counts.open += toCome;
  kept.set(node, { below: node.below, counts });
  return counts;
}
