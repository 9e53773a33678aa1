import assert from 'node:assert/strict';
import { test } from 'node:test';
import { described } from '../src/core/described.js';
import { factsOf } from '../src/core/facts.js';
import { amissSigns } from '../src/core/format.js';
import { countsText, tally } from '../src/core/groups.js';
import { asked } from '../src/core/node.js';
import { RunTree } from '../src/core/tree.js';
import { amissLine, factsLine } from '../src/lab/words.js';
import type { Event } from '../src/protocol.js';
import { runInfo } from '../perf/replay.js';

const TRANS = {
  __: (text: string, ...values: unknown[]) =>
    text.replace(/%(\d)/g, (_, at: string) => String(values[Number(at) - 1])),
} as unknown as Parameters<typeof factsLine>[1];

function treeOf(...events: Event[]): RunTree {
  const tree = new RunTree();
  events.forEach((event, i) => tree.apply({ seq: i + 1, time: 1000 + i, event }));
  return tree;
}

const BEGUN: Event[] = [
  { type: 'run.started', node: 'run1', question: 'Q' },
  { type: 'turn.started', node: 'turn1', parent: 'run1', number: 1 },
  { type: 'cell.proposed', node: 'cell1', parent: 'turn1', code: 'x = 1', number: 1 },
  { type: 'cell.decided', node: 'cell1' },
  { type: 'cell.started', node: 'cell1' },
];

/** A batch of calls that end as they are told to. */
function batch(...ends: { status?: 'error' | 'cancelled'; error_kind?: string }[]): Event[] {
  return [
    { type: 'batch.started', node: 'batch1', parent: 'cell1', size: ends.length },
    ...ends.flatMap((end, i): Event[] => [
      { type: 'call.started', node: `call${i}`, parent: 'batch1', index: i },
      {
        type: 'call.ended',
        node: `call${i}`,
        usage: end.status ? {} : { calls: 1, cost: 0.01 },
        ...end,
      },
    ]),
  ];
}

/** What the header of the notebook cell says. */
function header(tree: RunTree): string {
  const info = runInfo('r', { node: 'run1' });
  const [facts] = factsOf(tree, info);
  assert.ok(facts);
  const meta = described(info, facts, 'x = 1');
  return `${meta.status} · ${amissLine(meta)} · ${factsLine(meta, TRANS)}`;
}

test('a cell that ran says which of its calls came to nothing', () => {
  const good = Array.from({ length: 117 }, () => ({}));
  const bad = Array.from({ length: 3 }, () => ({ status: 'error' as const, error_kind: 'rate' }));
  const tree = treeOf(...BEGUN, ...batch(...good, ...bad), { type: 'cell.ended', node: 'cell1' });
  const said = header(tree);
  assert.ok(said.startsWith('ok · 120 calls, 3 failed · '), said);
  assert.equal(said.match(/calls/g)?.length, 1, 'calls are said once');
  for (const id of ['run1', 'turn1', 'cell1', 'batch1']) {
    const node = tree.get(id);
    assert.ok(node);
    assert.equal(amissSigns(node.amiss), '3 ✗', id);
    assert.equal(asked(node), 120, id);
  }
});

test('failed, refused by the budget and cancelled are told apart, in the group as well', () => {
  const tree = treeOf(
    ...BEGUN,
    ...batch(
      {},
      { status: 'error', error_kind: 'timeout' },
      { status: 'error', error_kind: 'budget' },
      { status: 'error', error_kind: 'budget' },
      { status: 'cancelled', error_kind: 'cancelled' },
    ),
    { type: 'cell.ended', node: 'cell1' },
  );
  assert.ok(header(tree).includes('5 calls, 1 failed, 2 refused, 1 cancelled'), header(tree));
  const node = tree.get('batch1');
  assert.ok(node);
  assert.equal(countsText(tally(tree.children(node))), '1 ✓ 1 ✗ 2 ⊘ 1 ■');
});

test('calls that a person refused have no nodes and are told all the same', () => {
  const asked: Event[] = [
    { type: 'calls.proposed', node: 'cell1', ask: 'ask1', calls: 3 },
    { type: 'calls.decided', node: 'cell1', ask: 'ask1', decision: 'reject' },
  ];
  const tree = treeOf(...BEGUN, ...asked);
  assert.ok(header(tree).includes('running · 3 calls, 3 refused'), header(tree));
  tree.apply({ seq: 99, time: 1200, event: { type: 'cell.ended', node: 'cell1', refused: 8 } });
  assert.ok(header(tree).startsWith('ok · 8 calls, 8 refused'), header(tree));
});

test('where all went well nothing is added to what is said', () => {
  const tree = treeOf(...BEGUN, ...batch({}, {}), { type: 'cell.ended', node: 'cell1' });
  assert.ok(header(tree).startsWith('ok ·  · '), header(tree));
  assert.ok(header(tree).includes('2 calls'), header(tree));
  assert.deepEqual(
    Object.keys(
      described(runInfo('r', {}), factsOf(tree, runInfo('r', { node: 'run1' }))[0]!, ''),
    ).filter((key) => ['failed', 'refused', 'cancelled', 'children'].includes(key)),
    [],
  );
});

test('a child that failed is told of above it, also where its parent is told of late', () => {
  const tree = treeOf({ type: 'run.ended', node: 'run2', status: 'failed' }, ...BEGUN, {
    type: 'run.started',
    node: 'run2',
    parent: 'cell1',
    depth: 1,
  });
  assert.ok(header(tree).includes('1 child not done'), header(tree));
  assert.equal(tree.get('run2')?.amiss.children, 0);
});

test('a cell whose answer was not taken says so, and why', () => {
  const reason = 'The answer was not accepted: it is empty.';
  const given: Event = { type: 'answer.given', node: 'cell1', accepted: false, reason };
  const tree = treeOf(...BEGUN, { type: 'cell.ended', node: 'cell1' }, given);
  assert.ok(header(tree).startsWith(`ok · ${reason} · root`), header(tree));
});
