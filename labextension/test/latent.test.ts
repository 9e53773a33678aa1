import assert from 'node:assert/strict';
import { test } from 'node:test';
import { across, bands, curvesOf, down, frameAt } from '../src/latent/curves.js';
import { type Frame, type Solve, isSolve, level, symbol } from '../src/latent/data.js';
import { described, movedMost } from '../src/latent/described.js';
import { BEAT, Play } from '../src/latent/play.js';
import { solveOf } from '../src/latent/widget.js';

const frame = (step: number, cycle: number, more: Partial<Frame> = {}): Frame => ({
  step,
  cycle,
  grid: '1234341221434321',
  sure: 'z'.repeat(16),
  moved: `0000z${'0'.repeat(11)}`,
  changed: [],
  wrong: [],
  halt: 0,
  said: `Step ${step}, cycle ${cycle}`,
  ...more,
});

const solve: Solve = {
  kind: 'sudoku',
  rows: 4,
  columns: 4,
  box: [2, 2],
  palette: [],
  name: 'sudoku4',
  given: '1000000000000001',
  solved: true,
  said: 'Solved.',
  cycles: 6,
  frames: [
    frame(0, 0, { grid: '1000000000000001' }),
    frame(1, 1, { wrong: [1, 2, 3, 4], changed: [1, 2, 3, 4, 5, 6, 7, 8], halt: 0.001 }),
    frame(1, 2, { wrong: [6, 7], changed: [6], halt: 0.2 }),
    frame(2, 1, { changed: [7], halt: 0.9 }),
    frame(2, 2, { halt: 1 }),
    frame(3, 1, { halt: 0.998 }),
    frame(3, 2, { halt: 1 }),
  ],
};

/** A clock that ticks when it is told to. */
function beats() {
  let call: (() => void) | null = null;
  return {
    beat: (next: () => void, ms: number) => {
      assert.equal(ms, BEAT);
      call = next;
      return () => {
        call = null;
      };
    },
    tick: () => call?.(),
    ticks: () => call !== null,
  };
}

test('symbols and levels are one character each', () => {
  assert.equal(symbol('09az', 2), 10);
  assert.equal(level('0z', 1), 1);
  assert.equal(level('0z', 0), 0);
  assert.equal(symbol('1', 7), 0);
});

test('it plays from the beginning to the end, five frames a second, and stops there', () => {
  const clock = beats();
  let changes = 0;
  const play = new Play(3, () => (changes += 1), clock.beat);
  assert.equal(play.at, 3, 'at first the answer is shown');
  play.play();
  assert.deepEqual([play.at, play.playing], [0, true]);
  const went = [];
  while (clock.ticks()) {
    clock.tick();
    went.push(play.at);
  }
  assert.deepEqual(went, [1, 2, 3]);
  assert.equal(play.playing, false);
  assert.equal(changes, 4);
});

test('keys step, go to the ends and play; others mean nothing', () => {
  const clock = beats();
  const play = new Play(3, () => undefined, clock.beat);
  const after = (key: string): number => (assert.ok(play.key(key), key), play.at);
  assert.equal(after('Home'), 0);
  assert.equal(after('ArrowLeft'), 0);
  assert.equal(after('ArrowRight'), 1);
  assert.equal(after('ArrowUp'), 2);
  assert.equal(after('End'), 3);
  assert.equal(after('ArrowRight'), 3);
  assert.equal(after('ArrowDown'), 2);
  assert.equal(after(' '), 2);
  assert.ok(clock.ticks());
  assert.equal(after('ArrowLeft'), 1);
  assert.equal(clock.ticks(), false, 'who steps has it stand still');
  play.key(' ');
  play.key(' ');
  assert.equal(clock.ticks(), false);
  for (const key of ['Enter', 'a', 'Tab', 'Escape']) assert.equal(play.key(key), false);
});

test('a view that is taken away ticks no more', () => {
  const clock = beats();
  const play = new Play(3, () => undefined, clock.beat);
  play.play();
  play.dispose();
  assert.equal(clock.ticks(), false);
});

test('curves have a value for each cycle, and the network is never quite sure if it is not', () => {
  const [wrong, changed, sure] = curvesOf(solve);
  assert.deepEqual(wrong!.values, [4, 2, 0, 0, 0, 0]);
  assert.deepEqual(changed!.values, [8, 1, 1, 0, 0, 0]);
  assert.equal(wrong!.text(1), '1 cell');
  assert.equal(wrong!.text(0), '0 cells');
  assert.deepEqual(
    sure!.values.map((value) => sure!.text(value)),
    ['<1 %', '20 %', '90 %', '100 %', '>99 %', '100 %'],
  );
  assert.equal(down(wrong!, 4), 0);
  assert.equal(down(wrong!, 0), 1);
  assert.equal(down(curvesOf({ ...solve, frames: [frame(0, 0), frame(1, 1)] })[0]!, 0), 1);
});

test('a place along a curve is the frame that is drawn there', () => {
  for (let at = 1; at <= 6; at += 1) assert.equal(frameAt(across(at, 6), 6), at);
  assert.equal(frameAt(-1, 6), 1);
  assert.equal(frameAt(2, 6), 6);
  assert.equal(across(1, 1), 0.5);
});

test('every other step has a ground of its own', () => {
  assert.deepEqual(
    bands(solve).map((band) => band.map((one) => Math.round(100 * one))),
    [[30, 70]],
  );
});

test('a grid is read row by row, with what breaks a rule', () => {
  const said = described(solve, solve.frames[2]!);
  assert.match(said, /^Row 1: 1, 2, 3, 4\. Row 2: /);
  assert.match(said, /These break a rule: row 2, column 3; row 2, column 4\.$/);
  assert.match(described(solve, solve.frames[0]!), /Row 1: 1, empty, empty, empty\./);
  const maze: Solve = { ...solve, kind: 'maze', rows: 1, columns: 5 };
  assert.equal(
    described(maze, frame(1, 1, { grid: '12345' })),
    'Row 1: wall, open, start, goal, path.',
  );
  assert.equal(movedMost(solve, solve.frames[1]!), 'It moved most at row 2, column 1.');
  assert.equal(movedMost(solve, solve.frames[0]!), 'Nothing has moved yet.');
});

test('what a model has is unpacked; what cannot be drawn is no solve', async () => {
  const packed = async (what: unknown) => {
    const stream = new Blob([JSON.stringify(what)])
      .stream()
      .pipeThrough(new CompressionStream('gzip'));
    return new DataView(await new Response(stream).arrayBuffer());
  };
  const of = (data: unknown) =>
    solveOf({ get: () => data, send: () => undefined, on: () => undefined, off: () => undefined });
  assert.deepEqual(await of(await packed(solve)), solve);
  assert.equal(await of(await packed({ ...solve, rows: 5 })), null);
  assert.equal(await of(await packed(null)), null);
  assert.equal(await of(new DataView(new ArrayBuffer(4))), null);
  assert.equal(await of(undefined), null);
  assert.equal(isSolve({ rows: 1, columns: 1, frames: [] }), false);
});
