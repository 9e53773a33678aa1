import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Held, type Recorded } from '../src/core/held.js';
import { pace } from '../src/core/pace.js';
import { Player } from '../src/core/player.js';
import { Store } from '../src/core/store.js';
import { RunTree } from '../src/core/tree.js';
import type { Event, Logged } from '../src/protocol.js';
import { FakeKernel, runInfo } from '../perf/replay.js';

const EVENTS: [number, Event][] = [
  [0, { type: 'run.started', node: 'run1', question: 'Q' }],
  [0.1, { type: 'turn.started', node: 'turn1', parent: 'run1', number: 1 }],
  [0.2, { type: 'call.started', node: 'call1', parent: 'turn1', role: 'root' }],
  [60, { type: 'call.ended', node: 'call1', text: 'x' }],
  [60.1, { type: 'cell.proposed', node: 'cell1', parent: 'turn1', code: 'x = 1', number: 1 }],
  [60.2, { type: 'cell.decided', node: 'cell1', decision: 'edit', by: 'lab', code: 'x = 2' }],
  [60.3, { type: 'cell.started', node: 'cell1' }],
  [60.4, { type: 'run.started', node: 'run2', parent: 'cell1', question: 'kid' }],
  [60.5, { type: 'run.ended', node: 'run2', answer: 'k' }],
  [60.6, { type: 'cell.ended', node: 'cell1', status: 'error', error: 'E: x' }],
  [60.7, { type: 'turn.ended', node: 'turn1' }],
  [60.8, { type: 'run.ended', node: 'run1', answer: 'A' }],
];

function recorded(): Recorded {
  const events: Logged[] = EVENTS.map(([time, event], i) => ({ seq: i + 1, time, event }));
  return { info: runInfo('r', { node: 'run1', ended: true, phase: 'done', answer: 'A' }), events };
}

/** A player whose time is told. */
function played(): { player: Player; pass: (ms: number) => void } {
  let now = 0;
  let work: (() => void) | null = null;
  const clock = (given: () => void) => {
    work = given;
    return () => {
      work = null;
    };
  };
  const player = new Player(recorded(), clock, () => now);
  const pass = (ms: number): void => {
    now += ms;
    work?.();
  };
  return { player, pass };
}

/** The tree that so many events fold to. */
function folded(count: number): RunTree {
  const tree = new RunTree();
  recorded()
    .events.slice(0, count)
    .forEach((logged) => tree.apply(logged));
  return tree;
}

function same(a: RunTree | undefined, b: RunTree): void {
  assert.ok(a);
  assert.deepEqual([...a.all()], [...b.all()]);
}

test('it begins at its end, as the run was left', () => {
  const { player } = played();
  assert.equal(player.index, EVENTS.length);
  same(player.tree, folded(EVENTS.length));
  assert.equal(player.info.answer, 'A');
});

test('marks stand where things happened', () => {
  const { player } = played();
  assert.deepEqual(
    player.marks.map((mark) => [mark.kind, mark.node]),
    [
      ['turn', 'turn1'],
      ['decision', 'cell1'],
      ['child', 'run2'],
      ['error', 'cell1'],
    ],
  );
});

test('waits are shortened, and each thing stands until it could be seen', () => {
  const times = pace(recorded());
  const at = (type: string, node: string): number =>
    times[EVENTS.findIndex(([, event]) => event.type === type && event.node === node)] ?? NaN;
  assert.ok(at('call.ended', 'call1') - at('call.started', 'call1') < 1 + 1e-9);
  assert.ok(at('cell.decided', 'cell1') - at('cell.proposed', 'cell1') > 1.2 - 1e-9);
  assert.ok(at('run.ended', 'run1') - at('cell.ended', 'cell1') > 1.2 - 1e-9);
  const total = times.at(-1) ?? 0;
  assert.ok(total > 5 && total < 7, String(total));
});

test('a long run is played a minute longer than it was at most, in its order', () => {
  const cells = 5000;
  const events: Logged[] = [];
  for (let i = 0; i < cells; i += 1) {
    const node = `cell${i}`;
    const both: Event[] = [
      { type: 'cell.proposed', node, parent: 'turn1', code: 'x', number: i },
      { type: 'cell.ended', node },
    ];
    both.forEach((event) =>
      events.push({ seq: events.length + 1, time: events.length / 1000, event }),
    );
  }
  const times = pace({ info: runInfo('r', { node: 'run1' }), events });
  const total = times.at(-1) ?? 0;
  assert.ok(total <= 70 && total > 30, String(total));
  assert.ok(times.every((time, i) => i === 0 || time >= (times[i - 1] ?? 0)));
});

test('a moment is about the cell or the child that came last', () => {
  const { player } = played();
  player.seek(0);
  const about: string[] = [player.about];
  while (player.index < EVENTS.length) {
    player.step(1);
    about.push(player.about);
  }
  // The start, its turn, its cell and what was decided; the child that ended, the cell, the run.
  assert.deepEqual(about, ['', '', 'cell1', 'cell1', 'run2', 'cell1', 'cell1']);
});

test('wherever it goes, forward and back, the tree is that of the events until then', () => {
  const { player } = played();
  for (const share of [0, 0.5, 1, 0.2, 0.9, 0.1, 0.6]) {
    player.seek(player.length * share);
    same(player.tree, folded(player.index));
  }
  player.seek(0);
  assert.equal(player.info.ended, false);
  assert.equal(player.info.answer, null);
});

test('it plays as fast as is asked, ends at its end, and begins again from there', () => {
  const { player, pass } = played();
  player.play();
  assert.equal(player.position, 0);
  pass(100);
  assert.ok(Math.abs(player.position - 0.1) < 1e-9);
  player.setSpeed(8);
  pass(100);
  assert.ok(Math.abs(player.position - 0.9) < 1e-9);
  player.pause();
  pass(1000);
  assert.ok(Math.abs(player.position - 0.9) < 1e-9);
  player.play();
  pass(10_000);
  assert.equal(player.playing, false);
  assert.equal(player.index, EVENTS.length);
  player.play();
  assert.equal(player.position, 0);
});

test('what is said of the run stands there until something else is said', () => {
  const note = (text: string, node = 'run1'): Event => ({ type: 'note', node, text });
  const said: [number, Event][] = [...EVENTS];
  said.splice(7, 0, [60.3, note('Now it asks.')], [60.3, note('of a child', 'run2')]);
  const events = (list: [number, Event][]): Logged[] =>
    list.map(([time, event], i) => ({ seq: i + 1, time, event }));
  const { info } = recorded();

  const late = new Player({ info, events: events(said) });
  assert.equal(late.caption, 'Now it asks.');
  late.goToNode('cell1');
  assert.equal(late.caption, '');
  late.step(1);
  late.step(1);
  assert.equal(late.caption, 'Now it asks.');

  said.splice(1, 0, [0.05, note('<b>A talk.</b>')]);
  const early = new Player({ info, events: events(said) });
  early.seek(0);
  assert.equal(early.index, 1);
  assert.equal(early.caption, '<b>A talk.</b>');
  early.seek(early.length);
  assert.equal(early.caption, 'Now it asks.');

  assert.deepEqual(new Player(recorded()).captions, []);
});

test('another player of a run that got a note goes on at the same moment', () => {
  const { player } = played();
  player.setSpeed(4);
  player.goToNode('cell1');
  const before = player.index;
  const { info } = recorded();
  const events = recorded().events;
  const note: Event = { type: 'note', node: 'run1', text: 'Said later.' };
  events.splice(2, 0, { seq: 0, time: events[1]?.time ?? 0, event: note });
  const next = new Player({ info, events });
  next.takeFrom(player);
  assert.equal(next.index, before + 1);
  assert.equal(next.about, 'cell1');
  assert.equal(next.caption, 'Said later.');
  assert.deepEqual([next.playing, next.speed], [false, 4]);
  assert.equal(next.tree.get('cell1')?.status, 'proposed');

  player.seek(player.length);
  const last = new Player({ info, events });
  last.takeFrom(player);
  assert.equal(last.index, events.length);
});

test('steps go from one thing to the next, and to a node', () => {
  const { player } = played();
  player.seek(0);
  const seen: string[] = [];
  for (let i = 0; i < 7; i += 1) {
    player.step(1);
    seen.push(EVENTS[player.index - 1]?.[1].type ?? '');
  }
  assert.deepEqual(seen.slice(0, 4), [
    'turn.started',
    'cell.proposed',
    'cell.decided',
    'run.ended',
  ]);
  assert.equal(player.index, EVENTS.length);
  player.step(-1);
  assert.equal(EVENTS[player.index - 1]?.[1].type, 'cell.ended');
  player.goToNode('cell1');
  assert.equal(EVENTS[player.index - 1]?.[1].type, 'cell.proposed');
});

test('back to a turn is the moment at which it has just ended, and playing stops there', () => {
  const { player } = played();
  player.play();
  player.goToEnd('turn1');
  assert.equal(player.playing, false);
  assert.equal(EVENTS[player.index - 1]?.[1].type, 'turn.ended');
  assert.equal(player.info.ended, false);
  player.goToEnd('nowhere');
  assert.equal(EVENTS[player.index - 1]?.[1].type, 'turn.ended');
});

test('of a run that waits for a person nothing waits in its replay', () => {
  const waits = runInfo('r', { node: 'run1', phase: 'proposed', in_flight: 3, questions: 1 });
  const player = new Player({ info: waits, events: recorded().events });
  assert.deepEqual(
    [player.info.pending, player.info.in_flight, player.info.questions],
    [null, 0, 0],
  );
});

test('a recording that is held takes no commands, and asks a kernel for cut texts only', async () => {
  const store = new Store(new Held(Promise.resolve(recorded())));
  await store.sync();
  assert.equal(store.info('r')?.answer, 'A');
  assert.deepEqual(await store.events('r'), recorded().events);
  store.show('r');
  const reply = await store.steer('r', { type: 'stop' });
  assert.equal(reply.ok, false);
  assert.match(reply.message, /recording/);
  assert.equal((await store.text('r', 'call1', 'text', 0, 9)).ok, false);

  const kernel = new FakeKernel();
  kernel.add({ info: runInfo('other', {}), log: [], texts: new Map() });
  kernel.add({ info: runInfo('r', {}), log: [], texts: new Map([['call1 text', 'xyz']]) });
  const both = new Store(new Held(recorded(), kernel));
  await both.sync();
  await both.events('r');
  await both.steer('r', { type: 'stop' });
  assert.deepEqual([kernel.asked, kernel.steered], [[], []]);
  assert.equal((await both.text('r', 'call1', 'text', 1, 3)).text, 'yz');
  assert.deepEqual(await both.events('other'), []);

  // A note was put into it in the kernel: only there is it now.
  const noted: Logged[] = [...recorded().events];
  noted.push({ seq: 13, time: 61, event: { type: 'note', node: 'run1', text: 'N' } });
  kernel.add({ info: runInfo('r', {}), log: noted, texts: new Map() });
  kernel.inform('r', { seq: 13, recorded: true });
  assert.equal(both.info('r')?.seq, 13);
  assert.deepEqual(await both.events('r'), noted);
});
