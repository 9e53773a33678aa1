/** A frame in words, for those who can't see the drawing. */
import { say } from '../core/say.js';
import { type Frame, GOAL, PATH, type Solve, START, WALL, symbol } from './data.js';

const MAZE: Record<number, string> = {
  [WALL]: 'wall',
  [START]: 'start',
  [GOAL]: 'goal',
  [PATH]: 'path',
};

/** Where a cell is. */
export function place(solve: Solve, at: number): string {
  return say('row %1, column %2', Math.floor(at / solve.columns) + 1, (at % solve.columns) + 1);
}

/** Read a grid row by row, then name the cells that break a rule. */
export function described(solve: Solve, frame: Frame): string {
  const rows = Array.from({ length: solve.rows }, (_, row) => {
    const cells = Array.from({ length: solve.columns }, (_, column) =>
      word(solve, symbol(frame.grid, row * solve.columns + column)),
    );
    return say('Row %1: %2.', row + 1, cells.join(', '));
  });
  if (frame.wrong.length) {
    const places = frame.wrong.map((at) => place(solve, at)).join('; ');
    rows.push(say('These break a rule: %1.', places));
  }
  return rows.join(' ');
}

function word(solve: Solve, cell: number): string {
  if (solve.kind === 'maze') return say(MAZE[cell] ?? 'open');
  if (solve.kind === 'sudoku' && cell === 0) return say('empty');
  return String(cell);
}

/** Where the latent moved most in a cycle. */
export function movedMost(solve: Solve, frame: Frame): string {
  const most = [...frame.moved].reduce((best, one, at, all) => (one > all[best]! ? at : best), 0);
  return frame.step === 0
    ? say('Nothing has moved yet.')
    : say('It moved most at %1.', place(solve, most));
}
