/** When each event of a run comes on the clock of its player: waits are shortened, sights held. */

import type { Event } from '../protocol.js';
import type { Recorded } from './held.js';

/** Seconds that a time in which nothing happened takes, at most. */
const IDLE = 1;
/** Seconds that holding what happens may add to a run. */
const ADDED = 60;
/** Seconds for which something can be seen, at least, before the next such thing comes. */
const TURN = 0.3;
const CHILD = 0.6;
const DECISION = 0.8;
const CELL = 1.2;
const NOTE = 2;

/** Seconds from the beginning at which each event comes, as it is played at speed 1. */
export function pace({ info, events }: Recorded): number[] {
  const real: number[] = [];
  const holds: number[] = [];
  let time = 0;
  let before: number | null = null;
  for (const logged of events) {
    time += Math.min(IDLE, Math.max(0, logged.time - (before ?? logged.time)));
    before = logged.time;
    real.push(time);
    holds.push(hold(logged.event, info.node));
  }
  const all = held(real, holds, 1);
  const added = (all.at(-1) ?? 0) - time;
  // Less of each hold adds less than that part of all: what is added stays below the limit.
  return added > ADDED ? held(real, holds, ADDED / added) : all;
}

/** The times where each event that is held keeps the next one waiting for a part of its hold. */
function held(real: readonly number[], holds: readonly number[], part: number): number[] {
  let added = 0;
  let due = 0;
  return real.map((time, i) => {
    const own = holds[i] ?? 0;
    if (own > 0) {
      added = Math.max(added, due - time);
      due = time + added + own * part;
    }
    return time + added;
  });
}

/** For how long what an event shows is held; 0: it comes along with what is before it. */
function hold(event: Event, top: string): number {
  switch (event.type) {
    case 'note':
      return event.node === top ? NOTE : 0;
    case 'turn.started':
      return TURN;
    case 'run.started':
      return event.node === top ? 0 : CHILD;
    case 'run.ended':
      return CHILD; // nothing comes after the run's own end: it only waits its turn
    case 'cell.proposed':
    case 'cell.ended':
      return CELL;
    case 'cell.decided':
      return decidedByPerson(event) ? DECISION : 0;
    default:
      return 0;
  }
}

/** Whether a person decided it, or something that they had said for it. */
export function decidedByPerson(event: Extract<Event, { type: 'cell.decided' }>): boolean {
  return event.by !== 'auto' && event.by !== 'rules' && Boolean(event.by);
}
