import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Filter, Matcher, NO_FILTER } from '../src/core/filter.js';
import { tally, tallyText } from '../src/core/groups.js';
import { Rows } from '../src/core/rows.js';
import { RunTree } from '../src/core/tree.js';
import type { Event } from '../src/protocol.js';

function treeOf(events: Event[]): RunTree {
  const tree = new RunTree();
  events.forEach((event, i) => tree.apply({ seq: i + 1, time: 1000 + i, event }));
  return tree;
}

function call(id: string, parent: string, more: object = {}, ended: object | null = {}): Event[] {
  const start: Event = { type: 'call.started', node: id, parent, prompt: `about ${id}`, ...more };
  return ended === null ? [start] : [start, { type: 'call.ended', node: id, ...ended }];
}

/** A run of two turns: a batch of six, then seven calls from one line, then one that failed. */
function sample(): RunTree {
  const six = [1, 2, 3, 4, 5, 6];
  return treeOf([
    { type: 'run.started', node: 'run1', question: 'Q' },
    { type: 'turn.started', node: 'turn1', parent: 'run1', number: 1 },
    { type: 'cell.proposed', node: 'cell1', parent: 'turn1', code: 'x = 1', number: 1 },
    { type: 'batch.started', node: 'batch1', parent: 'cell1', size: 6, line: 2 },
    ...six.flatMap((n) =>
      call(
        `call${n}`,
        'batch1',
        { index: n - 1 },
        { usage: { calls: 1, cost: n / 10, known_cost: n / 10 } },
      ),
    ),
    { type: 'turn.started', node: 'turn2', parent: 'run1', number: 2 },
    { type: 'cell.proposed', node: 'cell2', parent: 'turn2', code: 'y = 2', number: 2 },
    ...[7, 8, 9, 10, 11, 12, 13].flatMap((n) => call(`call${n}`, 'cell2', { line: 3 })),
    ...call('call14', 'cell2', { line: 9 }, { status: 'error', error: 'It broke.' }),
  ]);
}

const all = { focus: null, open: new Map<string, boolean>(), matches: null };
const keys = (rows: Rows) => rows.list.map((row) => row.key);

test('rows come parents first; batches and calls that are alike are closed at first', () => {
  const rows = new Rows();
  rows.update(sample(), all);
  const shown = 'run1 turn1 cell1 batch1 turn2 cell2 group:call7 call14'.split(' ');
  assert.deepEqual(keys(rows), shown);
  const group = rows.list[6];
  assert.equal(group?.group?.title, 'llm_query × 7, line 3');
  assert.deepEqual([group?.level, group?.place, group?.of], [4, 1, 2]);
});

test('rows keep their identity, so that what wasn’t touched isn’t drawn again', () => {
  const tree = sample();
  const rows = new Rows();
  const before = new Map(rows.update(tree, all).map((row) => [row.key, row]));
  tree.apply({
    seq: 99,
    time: 2000,
    event: { type: 'turn.started', node: 'turn3', parent: 'run1', number: 3 },
  });
  rows.update(tree, all);
  assert.equal(rows.at('turn3'), 8);
  assert.ok(rows.list.slice(0, 8).every((row) => before.get(row.key) === row));
});

test('what a person opened is open, and what is closed is not in the list', () => {
  const rows = new Rows();
  rows.update(sample(), {
    ...all,
    open: new Map([
      ['batch1', true],
      ['turn2', false],
    ]),
  });
  assert.equal(rows.at('call3'), 6);
  assert.equal(rows.at('cell2'), -1);
});

test('a node is found in the row that hides it', () => {
  const tree = sample();
  const rows = new Rows();
  rows.update(tree, { ...all, open: new Map([['turn1', false]]) });
  assert.equal(rows.showing(tree, 'call9'), 'group:call7');
  assert.equal(rows.showing(tree, 'call2'), 'turn1');
});

test('a part can be the top', () => {
  const rows = new Rows();
  rows.update(sample(), { ...all, focus: 'cell2' });
  assert.deepEqual(keys(rows), ['cell2', 'group:call7', 'call14']);
  assert.equal(rows.list[0]?.level, 1);
});

function filtered(change: Partial<Filter>): string[] {
  const tree = sample();
  const rows = new Rows();
  const matches = new Matcher({ ...NO_FILTER, ...change }).find(tree);
  rows.update(tree, { ...all, matches });
  return rows.list.filter((row) => !row.pale && row.node).map((row) => row.key);
}

test('a filter keeps what matches and what is above it', () => {
  const tree = sample();
  const rows = new Rows();
  const matches = new Matcher({ ...NO_FILTER, only: 'errors' }).find(tree);
  rows.update(tree, { ...all, matches });
  assert.deepEqual(keys(rows), ['run1', 'turn2', 'cell2', 'call14']);
  assert.deepEqual(
    rows.list.map((row) => row.pale),
    [true, true, true, false],
  );
});

test('filters by words, pattern, status, kind, cost, and the ten that cost most', () => {
  assert.deepEqual(filtered({ text: 'BROKE it' }), ['call14']);
  assert.deepEqual(filtered({ text: '/call[12]$/' }), ['call1', 'call2']);
  assert.deepEqual(filtered({ status: 'error', kind: 'call' }), ['call14']);
  assert.deepEqual(filtered({ minCost: 0.55, kind: 'call' }), ['call6']);
  assert.deepEqual(
    filtered({ only: 'costliest' }).sort(),
    ['call1', 'call2', 'call3', 'call4', 'call5', 'call6'].sort(),
  );
});

test('a solve and its steps are rows, found by their words, their kind and their puzzle', () => {
  const tree = treeOf([
    { type: 'cell.proposed', node: 'cell1', code: 'trm_solve(p)', number: 1 },
    { type: 'solve.started', node: 'solve1', parent: 'cell1', task: 'sudoku4', puzzle: '1 .' },
    { type: 'solve.step', node: 'step1', parent: 'solve1', number: 1, grid: '1 2', changed: 1 },
    { type: 'solve.ended', node: 'solve1', solved: true, steps: 1, calls: 4, seconds: 2 },
  ]);
  const rows = new Rows();
  assert.deepEqual(
    rows.update(tree, all).map((row) => [row.key, row.level]),
    [
      ['cell1', 1],
      ['solve1', 2],
      ['step1', 3],
    ],
  );
  const found = (change: Partial<Filter>) => [
    ...new Matcher({ ...NO_FILTER, ...change }).find(tree).matched,
  ];
  assert.deepEqual(found({ text: 'latent recursion' }), ['solve1']);
  assert.deepEqual(found({ text: '1 .', kind: 'solve' }), ['solve1']);
  assert.deepEqual(found({ kind: 'step' }), ['step1']);
  assert.deepEqual(found({ only: 'slowest' }), ['solve1']);
});

test('a pattern that isn’t one is said and hides nothing', () => {
  const matcher = new Matcher({ ...NO_FILTER, text: '/(/' });
  assert.notEqual(matcher.trouble, '');
  assert.equal(matcher.find(sample()).matched.size, sample().size);
});

test('what was found of a node is looked for again once it changes', () => {
  const tree = sample();
  const matcher = new Matcher({ ...NO_FILTER, text: 'rain' });
  assert.equal(matcher.find(tree).matched.size, 0);
  tree.apply({
    seq: 99,
    time: 2000,
    event: { type: 'cell.ended', node: 'cell2', output: 'much rain' },
  });
  assert.deepEqual([...matcher.find(tree).matched], ['cell2']);
});

test('a tally says counts, one duration, and the sum; an unknown price is never nothing', () => {
  const tree = treeOf([
    { type: 'batch.started', node: 'b', parent: '', size: 3 },
    ...call('a1', 'b', {}, { usage: { calls: 1, cost: 0.5, known_cost: 0.5 } }),
    ...call('a2', 'b', {}, { status: 'error', usage: { calls: 1, cost: null } }),
    ...call('a3', 'b', {}, null),
  ]);
  const batch = tree.get('b');
  assert.ok(batch);
  assert.equal(
    tallyText(tally(tree.children(batch))),
    '1 ✓ 1 ✗ 1 … · median 1.0 s · ∑ at least $0.50',
  );
});

test('a log that is nested without end has rows all the same', () => {
  const deep: Event[] = [{ type: 'run.started', node: 'n0' }];
  for (let i = 1; i < 2000; i += 1) {
    deep.push({ type: 'run.started', node: `n${i}`, parent: `n${i - 1}` });
  }
  const tree = treeOf(deep);
  const rows = new Rows();
  rows.update(tree, all);
  assert.equal(rows.list.length, 2000);
  assert.equal(rows.list[1999]?.level, 2000);
});

test("rows of another run with the same ids are that run's", () => {
  const rows = new Rows();
  const none = { focus: null, open: new Map(), matches: null };
  const asked = (question: string): RunTree =>
    treeOf([{ type: 'run.started', node: 'run1', question }]);
  rows.update(asked('FIRST?'), none);
  const second = asked('SECOND?');
  assert.equal(rows.update(second, none)[0]?.node, second.get('run1'));
});
