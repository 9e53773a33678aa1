import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Store } from '../src/core/store.js';
import { FakeKernel, runInfo } from '../perf/replay.js';
import type { Event } from '../src/protocol.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

function started(calls: number, from = 1): Event[] {
  return Array.from({ length: calls }, (_, i) => ({
    type: 'call.started',
    node: `call${from + i}`,
    parent: 'run1',
    prompt: 'P',
  }));
}

async function kernelWith(run = 'r', count = 3): Promise<[FakeKernel, Store]> {
  const kernel = new FakeKernel();
  kernel.add({ info: runInfo(run, { started: 1 }), log: [], texts: new Map() });
  kernel.emit(run, [{ type: 'run.started', node: 'run1' }, ...started(count)], 1000);
  const store = new Store(kernel, { page: 2 });
  await store.sync();
  return [kernel, store];
}

test('a run that nobody shows costs no events', async () => {
  const [kernel, store] = await kernelWith();
  await settled();
  assert.equal(store.runs.length, 1);
  assert.equal(store.tree('r'), undefined);
  kernel.emit('r', started(1, 9), 1001);
  assert.deepEqual(
    kernel.asked.map((one) => one.type),
    ['sync'],
  );
});

test('a shown run is fetched page by page, then followed', async () => {
  const [kernel, store] = await kernelWith();
  store.show('r');
  await settled();
  assert.equal(store.tree('r')?.size, 4);
  assert.deepEqual(
    kernel.asked.filter((one) => one.type === 'events').map((one) => 'since' in one && one.since),
    [0, 2],
  );
  kernel.emit('r', started(2, 10), 1001);
  assert.equal(store.tree('r')?.size, 6);
});

test('a push that leaves a gap is not applied before what is missing', async () => {
  const [kernel, store] = await kernelWith();
  store.show('r');
  await settled();
  const run = kernel.runs.get('r');
  assert.ok(run);
  // four events that never reach the page, then two that do
  for (const event of started(4, 20)) {
    run.log.push({ seq: run.log.length + 1, time: 1002, event });
  }
  kernel.emit('r', started(2, 30), 1003);
  assert.equal(store.tree('r')?.get('call30'), undefined);
  await settled();
  const tree = store.tree('r');
  assert.deepEqual(tree?.get('run1')?.children.slice(-6), [
    'call20',
    'call21',
    'call22',
    'call23',
    'call30',
    'call31',
  ]);
});

test('what is pushed twice counts once', async () => {
  const [kernel, store] = await kernelWith();
  store.show('r');
  await settled();
  const end: Event = {
    type: 'call.ended',
    node: 'call1',
    usage: { calls: 1, cost: 1, known_cost: 1 },
  };
  kernel.push({
    kind: 'events',
    run: 'r',
    since: 4,
    seq: 5,
    events: [{ seq: 5, time: 1, event: end }],
  });
  kernel.push({
    kind: 'events',
    run: 'r',
    since: 3,
    seq: 5,
    events: [
      { seq: 4, time: 1, event: started(1, 3)[0] },
      { seq: 5, time: 1, event: end },
    ],
  });
  assert.equal(store.tree('r')?.get('run1')?.total.cost, 1);
});

test('a restarted kernel starts from nothing', async () => {
  const [kernel, store] = await kernelWith();
  store.show('r');
  await settled();
  kernel.kernel = 'another';
  kernel.runs.clear();
  await store.sync();
  assert.equal(store.tree('r'), undefined);
  assert.deepEqual(store.runs, []);
  assert.equal(store.selected, null);
});

test('the events of a kernel that is gone are not taken for those of the new one', async () => {
  const [kernel, store] = await kernelWith();
  store.show('r'); // its first page is still under way when the kernel is another
  kernel.kernel = 'another';
  kernel.runs.clear();
  kernel.add({ info: runInfo('r', { started: 2 }), log: [], texts: new Map() });
  kernel.emit('r', [{ type: 'run.started', node: 'runX' }], 2000);
  await store.sync();
  await settled();
  assert.deepEqual(
    store.tree('r')?.tops.map((node) => node.id),
    ['runX'],
  );
});

test('a new run is chosen where the chosen one is over, and not where it goes on', async () => {
  const [kernel, store] = await kernelWith();
  kernel.push({ kind: 'run', info: runInfo('s', { started: 5 }) });
  assert.equal(store.selected, 'r');
  kernel.inform('r', { ended: true });
  kernel.push({ kind: 'run', info: runInfo('t', { started: 6 }) });
  assert.equal(store.selected, 't');
});

test('calls typed outside of a run, which have no end, keep no new run from being chosen', async () => {
  const [kernel, store] = await kernelWith();
  kernel.inform('r', { ended: true });
  kernel.push({ kind: 'run', info: runInfo('typed', { phase: 'session', started: 5 }) });
  assert.equal(store.selected, 'typed');
  kernel.push({ kind: 'run', info: runInfo('s', { started: 6 }) });
  assert.equal(store.selected, 's');
});

test('a watched reply streams in, from its beginning, and ends as the log says', async () => {
  const [kernel, store] = await kernelWith();
  store.show('r');
  await settled();
  const close = store.watch('r', 'call1');
  await settled();
  assert.deepEqual(kernel.watched, ['call1']);
  const push = (text: string, at: number) =>
    kernel.push({ kind: 'text', run: 'r', node: 'call1', text, at });
  push('one ', 0);
  push('two 😀', 4);
  push(' three', 9); // positions count characters, not UTF-16 units
  assert.equal(store.tree('r')?.get('call1')?.text, 'one two 😀 three');
  push('THREE!', 10);
  assert.equal(store.tree('r')?.get('call1')?.text, 'one two 😀 THREE!');
  kernel.emit('r', [{ type: 'call.ended', node: 'call1', text: 'the whole' }], 1004);
  push('late', 99);
  assert.equal(store.tree('r')?.get('call1')?.text, 'the whole');
  close();
  await settled();
  assert.deepEqual(kernel.watched, []);
});

test('somebody who begins to look late gets what was said before', async () => {
  const [kernel, store] = await kernelWith();
  store.show('r');
  await settled();
  kernel.runs.get('r')?.texts.set('call1 text', 'said before, and now');
  kernel.push({ kind: 'text', run: 'r', node: 'call1', text: 'now', at: 17 });
  await settled();
  assert.equal(store.tree('r')?.get('call1')?.text, 'said before, and now');
});

test('two who look at calls are both served', async () => {
  const [kernel, store] = await kernelWith();
  const first = store.watch('r', 'call1');
  store.watch('r', 'call2');
  first();
  first(); // ending it twice ends it once
  await settled();
  assert.deepEqual(kernel.watched, ['call2']);
});

test('a refused command comes with its sentence, and so does a kernel out of reach', async () => {
  const [kernel, store] = await kernelWith();
  kernel.refuses = 'Cell 3 was decided already.';
  const refused = await store.steer('r', { type: 'approve', proposal: 'cell3' });
  assert.deepEqual([refused.ok, refused.message], [false, 'Cell 3 was decided already.']);
  kernel.request = () => Promise.reject(new Error('no'));
  const lost = await store.steer('r', { type: 'pause' });
  assert.equal(lost.ok, false);
  assert.match(lost.message, /could not be reached/);
});

test('listeners are told once per schedule, and of the runs that changed', async () => {
  const [kernel] = await kernelWith();
  const flushes: (() => void)[] = [];
  const store = new Store(kernel, { schedule: (flush) => flushes.push(flush) });
  await store.sync();
  store.show('r');
  await settled();
  flushes.splice(0).forEach((flush) => flush());
  const told: string[][] = [];
  store.subscribe((change) => told.push([...change.trees]));
  kernel.emit('r', started(1, 50), 1005);
  kernel.emit('r', started(1, 51), 1006);
  assert.deepEqual([flushes.length, told.length], [1, 0]);
  flushes[0]?.();
  assert.deepEqual(told, [['r']]);
});

test('a kernel that says goodbye is gone, and one that fails is lost', async () => {
  const [kernel, store] = await kernelWith();
  kernel.push({ kind: 'bye' });
  assert.equal(store.connection, 'gone');
  const [other, second] = await kernelWith();
  other.request = () => Promise.reject(new Error('no'));
  await assert.rejects(second.sync());
  assert.equal(second.connection, 'lost');
});
