import { type Amiss, live, tokens, type TreeNode, type Used } from './node.js';
import { say, sayN } from './say.js';
import { head, length, split } from './words.js';

/**
 * How numbers, states and foreign text are said: the words of `rlm_kernel/log/format.py`, so that
 * every view says the same.
 */

// what could move a cursor, set a colour, reverse text or can't be printed at all
const UNSAFE =
  // eslint-disable-next-line no-control-regex
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu;

/** Round as Python's format does: a number in the middle goes to the even side. */
function fixed(value: number, digits: number): string {
  const twice = value * 2 ** (digits + 1);
  if (Number.isInteger(twice) && Math.abs(twice % 2) === 1) {
    const scaled = value * 10 ** digits;
    const even = 2 * Math.round(scaled / 2);
    return (even / 10 ** digits).toFixed(digits);
  }
  return value.toFixed(digits);
}

/** A whole number with commas. */
export function whole(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

/** An amount of US dollars; null is unknown and never said as nothing. */
export function moneyText(cost: number | null, known = 0): string {
  if (cost === null) {
    return known > 0 ? say('at least %1', moneyText(known)) : say('cost unknown');
  }
  if (cost <= 0) {
    return say('free');
  }
  if (cost < 0.001) {
    return '< $0.001';
  }
  if (cost < 0.1) {
    return `$${fixed(cost, 3)}`;
  }
  const [big = '0', small = '00'] = fixed(cost, 2).split('.');
  return `$${whole(Number(big))}.${small}`;
}

/** A duration; nothing where it is unknown. */
export function durationText(seconds: number | null): string {
  if (seconds === null) {
    return '';
  }
  if (seconds < 0.0995) {
    return say('%1 ms', fixed(Math.max(seconds, 0) * 1000, 0));
  }
  if (seconds < 9.95) {
    return say('%1 s', fixed(seconds, 1));
  }
  const all = Number(fixed(seconds, 0));
  const two = (value: number) => String(value).padStart(2, '0');
  if (all < 60) {
    return say('%1 s', all);
  }
  if (all < 3600) {
    return say('%1 min %2 s', Math.floor(all / 60), two(all % 60));
  }
  return say('%1 h %2 min', Math.floor(all / 3600), two(Math.floor((all % 3600) / 60)));
}

/** A duration, and how long of it the person was waited for, apart. */
export function timeText({ work, waiting }: { work: number; waiting: number }): string {
  if (waiting < 0.05) {
    return durationText(work);
  }
  return work < 0.05
    ? say('%1 waiting for you', durationText(waiting))
    : say('%1 + %2 waiting for you', durationText(work), durationText(waiting));
}

const UNITS: readonly (readonly [number, string])[] = [
  [1_000_000_000, 'G'],
  [1_000_000, 'M'],
  [1000, 'k'],
];

/** A count in three figures or so: `950`, `1.2k`, `34k`, `1.2M`. */
export function countText(number: number): string {
  for (const [unit, suffix] of UNITS) {
    if (number >= unit * 0.9995) {
      const value = number / unit;
      return value < 9.95
        ? `${fixed(value, 1)}${suffix}`
        : `${whole(Number(fixed(value, 0)))}${suffix}`;
    }
  }
  return String(number);
}

/** A part of one, in percent. */
export function percentText(part: number): string {
  return say('%1 %', fixed(100 * Math.min(Math.max(part, 0), 1), 0));
}

/** A length of text, roughly, in the units of files. */
export function sizeText(size: number): string {
  if (size >= 1 << 20) {
    return say('%1 MB', fixed(size / (1 << 20), 1));
  }
  return size >= 1 << 10 ? say('%1 kB', fixed(size / (1 << 10), 0)) : plural(size, 'character');
}

/** A number of things: `1 call`, `1,200 calls`. */
export function plural(number: number, word: string, many = ''): string {
  return sayN(`%1 ${word}`, `%1 ${many || word + 's'}`, number);
}

/** Tokens in and out, by their numbers; nothing where there were none. */
export function tokensShort(used: Used): string {
  if (!tokens(used)) {
    return '';
  }
  return `${countText(used.input_tokens)} → ${countText(used.output_tokens)}`;
}

/** Tokens in and out; nothing where there were none. */
export function tokensText(used: Used): string {
  return tokens(used) ? say('%1 tokens', tokensShort(used)) : '';
}

/** What was paid. */
export function costText(used: Used): string {
  return moneyText(used.cost, used.known_cost);
}

/** Calls, tokens and cost; nothing where nothing was used. */
export function usageText(used: Used): string {
  if (!used.calls && !tokens(used)) {
    return '';
  }
  return [plural(used.calls, 'call'), tokensText(used), costText(used)].filter(Boolean).join(' · ');
}

/** What came to nothing in words, most telling first: `3 failed, 2 refused`. */
export function amissText(amiss: Partial<Amiss>): string {
  const { failed = 0, refused = 0, cancelled = 0, children = 0 } = amiss;
  return [
    failed ? say('%1 failed', whole(failed)) : '',
    refused ? say('%1 refused', whole(refused)) : '',
    cancelled ? say('%1 cancelled', whole(cancelled)) : '',
    children ? sayN('%1 child not done', '%1 children not done', children) : '',
  ]
    .filter(Boolean)
    .join(', ');
}

/** How many calls were asked for and what of them came to nothing; nothing where none were. */
export function callsText(calls: number, amiss: Partial<Amiss>): string {
  return [calls ? plural(calls, 'call') : '', amissText(amiss)].filter(Boolean).join(', ');
}

/** What came to nothing by signs, short enough for a row: `3 ✗ 2 ⊘`. */
export function amissSigns({ failed, children, refused, cancelled }: Amiss): string {
  return signs([
    [failed + children, '✗'],
    [refused, '⊘'],
    [cancelled, '■'],
  ]);
}

/** Counts with a sign each; none of those that there are none of. */
export function signs(
  counts: readonly (readonly [count: number, sign: string])[],
  said: (count: number) => string = countText,
): string {
  return counts
    .filter(([count]) => count > 0)
    .map(([count, sign]) => `${said(count)} ${sign}`)
    .join(' ');
}

/** Foreign text, safe to show: control characters become visible ones. */
export function clean(text: string): string {
  return text.replace(UNSAFE, (found) => {
    const code = found.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : '\ufffd';
  });
}

/** A text on one line of at most `width` characters, safe to show. */
export function oneLine(text: string, width: number): string {
  const line = split(clean(head(text, 4 * width + 400))).join(' ');
  return length(line) <= width ? line : head(line, Math.max(width - 1, 0)) + '…';
}

const ROLES: Record<string, string> = {
  root: 'root model',
  fold: 'folding',
  closing: 'closing turn',
};

/** What a node is called in a row: `cell 3`, `root model`, `call 2`, `child run`. */
export function label(node: TreeNode): string {
  switch (node.kind) {
    case 'call':
      if (Object.hasOwn(ROLES, node.role)) {
        return say(ROLES[node.role] as string);
      }
      return node.index === null ? say('call') : say('call %1', node.index + 1);
    case 'cell':
      if (node.author === 'human') {
        return node.number ? say('cell %1 by a person', node.number) : say('cell by a person');
      }
      return node.number ? say('cell %1', node.number) : say('cell');
    case 'run':
      return node.depth > 0 ? say('child run') : say('run');
    case 'solve':
      return say('latent recursion');
    case 'step':
      return say('step %1', node.number);
    case 'turn':
    case 'batch':
      return '';
    default:
      return say(node.kind);
  }
}

const QUIET = new Set(['ok', 'done', 'running', 'open', 'decided']);

/** The status word where it says more than its icon does. */
export function stateText(node: TreeNode, over: boolean): string {
  if (live(node) && over) {
    return 'not finished';
  }
  return QUIET.has(node.status) ? '' : node.status;
}

/** The status in a word, always; `taken`: a person has taken the run over. */
export function statusWord(node: TreeNode, over: boolean, taken: boolean): string {
  if (live(node) && over) {
    return 'not finished';
  }
  if (taken && node.kind === 'cell' && node.status === 'proposed') {
    return 'set aside';
  }
  const person = node.kind === 'call' && (node.role === 'human' || node.model === 'human');
  if (node.asking !== '' || (person && live(node))) {
    return 'asking';
  }
  return node.status;
}

/** What the calls of a cell may come to, before they are made; nothing where none is. */
export function estimateText(estimate: Readonly<Record<string, unknown>>): string {
  const { calls, tokens: size, cost, loops } = estimate;
  if (typeof calls !== 'number' || !calls) {
    return '';
  }
  const parts = [
    loops ? sayN('%1 call or more', '%1 calls or more', calls) : plural(calls, 'call'),
  ];
  if (typeof size === 'number') {
    parts.push(say('about %1 tokens', countText(Math.trunc(size))));
  }
  const free = typeof cost === 'number' && cost <= 0;
  const money = typeof cost === 'number' ? say('about %1', moneyText(cost)) : say('price unknown');
  parts.push(free ? say('free') : money);
  return parts.join(' · ');
}

/** What holds the cells of a run, as `run.started` says it; nothing where it isn't known. */
export function sandboxText(method: string): string {
  return method === '' ? '' : method === 'none' ? say('no sandbox') : say('sandbox: %1', method);
}

/** What a context is, from what `run.started` tells of it. */
export function contextText(info: Readonly<Record<string, unknown>>): string {
  const said = (key: string) => (info[key] === undefined ? '' : String(info[key]));
  return [`${said('name') || 'context'}: ${said('kind')}`, said('size'), said('path'), said('note')]
    .filter(Boolean)
    .join(' · ');
}

/** How the kernel's sentence begins where a person cancelled a call, not a stop or an interrupt. */
const BY_A_PERSON = 'A person cancelled';

/** Why a call was cancelled or not sent, for the person: nothing went wrong in it; else nothing. */
export function unsentText(node: TreeNode): string {
  if (node.kind !== 'call' || node.ended === null) {
    return '';
  }
  if (node.error_kind === 'budget') {
    return say('Not sent: the budget doesn’t cover it');
  }
  if (node.status !== 'cancelled') {
    return '';
  }
  return node.error.startsWith(BY_A_PERSON) ? say('Cancelled by you') : say('Cancelled');
}

/**
 * The title of a row: what a node is about, in its own words; an error instead where it failed.
 * What was cancelled or not sent is still known by what it asked.
 */
export function titleText(node: TreeNode): string {
  if (node.kind === 'call') {
    const asked = node.role === 'root' || node.role === 'closing' ? node.name : node.title;
    const unsent = unsentText(node);
    if (unsent !== '') {
      return asked === '' ? unsent : `${asked} · ${unsent}`;
    }
    return node.error || asked;
  }
  return node.kind === 'turn' ? say('turn %1', node.number) : node.title;
}
