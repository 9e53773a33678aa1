/**
 * What is to be done next so that the notebook shows, and runs, the cells of its runs.
 *
 * Level-triggered: nothing here remembers messages. The newest state of the runs is compared with
 * the notebook as it is now, and one action comes out; whoever does it asks again afterwards. So a
 * message that is lost, late or doubled costs nothing, and a page that is loaded again goes on.
 *
 * Promised: a cell is run by one client, once; a cell that a person is in, or has changed, isn't
 * run without being asked; a changed cell is never removed; real outputs are never overwritten.
 */

import type { DecisionKind, PendingInfo, RunInfo } from '../protocol.js';
import type { Amiss } from './node.js';
import { described, rejected, same } from './described.js';
import { patched, type CellOutput } from './outputs.js';
import { digest } from './transcript.js';

/** What a cell carries in `metadata.rlm`. */
export interface CellMeta {
  run: string;
  cell: string;
  turn?: number;
  number?: number;
  author?: string;
  status?: string;
  decision?: string;
  by?: string;
  reason?: string;
  model?: string;
  /** All that it asked for, and those of them that came to nothing, where some did. */
  calls?: number;
  failed?: number;
  refused?: number;
  cancelled?: number;
  /** Children that ended otherwise than done. */
  children?: number;
  /** Why the answer that it gave wasn't taken. */
  refusal?: string;
  tokens?: number;
  cost?: number | null;
  proposed?: string;
  /** Of the code that ran, or was proposed last: what is changed afterwards differs from it. */
  digest?: string;
  /** It was executed when its run was over: what it shows isn't of the run any more. */
  again?: boolean;
}

/** A cell of the notebook as it is now. */
export interface NotebookCell {
  id: string;
  source: string;
  meta: CellMeta | null;
  /** The person's cursor is in it, in edit mode. */
  editing: boolean;
  /** This page waits for its execution. */
  running: boolean;
  /** How many outputs it has. */
  outputs: number;
  /** All of them as one text where they are streams only (`""` for none), else null. */
  text: string | null;
  /** The displays of runs among its outputs that aren't final. */
  open: OpenDisplay[];
}

/** A display of a run that tells of it as it was at some time. */
export interface OpenDisplay {
  /** Which of the cell's outputs it is. */
  at: number;
  run: string;
}

/** What the events tell of a cell. */
export interface CellFacts {
  cell: string;
  number: number;
  turn: number;
  author: string;
  /** The proposal. */
  code: string;
  /** The notebook cell's id, for cells that a person wrote. */
  place: string;
  decision: DecisionKind | '';
  by: string;
  /** What ran, where it was edited. */
  edited: string | null;
  reason: string;
  /** Why the answer that it gave wasn't taken. */
  refusal: string;
  started: boolean;
  /** ms since the epoch, 0 while it isn't over. */
  endedAt: number;
  status: string;
  model: string;
  calls: number;
  /** Those of them that came to nothing. */
  amiss: Amiss;
  tokens: number;
  cost: number | null;
  output: CellOutput;
}

/** A run and what is known of its own cells (not of its children's), in their order. */
export interface RunView {
  info: RunInfo;
  cells: CellFacts[];
}

/** All that a decision rests on. */
export interface World {
  now: number;
  client: string;
  /** Our kernel client's session. */
  session: string;
  /** A cell of this notebook that says `%%rlm` is being executed. */
  starting: boolean;
  cells: NotebookCell[];
  runs: RunView[];
  memory: Memory;
}

/** What this client has done; the only state there is. Cells by `keyOf`. */
export interface Memory {
  claimed: Set<string>;
  /** Cell → ms until which we have its lease. */
  leases: Map<string, number>;
  /** Cell, or run, → ms before which it isn't asked for again. */
  later: Map<string, number>;
  /** Cells we have run, how often that was tried, and whether an attempt is under way. */
  ran: Map<string, { tries: number; under: boolean; at: number }>;
  /** Cells that a person has run and whose execution isn't over, and what stood in them then. */
  pressed: Map<string, string>;
  /** Cells whose outputs are as good as they get. */
  complete: Set<string>;
  /** Cells that were in the notebook at some time: where they are gone, a person removed them. */
  seen: Set<string>;
  /** Notebook cells that this page has executed: what their runs show reaches it by itself. */
  executed: Set<string>;
  /** Run → ms at which it was first known to be over. */
  over: Map<string, number>;
  /** Run → what its display was last asked for at: ms, and the number of the newest event then. */
  shown: Map<string, { at: number; seq: number }>;
}

/** One thing to do. */
export type Action =
  | { do: 'claim'; run: string }
  | { do: 'lease'; run: string; cell: string }
  | { do: 'insert'; run: string; cell: string; index: number; source: string; meta: CellMeta }
  | { do: 'hold'; run: string; cell: string; on: boolean }
  | { do: 'source'; id: string; source: string }
  | { do: 'run'; run: string; cell: string; id: string; source: string }
  | { do: 'decide'; run: string; cell: string; source: string }
  | { do: 'describe'; id: string; meta: CellMeta }
  | { do: 'remove'; id: string }
  | { do: 'outputs'; run: string; cell: string; id: string }
  | { do: 'show'; run: string; id: string; seq: number }
  | { do: 'wait'; until: number };

/** Ms between two times that a display is asked for which can't be updated any more. */
export const SHOW_EVERY = 2000;
/** Ms after the end of a cell that its outputs may still be on their way, by whichever path. */
export const OUTPUTS_WAIT = 1500;
const TRIES = 3;
const TRY_AGAIN = 1000;

/** A cell's name in the memory: its id alone comes back in each run. */
export function keyOf(run: string, cell: string): string {
  return `${run}\n${cell}`;
}

/** Give what a client knows at its start. */
export function newMemory(): Memory {
  return {
    claimed: new Set(),
    leases: new Map(),
    later: new Map(),
    ran: new Map(),
    pressed: new Map(),
    complete: new Set(),
    seen: new Set(),
    executed: new Set(),
    over: new Map(),
    shown: new Map(),
  };
}

/** Whether a run's cells belong into this notebook. */
export function belongs(
  info: RunInfo,
  world: Pick<World, 'session' | 'starting' | 'cells'>,
): boolean {
  if (info.executor === 'kernel' || info.phase === 'session') return false;
  if (info.session !== '' && info.session === world.session) return true;
  if (world.cells.some((cell) => cell.id === info.anchor || cell.meta?.run === info.run))
    return true;
  // A server that executes in our place (jupyter-server-nbmodel) sends neither cell nor session.
  return info.anchor === '' && world.starting;
}

/** Give the one thing to do now; null: the notebook is as it should be. */
export function next(world: World): Action | null {
  let wait: number | null = null;
  for (const run of world.runs) {
    const mine = belongs(run.info, world);
    const first = mine ? [forClaim, forPending, forMissed, forPast] : [];
    for (const action of [...first, forShown].map((one) => one(world, run))) {
      if (action === null) continue;
      if (action.do !== 'wait') return action;
      wait = Math.min(wait ?? action.until, action.until);
    }
  }
  return wait === null ? null : { do: 'wait', until: wait };
}

/**
 * A run is claimed once. It is claimed again where the kernel went on by itself meanwhile, as while
 * this computer slept; and where that was refused, as a cell that waited for the run executed its
 * cells, until that cell is over.
 */
function forClaim({ memory, now }: World, { info }: RunView): Action | null {
  if (info.ended) return null;
  if (memory.claimed.has(info.run) && info.executor !== 'background') return null;
  const later = memory.later.get(info.run) ?? 0;
  if (later > now) return { do: 'wait', until: later };
  return { do: 'claim', run: info.run };
}

/** Whether a run's cells are shown: not those of a cell that runs all of them by itself, unasked. */
function shown(world: World, info: RunInfo): boolean {
  if (world.memory.claimed.has(info.run) || info.pending?.asks === true) return true;
  return world.cells.some((cell) => cell.meta?.run === info.run);
}

function find(world: World, run: string, cell: string): NotebookCell | undefined {
  return world.cells.find((one) => one.meta?.run === run && one.meta.cell === cell);
}

function forPending(world: World, run: RunView): Action | null {
  const { info } = run;
  const pending = info.pending;
  if (pending === null || info.ended) return null;
  const cell = find(world, info.run, pending.cell);
  if (!cell) {
    if (!shown(world, info)) return null;
    // What ran before it comes first: once this is there, that counts as removed by a person.
    const missed = forMissed(world, run);
    if (missed !== null && missed.do !== 'wait') return missed;
    return withLease(world, info, pending.cell, () => insertion(world, run, pending));
  }
  if (pending.executing) return null;
  const pressed = world.memory.pressed.get(keyOf(info.run, pending.cell));
  if (pressed !== undefined && info.executor === 'inline' && pending.asks && !pending.decided) {
    // Another cell executes the run's: what the person has run comes to the kernel when that is
    // over, and that waits for this. Whether it was run before or after doesn't matter.
    return { do: 'decide', run: info.run, cell: pending.cell, source: pressed };
  }
  if (cell.running) return null;

  // A proposal that asks waits anyway; one that doesn't must not start under a person's hands.
  const mine = pending.held_by === world.client;
  const touched = !pending.decided && (cell.editing || cell.source !== pending.code);
  // Held, it counts as one that asks; the hold stays for as long as the person is in it.
  const wanted = touched && (!pending.asks || mine);
  const hold: Action = { do: 'hold', run: info.run, cell: pending.cell, on: wanted };
  if (wanted && !mine) return hold;
  if (wanted) {
    // The lease is kept up with it: who gets the lease may take it that nobody holds any more.
    const until = world.memory.leases.get(keyOf(info.run, pending.cell)) ?? 0;
    return withLease(world, info, pending.cell, () => ({ do: 'wait', until }));
  }
  if (mine) return hold;
  if (pending.held_by !== '') return withLease(world, info, pending.cell, () => hold);
  if (info.executor !== 'notebook') return null;
  if (pending.asks && !pending.decided) return null;
  const tried = world.memory.ran.get(keyOf(info.run, pending.cell));
  if (tried !== undefined) {
    if (tried.under || tried.tries >= TRIES) return null;
    // It was sent and yet waits again: the kernel dropped it, as after an error before it.
    if (world.now < tried.at + TRY_AGAIN) return { do: 'wait', until: tried.at + TRY_AGAIN };
  }
  return withLease(world, info, pending.cell, () => {
    if (cell.source !== pending.code) return { do: 'source', id: cell.id, source: pending.code };
    return { do: 'run', run: info.run, cell: pending.cell, id: cell.id, source: pending.code };
  });
}

function withLease(world: World, info: RunInfo, cell: string, then: () => Action): Action {
  const { memory, now } = world;
  const key = keyOf(info.run, cell);
  if ((memory.leases.get(key) ?? 0) > now) return then();
  const later = memory.later.get(key);
  if (later !== undefined && later > now) return { do: 'wait', until: later };
  return { do: 'lease', run: info.run, cell };
}

function insertion(world: World, { info, cells }: RunView, pending: PendingInfo): Action {
  const facts = cells.find((one) => one.cell === pending.cell);
  return {
    do: 'insert',
    run: info.run,
    cell: pending.cell,
    index: place(world.cells, info),
    source: pending.code,
    meta: {
      run: info.run,
      cell: pending.cell,
      turn: pending.turn || (facts?.turn ?? 0),
      number: pending.number,
      author: 'model',
      status: 'proposed',
      model: info.model,
      digest: digest(pending.code),
    },
  };
}

/**
 * Where a run's next cell goes: under its last one, else under the cell that began it.
 *
 * Where that cell was run before, the transcript of the earlier run is under it. It stays as it
 * is, someone may have edited it or written about it, and the new run's cells go below it: in the
 * order things happened, with the newest where the eye is. That is so with Run All as well: the
 * earlier cells were executed, as plain code, before the new run's first; above them its cells would
 * seem to come first, and a kernel that is started again and runs all would execute another order.
 *
 * Where the cell that began it isn't there either (it wasn't saved), the end of the notebook is
 * meant, and that is above an empty last cell.
 */
export function place(cells: NotebookCell[], info: RunInfo): number {
  for (let at = cells.length - 1; at >= 0; at -= 1) {
    if (cells[at]?.meta?.run === info.run) return at + 1;
  }
  let at = cells.findIndex((cell) => cell.id === info.anchor);
  if (at < 0) {
    const last = cells[cells.length - 1];
    const empty = last !== undefined && last.source.trim() === '' && !last.meta && !last.outputs;
    return empty ? cells.length - 1 : cells.length;
  }
  at += 1;
  while (at < cells.length && cells[at]?.meta) at += 1;
  return at;
}

/**
 * Cells that ran before they could be placed: inline, or while no page was open. One before the last
 * that is there was removed by a person.
 */
function forMissed(world: World, { info, cells }: RunView): Action | null {
  if (!shown(world, info)) return null;
  const there = cells.map((facts) => find(world, info.run, facts.cell) !== undefined);
  for (const facts of cells.slice(there.lastIndexOf(true) + 1)) {
    if (info.pending?.cell === facts.cell || facts.author === 'human') continue;
    if (facts.endedAt === 0 || rejected(facts)) continue;
    if (world.memory.seen.has(keyOf(info.run, facts.cell))) continue;
    const code = facts.edited ?? facts.code;
    const insert: Action = {
      do: 'insert',
      run: info.run,
      cell: facts.cell,
      index: place(world.cells, info),
      source: code,
      // Described when its outputs are there.
      meta: { ...described(info, facts, code), status: 'running' },
    };
    if (!info.ended) return withLease(world, info, facts.cell, () => insert);
    // No lease is given for a run that is over: the page that started it shows what it missed.
    if (info.session !== '' && info.session === world.session) return insert;
  }
  return null;
}

function forPast(world: World, run: RunView): Action | null {
  let wait: Action | null = null;
  const { info } = run;
  for (const facts of run.cells) {
    const human = facts.author === 'human';
    const cell =
      find(world, info.run, facts.cell) ??
      (human ? world.cells.find((one) => one.id === facts.place) : undefined);
    const pending = info.pending?.cell === facts.cell;
    if (!cell) continue;
    if (pending && facts.endedAt === 0) continue;
    if (rejected(facts) && cell.source === facts.code && !cell.editing && cell.outputs === 0) {
      return { do: 'remove', id: cell.id };
    }
    // The page was saved with the proposal and loaded again when something else had run.
    const stale = cell.meta?.status === 'proposed' && cell.source === facts.code;
    if (facts.edited !== null && facts.started && stale && !cell.editing) {
      return { do: 'source', id: cell.id, source: facts.edited };
    }
    const over = facts.endedAt > 0 || rejected(facts) || facts.decision === 'respond' || info.ended;
    if (!over && !human) continue;
    const meta = described(info, facts, cell.source);
    if (cell.meta?.again) meta.again = true;
    if (same(cell.meta, meta)) continue;
    // What it is described as says that its outputs were seen to as well: an output that a person
    // clears afterwards doesn't come back.
    if (facts.endedAt > 0 && !human && !world.memory.complete.has(keyOf(info.run, facts.cell))) {
      if (cell.running) continue;
      if (patched(cell, facts.output)) {
        // In a notebook that is shared live the page that started the run comes first: what two
        // pages put in at once is there twice.
        const started = info.session === '' || info.session === world.session;
        const until = facts.endedAt + OUTPUTS_WAIT + (started ? 0 : 2000);
        if (world.now >= until) {
          return { do: 'outputs', run: info.run, cell: facts.cell, id: cell.id };
        }
        wait = { do: 'wait', until };
        continue;
      }
    }
    return { do: 'describe', id: cell.id, meta };
  }
  return wait;
}

/**
 * What the cell that asked shows of its run, for a page that Jupyter's updates no longer reach: one
 * that was loaded again while the run went on. Where they do reach it they have the time they need.
 */
function forShown(world: World, { info }: RunView): Action | null {
  const { memory, now } = world;
  const cell = world.cells.find((one) => one.id === info.anchor);
  if (!cell?.open.some((display) => display.run === info.run)) return null;
  const before = memory.shown.get(info.run);
  const show: Action = { do: 'show', run: info.run, id: cell.id, seq: info.seq };
  const updated = memory.executed.has(cell.id);
  let from = before ? before.at + SHOW_EVERY : 0;
  if (info.ended) {
    if (updated) from = Math.max(from, (memory.over.get(info.run) ?? now) + OUTPUTS_WAIT);
  } else if (updated || info.executor === 'inline' || before?.seq === info.seq) {
    // In line, the cell shows a whole tree, and that is drawn when the run is over.
    return null;
  }
  if (from === Infinity) return null;
  return now < from ? { do: 'wait', until: from } : show;
}
