/** A budget in words: what is used of each limit, which of them is too short, what would do. */

import type { Meter, RunInfo } from '../protocol.js';
import { countText, durationText, moneyText, whole } from './format.js';
import { say, sayN } from './say.js';

const UNITS: Record<string, (value: number) => string> = {
  money: (value) => (value <= 0 ? '$0' : moneyText(value)),
  calls: countText,
  tokens: countText,
  seconds: (value) => durationText(value),
};

/** What is said of a limit: without one, and with it. */
const SAID: Record<string, readonly [string, string]> = {
  money: ['%1', '%1 / %2'],
  calls: ['%1 calls', '%1 / %2 calls'],
  tokens: ['%1 tokens', '%1 / %2 tokens'],
  seconds: ['%1', '%1 / %2'],
};

/** What was spent of a limit that is too short. */
const SPENT: Record<string, string> = {
  money: '%1 of %2 spent',
  calls: '%1 of %2 calls made',
  tokens: '%1 of %2 tokens used',
  seconds: '%1 of %2 taken',
};

/** Whether this version knows what a limit is about. */
export function isMeter(name: string): boolean {
  return Object.hasOwn(UNITS, name);
}

/** Say what is used of a limit, short. */
export function meterText(name: string, meter: Meter): string {
  const [alone, limited] = SAID[name] ?? ['%1', '%1 / %2'];
  const { limit } = meter;
  return limit === null
    ? say(alone, usedText(name, meter))
    : say(limited, usedText(name, meter), limitText(name, limit));
}

function usedText(name: string, { used }: Meter): string {
  return used === null ? say('unknown') : (UNITS[name] ?? String)(used);
}

function limitText(name: string, limit: number): string {
  return name === 'calls' ? whole(limit) : (UNITS[name] ?? String)(limit);
}

/** A limit that doesn't cover what the run wants to do. */
export interface Shortage {
  name: string;
  meter: Meter & { limit: number };
}

/** The limit for want of which calls were refused, or that a paused run has used up. */
export function shortage(info: RunInfo): Shortage | null {
  if (info.ended) {
    return null;
  }
  let found: Shortage | null = null;
  for (const [name, meter] of Object.entries(info.budget)) {
    const { limit } = meter;
    const refused = meter.refused ?? 0; // an older kernel doesn't tell
    const stuck = info.phase === 'paused' && usedUp(meter);
    if (isMeter(name) && limit !== null && (refused > 0 || stuck)) {
      if (found === null || refused > (found.meter.refused ?? 0)) {
        found = { name, meter: { ...meter, limit } };
      }
    }
  }
  return found;
}

function usedUp({ used, limit }: Meter): boolean {
  return limit !== null && used !== null && used >= limit;
}

/** Say what was spent of what, and what came of it. */
export function shortageText({ name, meter }: Shortage): string {
  const refused = meter.refused ?? 0;
  const spent = say(SPENT[name] ?? '%1 of %2', usedText(name, meter), limitText(name, meter.limit));
  const calls = sayN('%1 call was refused', '%1 calls were refused', refused);
  const head = usedUp(meter) ? say('Budget used up') : say('The budget is too small');
  return `${head}: ${refused > 0 ? `${spent}, ${calls}` : spent}.`;
}

/** What to raise a limit to: about twice of what is there or used, as it is written. */
export function enough({ name, meter }: Shortage): string {
  const wanted = round(2 * Math.max(meter.limit, meter.used ?? 0));
  switch (name) {
    case 'money':
      return `$${wanted === 0 ? '1' : wanted < 1 ? plain(wanted) : wanted.toFixed(2)}`;
    case 'calls':
    case 'tokens':
      return `${plain(Math.max(Math.ceil(wanted), 10))} ${name}`;
    default:
      return wanted < 120
        ? `${plain(Math.max(Math.ceil(wanted), 10))} s`
        : `${plain(Math.ceil(wanted / 60))} min`;
  }
}

/** Up to two digits that tell something. */
function round(value: number): number {
  const unit = value > 0 ? 10 ** (Math.floor(Math.log10(value)) - 1) : 1;
  return Number((Math.ceil(value / unit - 1e-9) * unit).toPrecision(3));
}

/** A number as a budget takes it: never with an exponent. */
function plain(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 9, useGrouping: false });
}
