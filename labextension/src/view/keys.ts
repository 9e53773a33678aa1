import type { Row } from '../core/rows.js';
import type { Model } from './model.js';
import { backTo, placeOf } from './branches.js';
import { nameOf } from './person.js';
import { playerKey } from './playerbar.js';

/** What keys do while the tree has the focus, for the overlay that lists them. */
export const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ['↑ ↓', 'Row above, below'],
  ['→ ←', 'Open or go in; close or go out'],
  ['Home End', 'First row, last row'],
  ['PgUp PgDn', 'A page up, down'],
  ['* ', 'Open all siblings'],
  ['Enter', 'Details of the row'],
  ['Esc', 'Close what is open, leave the focus'],
  ['A', 'Run the proposal, or allow the calls'],
  ['E', 'Edit the proposal'],
  ['R', 'Reject with a reason'],
  ['S', 'Step'],
  ['Space', 'Pause or resume'],
  ['T', 'Take over or hand back'],
  ['X', 'Cancel the selected call, batch or child'],
  ['.', 'Stop the run (twice)'],
  ['P', 'Play the run as it was; then pause, or go on'],
  ['[ ]', 'While it is played: step back, step forward'],
  ['L', 'The run as it is now, instead of as it was'],
  ['B', 'Back to the turn of the row, as it was'],
  ['K', 'Fork at the row: a branch with a change'],
  ['F', 'Show only what is below the row'],
  ['/', 'Search'],
  ['1 2 3', 'Tree, icicle, cell'],
  ['?', 'These keys'],
];

const TYPING = 600;

/** Do what a key means for the tree; false where it means nothing here. */
export function gridKey(
  model: Model,
  event: KeyboardEvent,
  page: number,
  typed: { text: string; at: number },
): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return false;
  }
  if (event.key !== '.') {
    forgetStop(model);
  }
  const { list } = model.rows;
  const row = model.row ?? list[0];
  if (row === undefined) {
    return runKey(model, event);
  }
  const at = Math.max(model.rows.at(row.key), 0);
  const go = (index: number): boolean => {
    const to = list[Math.min(Math.max(index, 0), list.length - 1)];
    if (to !== undefined) {
      model.select(to.key, true);
    }
    return true;
  };
  const chosen = model.selected !== null;
  switch (event.key) {
    case 'ArrowDown':
      return go(chosen ? at + 1 : 0);
    case 'ArrowUp':
      return go(at - 1);
    case 'Home':
      return go(0);
    case 'End':
      return go(list.length - 1);
    case 'PageDown':
      return go(at + page);
    case 'PageUp':
      return go(at - page);
    case 'ArrowRight':
      if (row.expandable && !row.expanded) {
        model.toggle(row, true);
        return true;
      }
      return row.expandable ? go(at + 1) : true;
    case 'ArrowLeft':
      if (row.expandable && row.expanded && model.focus !== row.key) {
        model.toggle(row, false);
      } else if (row.parent !== null) {
        go(model.rows.at(row.parent));
      }
      return true;
    case '*':
      list.filter((one) => one.parent === row.parent).forEach((one) => model.toggle(one, true));
      return true;
    case 'Enter':
      model.select(row.key);
      model.showDetails(true);
      return true;
    default:
      return runKey(model, event) || typeAhead(model, event, at, typed, go);
  }
}

/** Keys for the run and the view, the same in each of the linked views. */
export function runKey(model: Model, event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return false;
  }
  const { info, waiting, node, player } = model;
  if (event.key !== '.') {
    forgetStop(model);
  }
  if (player !== null && playerKey(model, player, event)) {
    return true;
  }
  if (player !== null && event.key === ' ') {
    player.toggle();
    return true;
  }
  switch (event.key) {
    case 'p':
    case 'P':
      void model.play();
      return true;
    case 'b':
    case 'B':
      if (node !== undefined) {
        void backTo(model, node);
      }
      return true;
    case 'k':
    case 'K':
      if (node !== undefined && model.host.forks !== false && placeOf(model, node) !== null) {
        model.begin('fork', node.id);
      }
      return true;
    case 'a':
    case 'A':
      approve(model);
      return true;
    case 'e':
    case 'E':
      if (waiting !== undefined) {
        model.begin('edit', waiting.id);
      }
      return true;
    case 'r':
    case 'R':
      if (waiting !== undefined) {
        model.begin('reject', waiting.id);
      } else if (info?.asking) {
        model.begin('refuse', info.asking.cell);
      }
      return true;
    case 's':
    case 'S':
      void model.steer({ type: 'step' });
      return true;
    case ' ':
      void model.steer({ type: info?.phase === 'paused' ? 'resume' : 'pause' });
      return true;
    case 't':
    case 'T':
      if (info?.phase === 'taken over') {
        model.begin('hand back', info.node);
      } else {
        void model.steer({ type: 'take over' });
      }
      return true;
    case '.':
      stop(model);
      return true;
    case 'x':
    case 'X':
      if (node !== undefined && model.cancellable(node)) {
        void model.steer({ type: 'cancel', node: node.id });
      }
      return true;
    case 'f':
    case 'F':
      model.focusOn(model.focus === model.selected ? null : (node?.id ?? null));
      return true;
    case '1':
      model.setTab('tree');
      return true;
    case '2':
      model.setTab('icicle');
      return true;
    case '3':
      model.setTab('cell');
      return true;
    case '?':
      model.help = true;
      model.changed();
      return true;
    case 'Escape':
      if (model.details || model.doing !== null) {
        model.showDetails(false);
      } else if (model.focus !== null) {
        model.focusOn(null);
      } else if (player !== null && !info?.recorded) {
        model.asItIs();
      } else {
        return false;
      }
      return true;
    default:
      return false;
  }
}

/** Stop the run for good with the second press. */
export function stop(model: Model): void {
  if (model.sure || model.player !== null) {
    void model.steer({ type: 'stop' });
  } else if (model.info !== undefined && !model.info.ended) {
    model.announcer.say(model.trans('Stop for good?'));
    model.sure = true;
    model.changed();
    return;
  }
  forgetStop(model);
}

/** Stop nothing: a person did something else. */
export function forgetStop(model: Model): void {
  if (model.sure) {
    model.sure = false;
    model.changed();
  }
}

/** What a person has made of a proposal in the notebook, where they changed it. */
export function editedOf(model: Model, node: string): string | undefined {
  return model.run === null ? undefined : model.host.edited?.(model.run, node);
}

/** Approve what waits: the proposal, or the calls that want to be allowed. */
export function approve(model: Model): void {
  const { waiting, info } = model;
  if (waiting !== undefined) {
    const proposal = waiting.id;
    // Who changed the notebook's cell means that one, wherever they press Run.
    const code = editedOf(model, proposal);
    void model.steer(
      code === undefined ? { type: 'approve', proposal } : { type: 'edit', proposal, code },
    );
  } else if (info?.asking) {
    void model.steer({ type: 'approve', proposal: info.asking.ask });
  }
}

/** Go to the next row whose words begin with what is typed; letters with a meaning of their own aren't. */
function typeAhead(
  model: Model,
  event: KeyboardEvent,
  at: number,
  typed: { text: string; at: number },
  go: (index: number) => boolean,
): boolean {
  if (event.key.length !== 1 || event.key === '/') {
    return false;
  }
  const { list } = model.rows;
  const more = event.timeStamp - typed.at < TYPING;
  typed.text = (more ? typed.text : '') + event.key.toLowerCase();
  typed.at = event.timeStamp;
  for (let i = more ? 0 : 1; i <= list.length; i += 1) {
    const index = (at + i) % list.length;
    if (words(list[index] as Row).startsWith(typed.text)) {
      return go(index);
    }
  }
  return true;
}

function words(row: Row): string {
  const name = row.node === null ? '' : nameOf(row.node);
  const title = row.node?.title ?? row.group?.title ?? '';
  return `${name === '' ? '' : name + ' '}${title}`.toLowerCase();
}
