/** A solve as the kernel packs it (`rlm_kernel/trm/show_data.py`), and what is read from it. */

/** How the cells of a puzzle are drawn. */
export type Kind = 'sudoku' | 'maze' | 'colours';

/** How a solve stood after a cycle; the first frame is the puzzle as it was given, step 0. */
export interface Frame {
  step: number;
  cycle: number;
  /** A symbol for each cell, and how sure and how moved each is: 0 to 9, then a to z. */
  grid: string;
  sure: string;
  moved: string;
  changed: number[];
  wrong: number[];
  /** How sure the network is that the grid is right, 0 to 1. */
  halt: number;
  /** What happened, in words. */
  said: string;
}

/** A solve. */
export interface Solve {
  kind: Kind;
  rows: number;
  columns: number;
  /** Rows and columns of a box; 0: there are none. */
  box: [number, number];
  palette: string[];
  name: string;
  given: string;
  solved: boolean;
  /** What came of it, in words. */
  said: string;
  /** How many there were; of a long solve not all are among the frames. */
  cycles: number;
  frames: Frame[];
}

/** Symbols of a maze's cells. */
export const WALL = 1;
export const START = 3;
export const GOAL = 4;
export const PATH = 5;

const LEVELS = 35;

/** The symbol of a cell. */
export function symbol(cells: string, at: number): number {
  return parseInt(cells[at] ?? '0', 36) || 0;
}

/** A level of a cell, 0 to 1. */
export function level(levels: string, at: number): number {
  return symbol(levels, at) / LEVELS;
}

/** Whether something unpacked is a solve that can be drawn. */
export function isSolve(found: unknown): found is Solve {
  const solve = found as Solve | null;
  const cells = (solve?.rows ?? 0) * (solve?.columns ?? 0);
  return (
    cells > 0 &&
    Array.isArray(solve?.frames) &&
    solve.frames.length > 0 &&
    solve.frames.every((frame) => frame.grid.length === cells)
  );
}
