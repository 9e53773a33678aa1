import type { NodeKind } from '../protocol.js';
import type { Waits } from './waits.js';

/** What calls used, every field there; adds up by `plus`. */
export interface Used {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cached_tokens: number;
  readonly cost: number | null;
  readonly known_cost: number;
  readonly calls: number;
  readonly seconds: number;
}

export const NOTHING_USED: Used = Object.freeze({
  input_tokens: 0,
  output_tokens: 0,
  cached_tokens: 0,
  cost: 0,
  known_cost: 0,
  calls: 0,
  seconds: 0,
});

/** Add two usages; a cost is unknown as soon as one in the sum is. */
export function plus(a: Used, b: Used): Used {
  return {
    input_tokens: a.input_tokens + b.input_tokens,
    output_tokens: a.output_tokens + b.output_tokens,
    cached_tokens: a.cached_tokens + b.cached_tokens,
    cost: a.cost !== null && b.cost !== null ? a.cost + b.cost : null,
    known_cost: a.known_cost + b.known_cost,
    calls: a.calls + b.calls,
    seconds: a.seconds + b.seconds,
  };
}

/** How many of several calls came to nothing; the same as `rlm_kernel/log/node.py` says. */
export interface Amiss {
  /** They were sent and ended in an error. */
  readonly failed: number;
  /** They were taken back. */
  readonly cancelled: number;
  /** They were not sent: a person, or the budget, didn't let them. */
  readonly refused: number;
  /** Runs that ended otherwise than done. */
  readonly children: number;
  /** Those of the calls that no usage counts. */
  readonly unmade: number;
}

export const NOTHING_AMISS: Amiss = Object.freeze({
  failed: 0,
  cancelled: 0,
  refused: 0,
  children: 0,
  unmade: 0,
});

/** Add what came to nothing in two places. */
export function both(a: Amiss, b: Amiss): Amiss {
  return {
    failed: a.failed + b.failed,
    cancelled: a.cancelled + b.cancelled,
    refused: a.refused + b.refused,
    children: a.children + b.children,
    unmade: a.unmade + b.unmade,
  };
}

/** What one call that ended counts as, of which a usage counts so many calls. */
export function amissOf(status: string, errorKind: string, calls: number): Amiss {
  if (status === 'ok') {
    return NOTHING_AMISS;
  }
  const unmade = calls ? 0 : 1;
  if (status === 'cancelled') {
    return { ...NOTHING_AMISS, cancelled: 1, unmade };
  }
  const what = errorKind === 'budget' ? { refused: 1 } : { failed: 1 };
  return { ...NOTHING_AMISS, ...what, unmade };
}

/** How many calls a node and everything below it asked for, also those that weren't made. */
export function asked(node: TreeNode): number {
  return node.total.calls + node.amiss.unmade;
}

/** The fields of a node that hold texts, which may be cut. */
export type TextField =
  | 'question'
  | 'code'
  | 'prompt'
  | 'text'
  | 'output'
  | 'traceback'
  | 'observation'
  | 'answer'
  | 'result'
  | 'error';

/** Input and output tokens together. */
export function tokens(used: Used): number {
  return used.input_tokens + used.output_tokens;
}

/**
 * A run, turn, cell, batch, call, solve, step or session as far as the events have told of it.
 *
 * The fields have the names of the log's own tree (`rlm_kernel/log/node.py`): both are folds over
 * the same events and a test holds them equal. `version` grows with each change of the node,
 * `below` with each change of it or of anything below it: what a view kept of it is then old.
 */
export interface TreeNode {
  readonly id: string;
  kind: NodeKind;
  parent: string | null;
  known: boolean;
  children: string[];
  title: string;
  status: string;
  started: number | null;
  ended: number | null;
  seconds: number | null;
  own: Used;
  total: Used;
  /** The calls in there that came to nothing. */
  amiss: Amiss;
  depth: number;
  line: number | null;
  index: number | null;
  name: string;
  model: string;
  note: string;
  error: string;
  reason: string;
  /** Of a cell: why the answer that it gave wasn't taken. */
  refusal: string;

  run_id: string;
  question: string;
  context: readonly Record<string, unknown>[];
  sub_model: string;
  mode: string;
  where: string;
  /** What holds its cells. */
  sandbox: string;
  config: Record<string, unknown>;
  budget: Record<string, unknown>;
  answer: string | null;
  answer_type: string;
  forced: boolean;
  notes: readonly (readonly [level: string, text: string])[];

  number: number;
  of: number;
  observation: string;
  code: string;
  proposed_code: string;
  author: string;
  place: string;
  estimate: Record<string, unknown>;
  asking: string;
  asked: number;
  /** Calls of it that weren't allowed, and have no node. */
  refused: number;
  decision: string;
  by: string;
  output: string;
  output_chars: number;
  result: string | null;
  traceback: string;
  waited: number;
  changed: readonly string[];

  size: number;
  ok: number;
  failed: number;

  role: string;
  prompt: string;
  choices: readonly string[];
  retries: number;
  first_token: number | null;
  finish: string;
  cached: boolean;
  error_kind: string;

  /** Of a solve and its steps: what is asked is the prompt, the grid is the text. */
  task: string;
  parameters: number;
  /** How often the network was applied, so far. */
  applied: number;
  /** Whether the rules say so. */
  solved: boolean;
  cells_changed: number;
  cells_wrong: number;
  halt: number;
  moved: number;
  frames: readonly Record<string, unknown>[];

  /** The reply of a call: what has streamed in, then the whole; the grid of a solve. */
  text: string;

  /** How long texts are that came cut to their beginning, by the node's field. */
  cut: Readonly<Record<string, number>>;
  version: number;
  below: number;
  /** When a person was waited for; null where nobody was. */
  waits: Waits | null;
}

const NONE: readonly never[] = Object.freeze([]);
const NOTHING: Record<string, never> = Object.freeze({});

/** Make a node of which nothing is told yet. */
export function newNode(id: string, kind: NodeKind): TreeNode {
  return {
    id,
    kind,
    parent: null,
    known: true,
    children: [],
    title: '',
    status: 'running',
    started: null,
    ended: null,
    seconds: null,
    own: NOTHING_USED,
    total: NOTHING_USED,
    amiss: NOTHING_AMISS,
    depth: 0,
    line: null,
    index: null,
    name: '',
    model: '',
    note: '',
    error: '',
    reason: '',
    refusal: '',
    run_id: '',
    question: '',
    context: NONE,
    sub_model: '',
    mode: '',
    where: '',
    sandbox: '',
    config: NOTHING,
    budget: NOTHING,
    answer: null,
    answer_type: '',
    forced: false,
    notes: NONE,
    number: 0,
    of: 0,
    observation: '',
    code: '',
    proposed_code: '',
    author: '',
    place: '',
    estimate: NOTHING,
    asking: '',
    asked: 0,
    refused: 0,
    decision: '',
    by: '',
    output: '',
    output_chars: 0,
    result: null,
    traceback: '',
    waited: 0,
    changed: NONE,
    size: 0,
    ok: 0,
    failed: 0,
    role: '',
    prompt: '',
    choices: NONE,
    retries: 0,
    first_token: null,
    finish: '',
    cached: false,
    error_kind: '',
    task: '',
    parameters: 0,
    applied: 0,
    solved: false,
    cells_changed: 0,
    cells_wrong: 0,
    halt: 0,
    moved: 0,
    frames: NONE,
    text: '',
    cut: NOTHING,
    version: 0,
    below: 0,
    waits: null,
  };
}

/** Whether it hasn't ended yet, as far as the events tell. */
export function live(node: TreeNode): boolean {
  return node.known && node.ended === null && node.kind !== 'session';
}
