import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axis, waitSpans } from '../src/core/axis.js';
import { timeText } from '../src/core/format.js';
import { icicle } from '../src/core/icicle.js';
import type { TreeNode } from '../src/core/node.js';
import { RunTree } from '../src/core/tree.js';
import { timeOf } from '../src/core/waits.js';
import type { Event } from '../src/protocol.js';

function treeOf(...events: [time: number, event: Event][]): RunTree {
  const tree = new RunTree();
  events.forEach(([time, event], i) => tree.apply({ seq: i + 1, time, event }));
  return tree;
}

function at(tree: RunTree, id: string): TreeNode {
  const node = tree.get(id);
  assert.ok(node, id);
  return node;
}

const RUN: Event = { type: 'run.started', node: 'run1' };
const TURN: Event = { type: 'turn.started', node: 'turn1', parent: 'run1', number: 1 };
const CELL: Event = { type: 'cell.proposed', node: 'cell1', parent: 'turn1', code: 'x = 1' };
const BEGUN: Event = { type: 'cell.started', node: 'cell1' };

/** Thinks 10 s, waits 180 s to be decided, runs 12 s. */
function decided(): RunTree {
  return treeOf(
    [0, RUN],
    [0, TURN],
    [10, CELL],
    [190, { type: 'cell.decided', node: 'cell1', by: 'you' }],
    [190, BEGUN],
    [202, { type: 'cell.ended', node: 'cell1', seconds: 12 }],
    [202, { type: 'turn.ended', node: 'turn1' }],
    [202, { type: 'run.ended', node: 'run1', seconds: 202 }],
  );
}

test('the time until a person decides is waiting, not work, of the turn and the run', () => {
  const tree = decided();
  for (const id of ['turn1', 'run1']) {
    assert.deepEqual(timeOf(at(tree, id), 999), { work: 22, waiting: 180 }, id);
  }
  assert.deepEqual(timeOf(at(tree, 'cell1'), 999), { work: 12, waiting: 0 });
  assert.equal(timeText({ work: 22, waiting: 180 }), '22 s + 3 min 00 s waiting for you');
  assert.equal(timeText({ work: 22, waiting: 0 }), '22 s');
});

test('in a bar the waiting is where it was', () => {
  const tree = decided();
  const [wait, ...more] = waitSpans(at(tree, 'run1'), axis(tree, 999, true));
  assert.ok(wait);
  assert.ok(Math.abs(wait.left - 10 / 202) < 1e-9);
  assert.ok(Math.abs(wait.width - 180 / 202) < 1e-9);
  assert.deepEqual(more, []);
  assert.deepEqual(waitSpans(at(tree, 'cell1'), axis(tree, 999, true)), []);
});

test('the icicle by time is sized by work', () => {
  const tree = decided();
  const { boxes, total } = icicle(tree, 'time', undefined, 0, 999);
  assert.equal(total, 22);
  assert.equal(boxes.find((box) => box.node.id === 'cell1')?.value, 12);
});

test('calls that wait to be allowed, questions, a person as the model, and a pause wait, too', () => {
  const asks: [string, Event, Event][] = [
    [
      'calls',
      { type: 'calls.proposed', node: 'cell1', ask: 'ask1', calls: 9 },
      { type: 'calls.decided', node: 'cell1', ask: 'ask1' },
    ],
    [
      'question',
      { type: 'call.started', node: 'call1', parent: 'cell1', role: 'human', model: 'human' },
      { type: 'call.ended', node: 'call1', text: 'yes' },
    ],
    [
      'model',
      { type: 'call.started', node: 'call1', parent: 'cell1', role: 'sub', model: 'human' },
      { type: 'call.ended', node: 'call1', text: 'yes' },
    ],
    [
      'pause',
      { type: 'run.phase', node: 'run1', phase: 'paused' },
      { type: 'run.phase', node: 'run1', phase: 'thinking' },
    ],
  ];
  for (const [what, from, to] of asks) {
    const tree = treeOf([0, RUN], [0, TURN], [0, CELL], [0, BEGUN], [5, from]);
    assert.deepEqual(timeOf(at(tree, 'run1'), 25), { work: 5, waiting: 20 }, `${what} goes on`);
    tree.apply({ seq: 99, time: 65, event: to });
    assert.deepEqual(timeOf(at(tree, 'run1'), 70), { work: 10, waiting: 60 }, what);
  }
});

test('two that wait at once wait once', () => {
  const ask = (id: string): Event => ({
    type: 'call.started',
    node: id,
    parent: 'cell1',
    role: 'human',
  });
  const tree = treeOf(
    [0, RUN],
    [0, TURN],
    [0, CELL],
    [0, BEGUN],
    [10, ask('call1')],
    [20, ask('call2')],
    [30, { type: 'call.ended', node: 'call1' }],
    [50, { type: 'call.ended', node: 'call2' }],
  );
  assert.deepEqual(timeOf(at(tree, 'run1'), 60), { work: 20, waiting: 40 });
});

test('what is decided by itself waited for nobody, however often', () => {
  const tree = treeOf([0, RUN]);
  for (let n = 1; n <= 500; n += 1) {
    const node = `cell${n}`;
    tree.apply({ seq: 0, time: n, event: { type: 'cell.proposed', node, parent: 'run1' } });
    tree.apply({ seq: 0, time: n + 0.5, event: { type: 'cell.decided', node } });
  }
  assert.deepEqual(timeOf(at(tree, 'run1'), 501), { work: 501, waiting: 0 });
  assert.deepEqual(at(tree, 'run1').waits?.list, [], 'and nothing of it is kept');
});

test('what went on by itself doesn’t end, nor take away, what waits for a person beside it', () => {
  const tree = treeOf(
    [0, RUN],
    [0, TURN],
    [0, CELL],
    [0, { type: 'cell.decided', node: 'cell1' }],
    [0, BEGUN],
    [10, { type: 'call.started', node: 'call1', parent: 'cell1', role: 'human' }],
    [12, { type: 'run.started', node: 'run2', parent: 'cell1' }],
    [12, { type: 'cell.proposed', node: 'cell2', parent: 'run2' }],
    [30, { type: 'call.ended', node: 'call1' }],
    [35, { type: 'cell.decided', node: 'cell2', by: 'auto' }],
  );
  assert.deepEqual(timeOf(at(tree, 'run1'), 50), { work: 30, waiting: 20 });
  assert.deepEqual(timeOf(at(tree, 'run2'), 50), { work: 38, waiting: 0 });
});

test('a run that ends while it waits, waited until then', () => {
  const tree = treeOf([0, RUN], [0, TURN], [10, CELL], [40, { type: 'run.ended', node: 'run1' }]);
  assert.deepEqual(timeOf(at(tree, 'run1'), 9999), { work: 10, waiting: 30 });
});

test('a node that is hung below another late brings its waiting with it', () => {
  const tree = treeOf(
    [0, RUN],
    [10, CELL],
    [30, { type: 'cell.decided', node: 'cell1', by: 'you' }],
    [40, TURN],
  );
  assert.deepEqual(timeOf(at(tree, 'run1'), 50), { work: 30, waiting: 20 });
});
