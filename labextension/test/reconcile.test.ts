/** What the reconciler does, told as situations in a notebook. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOTHING_AMISS } from '../src/core/node.js';
import {
  type Action,
  type CellFacts,
  type CellMeta,
  keyOf,
  type Memory,
  newMemory,
  next,
  type NotebookCell,
  place,
  type RunView,
  type World,
} from '../src/core/reconcile.js';
import { digest, isUntouched } from '../src/core/transcript.js';
import type { PendingInfo, RunInfo } from '../src/protocol.js';

const RUN = 'r1';

function cell(id: string, more: Partial<NotebookCell> = {}): NotebookCell {
  return {
    id,
    source: '',
    meta: null,
    editing: false,
    running: false,
    outputs: 0,
    text: '',
    open: [],
    ...more,
  };
}

function ours(id: string, node: string, more: Partial<NotebookCell> = {}, run = RUN): NotebookCell {
  const meta: CellMeta = { run, cell: node, author: 'model', status: 'proposed' };
  return cell(id, { source: 'x = 1', meta, ...more });
}

function pending(more: Partial<PendingInfo> = {}): PendingInfo {
  return {
    cell: 'c1',
    code: 'x = 1',
    number: 1,
    turn: 1,
    asks: true,
    decided: false,
    held_by: '',
    leased_by: '',
    executing: false,
    estimate: {},
    ...more,
  };
}

function info(more: Partial<RunInfo> = {}): RunInfo {
  return {
    run: RUN,
    name: 'ans',
    node: 'run1',
    question: 'Q',
    phase: 'proposed',
    reason: '',
    ended: false,
    answer: null,
    mode: 'step',
    where: 'shell',
    sandbox: 'none',
    folder: '',
    model: 'm',
    executor: 'notebook',
    anchor: 'a',
    session: 'mine',
    seq: 1,
    started: 1,
    pending: null,
    asking: null,
    budget: {},
    in_flight: 0,
    questions: 0,
    interrupting: false,
    recorded: false,
    branch_of: '',
    branch_turn: 0,
    ...more,
  };
}

function facts(more: Partial<CellFacts> = {}): CellFacts {
  return {
    cell: 'c1',
    number: 1,
    turn: 1,
    author: 'model',
    code: 'x = 1',
    place: '',
    decision: 'approve',
    by: 'auto',
    edited: null,
    reason: '',
    refusal: '',
    started: true,
    endedAt: 1000,
    status: 'ok',
    model: 'm',
    calls: 0,
    amiss: NOTHING_AMISS,
    tokens: 0,
    cost: 0,
    output: { text: '', chars: 0, result: null, error: null, traceback: '' },
    ...more,
  };
}

function world(runs: RunView[], cells: NotebookCell[], more: Partial<World> = {}): World {
  const memory = newMemory();
  runs.forEach((run) => memory.claimed.add(run.info.run));
  return {
    now: 100_000,
    client: 'me',
    session: 'mine',
    starting: false,
    cells,
    runs,
    memory,
    ...more,
  };
}

function leased(...cells: string[]): Memory {
  const memory = newMemory();
  memory.claimed.add(RUN);
  cells.forEach((one) => memory.leases.set(keyOf(RUN, one), 200_000));
  return memory;
}

const one = (more: Partial<RunInfo>, ...cells: CellFacts[]): RunView[] => [
  { info: info(more), cells },
];

function does(action: Action | null): string {
  return action === null ? 'nothing' : action.do;
}

test('a run of this notebook is claimed first, one of another notebook never', () => {
  const fresh = world(one({ pending: pending() }), [cell('a')], { memory: newMemory() });
  assert.deepEqual(next(fresh), { do: 'claim', run: RUN });
  const foreign = one({ pending: pending(), anchor: 'elsewhere', session: 'theirs' });
  assert.equal(next(world(foreign, [cell('a')], { memory: newMemory() })), null);
});

test('a run without anchor and session belongs where %%rlm is being executed', () => {
  const runs = one({ pending: pending(), anchor: '', session: '' });
  const memory = newMemory();
  assert.equal(next(world(runs, [cell('a')], { memory })), null);
  assert.equal(does(next(world(runs, [cell('a')], { memory, starting: true }))), 'claim');
});

test('a session is no run', () => {
  const runs = one({ phase: 'session', anchor: '', session: '' });
  assert.equal(next(world(runs, [cell('a')], { memory: newMemory(), starting: true })), null);
});

test('a proposal is placed under the cell that began its run, with the lease only', () => {
  const runs = one({ pending: pending() });
  const cells = [cell('a'), cell('z')];
  assert.equal(does(next(world(runs, cells))), 'lease');
  const action = next(world(runs, cells, { memory: leased('c1') }));
  assert.equal(action?.do, 'insert');
  assert.ok(action.do === 'insert' && action.index === 1 && action.meta.cell === 'c1');
});

test('a refused lease is waited for', () => {
  const memory = leased();
  memory.later.set(keyOf(RUN, 'c1'), 101_500);
  const action = next(world(one({ pending: pending() }), [cell('a')], { memory }));
  assert.deepEqual(action, { do: 'wait', until: 101_500 });
});

test('a proposal that asks is left to the person', () => {
  const memory = leased('c1');
  const runs = one({ pending: pending() });
  assert.equal(next(world(runs, [cell('a'), ours('b', 'c1')], { memory })), null);
});

test('one that does not ask is run, once', () => {
  const memory = leased('c1');
  const runs = one({ pending: pending({ asks: false }), mode: 'auto' });
  const cells = [cell('a'), ours('b', 'c1')];
  assert.equal(does(next(world(runs, cells, { memory }))), 'run');
  memory.ran.set(keyOf(RUN, 'c1'), { tries: 1, under: true, at: 100_000 });
  assert.equal(next(world(runs, cells, { memory })), null);
  const executing = one({ pending: pending({ asks: false, executing: true }) });
  assert.equal(next(world(executing, cells, { memory: leased('c1') })), null);
});

test('an execution that the kernel dropped is tried again, but not for ever', () => {
  const memory = leased('c1');
  const runs = one({ pending: pending({ asks: false }) });
  const cells = [cell('a'), ours('b', 'c1')];
  memory.ran.set(keyOf(RUN, 'c1'), { tries: 1, under: false, at: 99_500 });
  assert.equal(does(next(world(runs, cells, { memory }))), 'wait');
  assert.equal(does(next(world(runs, cells, { memory, now: 101_000 }))), 'run');
  memory.ran.set(keyOf(RUN, 'c1'), { tries: 3, under: false, at: 0 });
  assert.equal(next(world(runs, cells, { memory })), null);
});

test('nothing runs in the notebook while a waiting cell executes the cells', () => {
  const runs = one({ pending: pending({ asks: false }), executor: 'inline' });
  const cells = [cell('a'), ours('b', 'c1')];
  assert.equal(next(world(runs, cells, { memory: leased('c1') })), null);
});

test('a proposal that was run just before another cell began to execute the cells is decided', () => {
  const memory = leased('c1');
  memory.pressed.set(keyOf(RUN, 'c1'), 'x = 2');
  const cells = [cell('a'), ours('b', 'c1', { running: true, source: 'x = 2' })];
  const inline = one({ pending: pending({}), executor: 'inline' });
  const decide = { do: 'decide', run: RUN, cell: 'c1', source: 'x = 2' };
  assert.deepEqual(next(world(inline, cells, { memory })), decide);
  const decided = one({ pending: pending({ decided: true }), executor: 'inline' });
  assert.equal(next(world(decided, cells, { memory })), null);
  assert.equal(next(world(one({ pending: pending({}) }), cells, { memory })), null);
});

test('auto waits for a person who is in the cell or has changed it, and goes on after', () => {
  const memory = leased('c1');
  const auto = (more: Partial<PendingInfo>): RunView[] =>
    one({ pending: pending({ asks: false, ...more }), mode: 'auto' });
  const inside = [cell('a'), ours('b', 'c1', { editing: true })];
  const changed = [cell('a'), ours('b', 'c1', { source: 'x = 2' })];
  const left = [cell('a'), ours('b', 'c1')];
  const on = { do: 'hold', run: RUN, cell: 'c1', on: true };
  assert.deepEqual(next(world(auto({}), inside, { memory })), on);
  assert.deepEqual(next(world(auto({}), changed, { memory })), on);
  // Held, the kernel counts it as asking: that must not end the hold.
  const held = auto({ held_by: 'me', asks: true });
  assert.equal(does(next(world(held, changed, { memory }))), 'wait');
  assert.deepEqual(next(world(held, left, { memory })), { ...on, on: false });
});

test('the hold of a page that is gone ends with its lease', () => {
  const runs = one({ pending: pending({ asks: false, held_by: 'gone' }) });
  const cells = [cell('a'), ours('b', 'c1')];
  assert.equal(does(next(world(runs, cells))), 'lease');
  const action = next(world(runs, cells, { memory: leased('c1') }));
  assert.deepEqual(action, { do: 'hold', run: RUN, cell: 'c1', on: false });
});

test('what was decided elsewhere with other code is put into the cell before it runs', () => {
  const memory = leased('c1');
  const runs = one({ pending: pending({ decided: true, code: 'x = 3' }) });
  const cells = [cell('a'), ours('b', 'c1', { source: 'x = 1' })];
  assert.deepEqual(next(world(runs, cells, { memory })), {
    do: 'source',
    id: 'b',
    source: 'x = 3',
  });
  const same = [cell('a'), ours('b', 'c1', { source: 'x = 3' })];
  assert.equal(does(next(world(runs, same, { memory }))), 'run');
});

test('a run is claimed again when the kernel went on by itself', () => {
  const runs = one({ executor: 'background' });
  assert.deepEqual(next(world(runs, [cell('a')])), { do: 'claim', run: RUN });
});

test('a rejected cell goes away; one that was edited stays and says so', () => {
  const rejected = facts({
    decision: 'reject',
    status: '',
    started: false,
    endedAt: 0,
    reason: 'no',
  });
  const runs = one({ phase: 'thinking' }, rejected);
  const untouched = [cell('a'), ours('b', 'c1')];
  assert.deepEqual(next(world(runs, untouched)), { do: 'remove', id: 'b' });
  const action = next(world(runs, [cell('a'), ours('b', 'c1', { source: 'x = 2' })]));
  assert.ok(action?.do === 'describe');
  assert.equal(action.meta.status, 'rejected');
  assert.equal(action.meta.proposed, 'x = 1');
});

test('a cell that is over is described once', () => {
  const runs = one(
    { phase: 'thinking' },
    facts({ decision: 'edit', edited: 'x = 2', by: 'notebook' }),
  );
  const action = next(world(runs, [cell('a'), ours('b', 'c1', { source: 'x = 2' })]));
  assert.ok(action?.do === 'describe');
  assert.equal(action.meta.proposed, 'x = 1');
  const after = ours('b', 'c1', { source: 'x = 2', meta: action.meta });
  assert.equal(next(world(runs, [cell('a'), after])), null);
});

test('outputs that never came are shown from the events; real ones stay', () => {
  const output = { text: 'hello\n', chars: 6, result: null, error: null, traceback: '' };
  const runs = one({ phase: 'thinking' }, facts({ output }));
  const empty = [cell('a'), ours('b', 'c1')];
  assert.equal(does(next(world(runs, empty))), 'outputs');
  // They may still be on their way.
  assert.equal(does(next(world(runs, empty, { now: 1500 }))), 'wait');
  const partly = [cell('a'), ours('b', 'c1', { outputs: 1, text: 'hel' })];
  assert.equal(does(next(world(runs, partly))), 'outputs');
  const rich = [cell('a'), ours('b', 'c1', { outputs: 1, text: null })];
  assert.equal(does(next(world(runs, rich))), 'describe');
  const other = [cell('a'), ours('b', 'c1', { outputs: 1, text: 'other' })];
  assert.equal(does(next(world(runs, other))), 'describe');
});

test('an output that a person clears does not come back', () => {
  const output = { text: 'hello\n', chars: 6, result: null, error: null, traceback: '' };
  const runs = one({ phase: 'thinking' }, facts({ output }));
  const full = ours('b', 'c1', { outputs: 1, text: 'hello\n' });
  const action = next(world(runs, [cell('a'), full]));
  assert.ok(action?.do === 'describe');
  const cleared = ours('b', 'c1', { meta: action.meta });
  assert.equal(next(world(runs, [cell('a'), cleared])), null);
});

test('cells that ran before they could be placed are shown in their order', () => {
  const first = facts({ cell: 'c1' });
  const second = facts({ cell: 'c2', number: 2, code: 'y = 2' });
  const runs = one({ phase: 'thinking', executor: 'inline' }, first, second);
  const action = next(world(runs, [cell('a'), cell('z')], { memory: leased('c1', 'c2') }));
  assert.ok(action?.do === 'insert' && action.cell === 'c1' && action.index === 1);
  // A run that is over has no leases; the page that began it shows what it missed.
  const over = one({ ended: true, phase: 'done' }, first, second);
  assert.equal(does(next(world(over, [cell('a')]))), 'insert');
  assert.equal(next(world(over, [cell('a')], { session: 'other' })), null);
});

test('a cell that ran before it could be placed comes before the next proposal', () => {
  const cells = [facts({ cell: 'c1' }), facts({ cell: 'c2', number: 2, code: 'y = 2' })];
  const third = pending({ cell: 'c3', number: 3, asks: false, executing: true });
  const runs = one({ executor: 'inline', pending: third }, ...cells);
  const memory = leased('c1', 'c2', 'c3');
  const action = next(world(runs, [cell('a'), ours('b', 'c1')], { memory }));
  assert.ok(action?.do === 'insert' && action.cell === 'c2' && action.index === 2);
  const both = [cell('a'), ours('b', 'c1'), ours('c', 'c2')];
  const after = next(world(runs, both, { memory }));
  assert.ok(after?.do === 'insert' && after.cell === 'c3' && after.index === 3);
});

test('a cell of another run with the same id says nothing about this one', () => {
  const memory = leased('c1');
  memory.seen.add(keyOf('old', 'c1'));
  memory.ran.set(keyOf('old', 'c1'), { tries: 1, under: true, at: 0 });
  const runs = one({ phase: 'thinking' }, facts({ cell: 'c1' }));
  const cells = [cell('a'), ours('b', 'c1', {}, 'old')];
  assert.equal(does(next(world(runs, cells, { memory }))), 'insert');
  const auto = one({ pending: pending({ asks: false }) });
  assert.equal(does(next(world(auto, [...cells, ours('c', 'c1')], { memory }))), 'run');
});

test('a cell that a person removed stays away', () => {
  const memory = leased('c1', 'c2');
  const runs = one({ phase: 'thinking' }, facts({ cell: 'c1' }));
  memory.seen.add(keyOf(RUN, 'c1'));
  assert.equal(next(world(runs, [cell('a')], { memory })), null);
  // And after a reload, when nothing is remembered: it is before the last one that is there.
  const both = one({ phase: 'thinking' }, facts({ cell: 'c1' }), facts({ cell: 'c2', number: 2 }));
  const described = next(world(both, [cell('a'), ours('b', 'c2')], { memory: leased('c1', 'c2') }));
  assert.equal(does(described), 'describe');
});

test('what a person wrote during a take-over gets its authorship', () => {
  const human = facts({ cell: 'h1', author: 'human', place: 'z', number: 0, by: 'human' });
  const runs = one({ phase: 'taken over' }, human);
  const action = next(world(runs, [cell('a'), cell('z', { source: 'y' })]));
  assert.ok(action?.do === 'describe' && action.id === 'z');
  assert.equal(action.meta.author, 'human');
});

test('a finished transcript of another kernel is left alone', () => {
  const cells = [cell('a'), ours('b', 'c1', {}, 'old'), ours('c', 'c2', {}, 'old')];
  assert.equal(next(world([], cells)), null);
});

test('the same cell run again: its new cells go below its old transcript', () => {
  const cells = [cell('a'), ours('b', 'c1', {}, 'old'), ours('c', 'c2', {}, 'old'), cell('z')];
  assert.equal(place(cells, info()), 3);
  assert.equal(place([...cells.slice(0, 3), ours('d', 'c1'), cell('z')], info()), 4);
});

test('without the cell that began it a proposal goes to the end, above an empty last cell', () => {
  const gone = info({ anchor: 'gone' });
  const written = cell('q', { source: 'y = 2' });
  assert.equal(place([written], gone), 1);
  assert.equal(place([written, cell('z')], gone), 1);
  assert.equal(place([written, cell('z', { outputs: 1 })], gone), 2);
});

test('that a cell ran again as plain code is kept in what it says', () => {
  const told = next(world(one({ ended: true }, facts()), [cell('a'), ours('b', 'c1')]));
  assert.ok(told?.do === 'describe' && told.meta.again === undefined);
  const meta = { ...told.meta, again: true };
  const again = world(one({ ended: true }, facts()), [cell('a'), ours('b', 'c1', { meta })]);
  assert.equal(next(again), null);
});

test('of an old run the cells count as untouched that are as it left them', () => {
  const describedAs = (more: Partial<CellFacts>): CellMeta => {
    const told = next(
      world(
        [{ info: info({ ended: true, phase: 'done' }), cells: [facts(more)] }],
        [ours('b', 'c1', { source: more.edited ?? 'x = 1' })],
      ),
    );
    assert.ok(told?.do === 'describe');
    return told.meta;
  };
  assert.equal(isUntouched(describedAs({}), 'x = 1'), true);
  assert.equal(isUntouched(describedAs({}), 'x = 2'), false);
  assert.equal(isUntouched(describedAs({ edited: 'x = 2' }), 'x = 2'), true);
  assert.equal(isUntouched(describedAs({ author: 'human', place: 'b' }), 'x = 1'), false);
  assert.equal(isUntouched({ run: RUN, cell: 'c1' }, 'x = 1'), false, 'unknown is not untouched');
  assert.notEqual(digest('a b'), digest('b a'));
});

const OPEN = { open: [{ at: 0, run: RUN }] };
const over = (more: Partial<RunInfo> = {}): RunView[] =>
  one({ phase: 'done', ended: true, seq: 9, ...more });

test('a display that stayed behind is shown as the run is, when it is over', () => {
  const action = next(world(over(), [cell('a', OPEN)]));
  assert.deepEqual(action, { do: 'show', run: RUN, id: 'a', seq: 9 });
  assert.equal(next(world(over(), [cell('a')])), null, 'a final one stays');
  assert.equal(next(world(over(), [cell('a'), cell('b', OPEN)])), null, 'only of the anchor');
  const other = { open: [{ at: 0, run: 'r0' }] };
  assert.equal(next(world(over(), [cell('a', other)])), null, 'only of this run');
});

test('a page that executed the cell is left the time its update takes', () => {
  const memory = newMemory();
  memory.executed.add('a');
  memory.over.set(RUN, 99_000);
  const cells = [cell('a', OPEN)];
  assert.deepEqual(next(world(over(), cells, { memory })), { do: 'wait', until: 100_500 });
  assert.equal(does(next(world(over(), cells, { memory, now: 100_500 }))), 'show');
});

test('while the run goes on a page that gets no updates asks at most every two seconds', () => {
  const memory = newMemory();
  memory.claimed.add(RUN);
  const runs = (seq: number) => one({ phase: 'thinking', seq });
  const cells = [cell('a', OPEN)];
  assert.equal(does(next(world(runs(3), cells, { memory }))), 'show');
  memory.shown.set(RUN, { at: 99_000, seq: 3 });
  assert.equal(next(world(runs(3), cells, { memory })), null, 'nothing is new');
  assert.deepEqual(next(world(runs(4), cells, { memory })), { do: 'wait', until: 101_000 });
  memory.executed.add('a');
  assert.equal(next(world(runs(4), cells, { memory, now: 102_000 })), null);
});

test('what is not shown to us is not asked for again', () => {
  const memory = newMemory();
  memory.shown.set(RUN, { at: Infinity, seq: 9 });
  const action = next(world(over(), [cell('a', OPEN)], { memory }));
  assert.equal(action, null);
});

test('a page that was saved with the proposal and loaded again shows what ran instead', () => {
  const edited = facts({ decision: 'edit', by: 'notebook', edited: 'x = 2' });
  const saved = ours('b', 'c1');
  assert.deepEqual(next(world(one({}, edited), [cell('a'), saved])), {
    do: 'source',
    id: 'b',
    source: 'x = 2',
  });
  const typing = ours('b', 'c1', { editing: true });
  assert.notEqual(does(next(world(one({}, edited), [cell('a'), typing]))), 'source');
});

test('outputs that are missing are put in by the page that started the run, before others', () => {
  const ran = facts({ endedAt: 99_000, output: { ...facts().output, text: 'hi\n', chars: 3 } });
  const at = { now: 100_600 };
  const here = world(one({}, ran), [cell('a'), ours('b', 'c1')], at);
  assert.equal(does(next(here)), 'outputs');
  const there = world(one({}, ran), [cell('a'), ours('b', 'c1')], { ...at, session: 'other' });
  assert.deepEqual(next(there), { do: 'wait', until: 102_500 });
});
