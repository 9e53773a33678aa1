/** The drawing of a grid: sudoku, maze or colours. */
import type { JSX } from 'preact';
import { type Frame, GOAL, PATH, type Solve, START, WALL, level, symbol } from './data.js';

const SIDE = 20; // of a cell, in units of the drawing
const FAINT = 0.42; // of a cell that is not sure at all
const DARK_INK = [4, 5, 7, 8]; // colours on which black is read best

interface Cell {
  solve: Solve;
  frame: Frame;
  at: number;
  x: number;
  y: number;
}

/** A grid as it stands in a frame. */
export function Board({ solve, frame, label }: { solve: Solve; frame: Frame; label: string }) {
  const draw = { sudoku: sudokuCell, maze: mazeCell, colours: colourCell }[solve.kind];
  const changed = new Set(frame.cycle > 1 || frame.step > 1 ? frame.changed : []);
  const wrong = new Set(frame.wrong);
  const cells = eachCell(solve, (at, x, y) => (
    <g key={at} class={`${wrong.has(at) ? 'rlm-wrong' : ''}${changed.has(at) ? ' rlm-new' : ''}`}>
      {draw({ solve, frame, at, x, y })}
      {changed.has(at) && <path class="rlm-corner" d={`M${x + 13} ${y}h7v7z`} />}
      {wrong.has(at) && (
        <rect class="rlm-bar" x={x + 4} y={y + 16.4} width={12} height={2.2} rx={1.1} />
      )}
    </g>
  ));
  return (
    <svg class={`rlm-board rlm-${solve.kind}`} viewBox={box(solve)} role="img" aria-label={label}>
      <Lines solve={solve} thick={false} />
      {solve.kind === 'maze' && <g class="rlm-path">{ways(solve, frame)}</g>}
      {cells}
      <Lines solve={solve} thick />
    </svg>
  );
}

/** How far each cell's latent moved in a frame. */
export function Heat({ solve, frame, label }: { solve: Solve; frame: Frame; label: string }) {
  return (
    <svg class="rlm-heat" viewBox={box(solve)} role="img" aria-label={label}>
      {eachCell(solve, (at, x, y) => (
        <rect
          key={at}
          x={x}
          y={y}
          width={SIDE}
          height={SIDE}
          style={{ opacity: level(frame.moved, at) }}
        />
      ))}
      <Lines solve={solve} thick />
    </svg>
  );
}

function eachCell(
  solve: Solve,
  draw: (at: number, x: number, y: number) => JSX.Element,
): JSX.Element[] {
  return Array.from({ length: solve.rows * solve.columns }, (_, at) =>
    draw(at, (at % solve.columns) * SIDE, Math.floor(at / solve.columns) * SIDE),
  );
}

function box(solve: Solve): string {
  return `-1 -1 ${solve.columns * SIDE + 2} ${solve.rows * SIDE + 2}`;
}

/** The lines between cells, or those between boxes and around the whole. */
function Lines({ solve, thick }: { solve: Solve; thick: boolean }) {
  const [wide, high] = [solve.columns * SIDE, solve.rows * SIDE];
  const [tall, broad] = solve.box;
  const isThick = (at: number, box: number): boolean => box > 0 && at % box === 0;
  let lines = '';
  for (let row = 1; row < solve.rows; row += 1) {
    if (isThick(row, tall) === thick) lines += `M0 ${row * SIDE}H${wide}`;
  }
  for (let column = 1; column < solve.columns; column += 1) {
    if (isThick(column, broad) === thick) lines += `M${column * SIDE} 0V${high}`;
  }
  if (thick) lines += `M0 0H${wide}V${high}H0z`;
  return <path class={thick ? 'rlm-thick' : 'rlm-thin'} d={lines} />;
}

/** How strongly a cell is drawn: as sure as the network is of it. */
function strength(frame: Frame, at: number): number {
  return frame.step === 0 ? 1 : FAINT + (1 - FAINT) * level(frame.sure, at);
}

function sudokuCell({ solve, frame, at, x, y }: Cell): JSX.Element {
  const [given, cell] = [symbol(solve.given, at), symbol(frame.grid, at)];
  const kept = given !== 0 && given === cell;
  return (
    <>
      <rect
        class={kept ? 'rlm-ground rlm-given' : 'rlm-ground'}
        x={x}
        y={y}
        width={SIDE}
        height={SIDE}
      />
      {cell > 0 && (
        <text
          class={kept ? 'rlm-given' : 'rlm-found'}
          x={x + SIDE / 2}
          y={y + SIDE / 2 + 0.6}
          style={{ opacity: kept ? 1 : strength(frame, at) }}
        >
          {cell}
        </text>
      )}
    </>
  );
}

function mazeCell({ frame, at, x, y }: Cell): JSX.Element {
  const cell = symbol(frame.grid, at);
  return (
    <>
      <rect
        class={cell === WALL ? 'rlm-ground rlm-wall' : 'rlm-ground'}
        x={x}
        y={y}
        width={SIDE}
        height={SIDE}
      />
      {(cell === START || cell === GOAL) && (
        <>
          <circle
            class={`rlm-end${cell === GOAL ? ' rlm-goal' : ''}`}
            cx={x + 10}
            cy={y + 10}
            r={7}
          />
          <text class={cell === GOAL ? 'rlm-end-goal' : 'rlm-given'} x={x + 10} y={y + 10.4}>
            {cell === START ? 'S' : 'G'}
          </text>
        </>
      )}
      {cell === PATH && (
        <circle
          class="rlm-found"
          cx={x + 10}
          cy={y + 10}
          r={4}
          style={{ opacity: strength(frame, at) }}
        />
      )}
    </>
  );
}

/** The path between marked cells that are beside one another. */
function ways(solve: Solve, frame: Frame): JSX.Element[] {
  const on = (at: number): boolean => [START, GOAL, PATH].includes(symbol(frame.grid, at));
  const marked = (at: number): boolean => symbol(frame.grid, at) === PATH;
  const found: JSX.Element[] = [];
  eachCell(solve, (at, x, y) => {
    const beside: [number, number, number][] = [];
    if ((at + 1) % solve.columns) beside.push([at + 1, SIDE, 0]);
    if (at + solve.columns < solve.rows * solve.columns) beside.push([at + solve.columns, 0, SIDE]);
    for (const [other, dx, dy] of beside) {
      if (on(at) && on(other) && (marked(at) || marked(other))) {
        // From an end's ring, not from its middle.
        const [from, to] = [marked(at) ? 0 : 0.35, marked(other) ? 1 : 0.65];
        found.push(
          <path
            key={`${at}-${other}`}
            d={`M${x + 10 + dx * from} ${y + 10 + dy * from}L${x + 10 + dx * to} ${y + 10 + dy * to}`}
            style={{ opacity: Math.min(strength(frame, at), strength(frame, other)) * 0.55 }}
          />,
        );
      }
    }
    return <></>;
  });
  return found;
}

function colourCell({ solve, frame, at, x, y }: Cell): JSX.Element {
  const cell = symbol(frame.grid, at);
  const shade = solve.palette[cell];
  return (
    <>
      <rect class="rlm-ground" x={x} y={y} width={SIDE} height={SIDE} />
      {shade && (
        <g style={{ opacity: strength(frame, at) }}>
          <rect x={x} y={y} width={SIDE} height={SIDE} style={{ fill: shade }} />
          <text
            class="rlm-number"
            x={x + SIDE / 2}
            y={y + SIDE / 2 + 0.5}
            style={{ fill: DARK_INK.includes(cell) ? '#000' : '#fff' }}
          >
            {cell}
          </text>
        </g>
      )}
    </>
  );
}
