import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesAt, forkPlace, meant } from '../src/core/forks.js';
import { Store } from '../src/core/store.js';
import { RunTree } from '../src/core/tree.js';
import type { Event } from '../src/protocol.js';
import { FakeKernel, runInfo } from '../perf/replay.js';

const EVENTS: Event[] = [
  { type: 'run.started', node: 'run1', question: 'Q' },
  { type: 'turn.started', node: 'turn1', parent: 'run1', number: 1 },
  { type: 'call.started', node: 'call1', parent: 'turn1', role: 'root' },
  { type: 'call.ended', node: 'call1', text: 'x' },
  { type: 'cell.proposed', node: 'cell1', parent: 'turn1', code: 'x = 1', number: 1 },
  { type: 'cell.started', node: 'cell1' },
  { type: 'call.started', node: 'call2', parent: 'cell1', role: 'sub', prompt: 'What?' },
  { type: 'call.ended', node: 'call2', text: 'This.' },
  { type: 'run.started', node: 'run2', parent: 'cell1', question: 'kid' },
  { type: 'turn.started', node: 'turn2', parent: 'run2', number: 1 },
  { type: 'cell.proposed', node: 'cell2', parent: 'turn2', code: 'y', number: 1 },
  { type: 'turn.ended', node: 'turn2' },
  { type: 'run.ended', node: 'run2', answer: 'k' },
  { type: 'cell.ended', node: 'cell1' },
  { type: 'turn.ended', node: 'turn1' },
  { type: 'turn.started', node: 'turn3', parent: 'run1', number: 2 },
];

function tree(): RunTree {
  const made = new RunTree();
  EVENTS.forEach((event, i) => made.apply({ seq: i + 1, time: i, event }));
  return made;
}

function placeOf(id: string): number | null {
  const made = tree();
  const node = made.get(id);
  assert.ok(node);
  return forkPlace(made, 'run1', node)?.turn ?? null;
}

test('a run is forked in its own turns that are whole, and from its start', () => {
  const places = ['run1', 'turn1', 'cell1', 'call2'].map(placeOf);
  assert.deepEqual(places, [0, 1, 1, 1]);
  // A child's turn is none of the run's own, and one that goes on isn't whole.
  assert.deepEqual(['turn2', 'cell2', 'turn3'].map(placeOf), [null, null, null]);
});

test('a turn may have other code, other replies, and tell the model something else', () => {
  const made = tree();
  const [turn, cell, call] = ['turn1', 'cell1', 'call2'].map((id) => made.get(id));
  assert.ok(turn && cell && call);
  const changes = changesAt(made, { turn: 1, node: turn });
  assert.deepEqual(
    changes.map(({ change, node }) => [change, node]),
    [
      ['', ''],
      ['code', 'cell1'],
      ['told', ''],
      ['reply', 'call2'],
    ],
  );
  assert.equal(meant(changes, turn)?.change, '');
  assert.equal(meant(changes, cell)?.change, 'code');
  assert.equal(meant(changes, call)?.change, 'reply');
});

test('a branch that has begun is there at once, and a refusal says why', async () => {
  const kernel = new FakeKernel();
  kernel.add({ info: runInfo('r', { ended: true }), log: [], texts: new Map() });
  const store = new Store(kernel);
  await store.sync();
  const request = { run: 'r', turn: 1, change: '', node: '', text: '', model: '' };
  const reply = await store.fork(request);
  assert.equal(reply.info?.branch_of, 'r');
  assert.ok(store.info(reply.info?.run ?? ''));
  kernel.refuses = 'No turn 9.';
  assert.equal((await store.fork(request)).message, 'No turn 9.');
});
