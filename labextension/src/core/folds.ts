import type { Event, NodeKind } from '../protocol.js';
import { amissOf, NOTHING_AMISS, type TreeNode, type Used } from './node.js';
import { countText, percentText, plural, whole } from './format.js';
import type { RunTree } from './tree.js';
import { head, length, lines, split, strip } from './words.js';

/**
 * How each event changes the tree; the same as `rlm_kernel/log/_folds.py`, function by function.
 * Fields that are missing have their default: the log leaves those out.
 */

type Cut = Readonly<Record<string, number>> | undefined;
type Fold<E> = (tree: RunTree, event: E, time: number, cut: Cut) => TreeNode;
type Folds = { [T in Event['type']]: Fold<Extract<Event, { type: T }>> };

const KINDS: readonly NodeKind[] = [
  'session',
  'run',
  'turn',
  'cell',
  'batch',
  'call',
  'solve',
  'step',
];
const TITLE = 120;

/** The kind that the id of a node speaks for. */
export function guess(id: string): NodeKind {
  const word = id.replace(/[0-9]+$/, '');
  return (KINDS as readonly string[]).includes(word) ? (word as NodeKind) : 'run';
}

function codeTitle(code: string): string {
  const all = lines(head(code, 2000)).map(strip);
  const some = all.filter((line) => line !== '' && !line.startsWith('#'));
  const telling = some.length ? some : all;
  const first = telling[0];
  return first === undefined ? '' : title(first) + (telling.length > 1 ? ' …' : '');
}

function title(text: string): string {
  const line = split(head(text, 4 * TITLE)).join(' ');
  return length(line) <= TITLE ? line : head(line, TITLE - 1) + '…';
}

/** Give a solve its title: what is solved, and what came of it. */
function named(node: TreeNode): TreeNode {
  if (node.kind === 'solve') {
    let said = node.error;
    if (node.ended !== null && ['ok', 'partial'].includes(node.status)) {
      const steps = plural(node.number, 'step');
      const calls = plural(node.applied, 'call');
      const net = `one ${countText(node.parameters)}-parameter net`;
      said = `${node.solved ? 'solved' : 'not solved'} in ${steps}, ${calls} of ${net}`;
    }
    node.title = title([node.task, said].filter(Boolean).join(' · '));
  }
  return node;
}

const MOST = 1e15; // of anything; a number above it isn't meant

/** Take what isn't a finite number from 0 on as not told, as Python's recorded_usage does. */
function count(value: unknown): number {
  return typeof value === 'number' && value >= 0 && value <= MOST ? value : 0;
}

function used(data: Record<string, unknown> | undefined): Used {
  const told = data ?? {};
  const cost = told.cost === null ? null : count(told.cost);
  return {
    input_tokens: Math.trunc(count(told.input_tokens)),
    output_tokens: Math.trunc(count(told.output_tokens)),
    cached_tokens: Math.trunc(count(told.cached_tokens)),
    cost,
    known_cost: Math.max(count(told.known_cost), cost ?? 0),
    calls: Math.trunc(count(told.calls)),
    seconds: count(told.seconds),
  };
}

/** Keep how long a text is that came cut, under the name of the node's field. */
function cutTo(node: TreeNode, cut: Cut, names: Record<string, string>): void {
  for (const [name, field] of Object.entries(names)) {
    const chars = cut?.[name];
    if (chars !== undefined) {
      node.cut = { ...node.cut, [field]: chars };
    } else if (field in node.cut) {
      const { [field]: _, ...rest } = node.cut;
      node.cut = rest;
    }
  }
}

function countInBatch(tree: RunTree, node: TreeNode, ok: boolean): void {
  const batch = node.parent === null ? undefined : tree.get(node.parent);
  if (batch !== undefined && batch.kind === 'batch' && batch.ended === null) {
    if (ok) {
      batch.ok += 1;
    } else {
      batch.failed += 1;
    }
    batch.version += 1;
  }
}

/** Count more calls of a cell that weren't allowed. */
function refused(tree: RunTree, node: TreeNode, calls: number): void {
  if (calls > 0) {
    node.refused += calls;
    tree.addAmiss(node, { ...NOTHING_AMISS, refused: calls, unmade: calls });
  }
}

/** Who decides without a person; until then a cell waits for a front end at most. */
const BY_ITSELF = new Set(['auto', 'rules', 'headless']);

const DECIDED: Record<string, string> = { reject: 'rejected', respond: 'responded' };

export const FOLDS: Folds = {
  'run.started': (tree, e, time) =>
    tree.start(e.node, e.parent ?? null, 'run', time, {
      status: 'starting',
      // A variable's name says less than the question.
      title: title((e.parent && e.name) || e.question || ''),
      run_id: e.run_id ?? '',
      question: e.question ?? '',
      name: e.name ?? '',
      context: e.context ?? [],
      model: e.model ?? '',
      sub_model: e.sub_model ?? '',
      mode: e.mode ?? 'auto',
      where: e.where ?? 'kernel',
      depth: e.depth ?? 0,
      line: e.line ?? null,
      index: e.index ?? null,
      config: e.config ?? {},
      sandbox: e.sandbox ?? '',
    }),

  'run.opened': (tree, e) => tree.spoken(e.node, 'run'),

  'run.resumed': (tree, e) => {
    const node = tree.spoken(e.node, 'run');
    if (node.kind !== 'run') return node;
    node.ended = null;
    node.seconds = null;
    node.answer = null;
    node.status = 'starting';
    node.reason = '';
    node.answer_type = '';
    node.forced = false;
    node.text = '';
    node.model = e.model || node.model;
    node.sub_model = e.sub_model || node.sub_model;
    node.where = e.where || node.where;
    node.sandbox = e.sandbox || node.sandbox;
    const turns = e.turns ? `after turn ${e.turns}` : 'from its start';
    const what = e.branch ? `This is a branch of ${e.branch}` : 'The run was picked up again';
    node.notes = [...node.notes, ['info', `${what} ${turns}.`]];
    return node;
  },

  'session.started': (tree, e, time) => {
    const node = tree.spoken(e.node, 'session');
    tree.become(node, 'session');
    node.status = 'open';
    node.started = time;
    node.title = title(e.title || 'session');
    return node;
  },

  'run.phase': (tree, e, time) => {
    const node = tree.spoken(e.node, 'run');
    if (node.ended === null) {
      node.status = e.phase ?? 'thinking';
      node.reason = e.reason ?? '';
      if (node.status === 'paused') {
        tree.wait(node, 'pause', time);
      } else {
        tree.waited(node, 'pause', time);
      }
    }
    return node;
  },

  'run.mode': (tree, e) => {
    const node = tree.spoken(e.node, 'run');
    node.mode = e.mode ?? 'auto';
    return node;
  },

  'run.budget': (tree, e) => {
    const node = tree.spoken(e.node, 'run');
    node.budget = e.budget ?? {};
    return node;
  },

  'run.ended': (tree, e, time, cut) => {
    const node = tree.spoken(e.node, 'run');
    if (node.ended === null) {
      const status = e.status ?? 'done';
      node.seconds = e.seconds || null;
      node.answer = e.answer ?? null;
      node.answer_type = e.answer_type ?? '';
      node.forced = e.forced ?? false;
      node.reason = e.reason ?? '';
      cutTo(node, cut, { answer: 'answer' });
      tree.end(node, time, status);
      tree.addAmiss(tree.parent(node), tree.ownAmiss(node));
      countInBatch(tree, node, status === 'done');
    }
    return node;
  },

  'turn.started': (tree, e, time) =>
    tree.start(e.node, e.parent ?? '', 'turn', time, {
      number: e.number ?? 0,
      of: e.of ?? 0,
      title: `turn ${e.number ?? 0}`,
    }),

  'turn.ended': (tree, e, time, cut) => {
    const node = tree.spoken(e.node, 'turn');
    node.observation = e.observation ?? '';
    cutTo(node, cut, { observation: 'observation' });
    tree.end(node, time, e.status ?? 'ok');
    return node;
  },

  'cell.proposed': (tree, e, time, cut) => {
    const before = tree.get(e.node);
    const told = before === undefined || !before.known;
    const proposed = e.code ?? '';
    const code = before !== undefined && before.code ? before.code : proposed;
    const node = tree.start(e.node, e.parent ?? '', 'cell', time, {
      status: 'proposed',
      title: codeTitle(code),
      code,
      proposed_code: proposed,
      author: e.author ?? 'model',
      number: e.number ?? 0,
      place: e.place ?? '',
      estimate: e.estimate ?? {},
    });
    if (told) {
      const names: Record<string, string> = { code: 'proposed_code' };
      cutTo(node, cut, names);
      if (code === proposed) {
        cutTo(node, cut, { code: 'code' });
      }
      if (node.ended === null && node.decision === '') {
        tree.wait(node, 'decision', time);
      }
    }
    return node;
  },

  'cell.decided': (tree, e, time, cut) => {
    const node = tree.spoken(e.node, 'cell');
    const decision = e.decision ?? 'approve';
    node.decision = decision;
    node.by = e.by ?? 'auto';
    tree.waited(node, 'decision', time, BY_ITSELF.has(node.by));
    node.reason = e.reason ?? '';
    if (e.code !== undefined && e.code !== null) {
      node.code = e.code;
      node.title = codeTitle(e.code);
      cutTo(node, cut, { code: 'code' });
    }
    if (e.text) {
      node.output = e.text;
      node.output_chars = cut?.text ?? length(e.text);
      cutTo(node, cut, { text: 'output' });
    }
    const ends = DECIDED[decision];
    if (ends !== undefined) {
      tree.end(node, time, ends);
    } else if (node.ended === null && (node.status === 'proposed' || node.status === 'unknown')) {
      node.status = 'decided';
    }
    return node;
  },

  'cell.started': (tree, e, time) => {
    const node = tree.spoken(e.node, 'cell');
    node.where = e.where ?? 'kernel';
    tree.waited(node, 'decision', time);
    if (node.ended === null) {
      node.status = 'running';
      node.started = time;
    }
    return node;
  },

  'cell.ended': (tree, e, time, cut) => {
    const node = tree.spoken(e.node, 'cell');
    if (node.ended === null) {
      node.output = e.output ?? '';
      node.output_chars = e.output_chars ?? 0;
      node.result = e.result ?? null;
      node.error = e.error ?? '';
      node.traceback = e.traceback ?? '';
      node.seconds = e.seconds || null;
      node.waited = e.waited ?? 0;
      node.changed = e.changed ?? [];
      node.note = e.note ?? '';
      cutTo(node, cut, {
        output: 'output',
        result: 'result',
        traceback: 'traceback',
        error: 'error',
      });
      tree.end(node, time, e.status ?? 'ok');
      refused(tree, node, (e.refused ?? 0) - node.refused);
    }
    return node;
  },

  'calls.proposed': (tree, e, time) => {
    const node = tree.spoken(e.node, 'cell');
    if (node.ended === null) {
      node.asking = e.ask ?? '';
      node.asked = e.calls ?? 0;
      tree.wait(node, 'calls', time);
      node.reason = e.reason ?? '';
    }
    return node;
  },

  'calls.decided': (tree, e, time) => {
    const node = tree.spoken(e.node, 'cell');
    if (node.asking === (e.ask ?? '')) {
      const { asked } = node;
      tree.waited(node, 'calls', time);
      if (e.decision === 'reject' && e.by === 'stop') {
        tree.addAmiss(node, { ...NOTHING_AMISS, cancelled: asked, unmade: asked });
      } else if (e.decision === 'reject') {
        refused(tree, node, asked);
      }
      node.asked = 0;
      node.asking = node.reason = '';
    }
    if (e.decision === 'reject') {
      node.reason = 'calls were refused' + (e.reason ? ` (${e.reason})` : '');
    }
    return node;
  },

  'batch.started': (tree, e, time) => {
    const what = e.kind === 'rlm' ? 'rlm_query' : 'llm_query';
    return tree.start(e.node, e.parent ?? '', 'batch', time, {
      size: e.size ?? 0,
      line: e.line ?? null,
      name: what,
      title: `${what} × ${e.size ?? 0}`,
    });
  },

  'batch.ended': (tree, e, time) => {
    const node = tree.spoken(e.node, 'batch');
    if (node.ended === null) {
      node.ok = e.ok ?? 0;
      node.failed = e.failed ?? 0;
      tree.end(node, time, !node.failed ? 'ok' : node.ok ? 'partial' : 'error');
    }
    return node;
  },

  'call.started': (tree, e, time, cut) => {
    const told = !tree.get(e.node)?.known;
    const node = tree.start(e.node, e.parent ?? '', 'call', time, {
      title: title(e.name || e.prompt || ''),
      role: e.role ?? 'sub',
      model: e.model ?? '',
      prompt: e.prompt ?? '',
      name: e.name ?? '',
      depth: e.depth ?? 0,
      line: e.line ?? null,
      index: e.index ?? null,
      note: e.note ?? '',
      choices: e.choices ?? [],
    });
    if (told) {
      cutTo(node, cut, { prompt: 'prompt' });
    }
    return node;
  },

  'call.text': (tree, e, time) => {
    const node = tree.spoken(e.node, 'call');
    if (node.ended === null) {
      if (node.first_token === null && node.started !== null) {
        node.first_token = Math.max(time - node.started, 0);
      }
      node.text += e.text ?? '';
      if (node.status === 'retrying') {
        node.status = 'running';
      }
    }
    return node;
  },

  'call.retried': (tree, e) => {
    const node = tree.spoken(e.node, 'call');
    if (node.ended === null) {
      node.retries = e.attempt ?? 1;
      node.error = e.error ?? '';
      node.status = 'retrying';
      node.text = '';
      node.first_token = null;
    }
    return node;
  },

  'call.ended': (tree, e, time, cut) => {
    const node = tree.spoken(e.node, 'call');
    if (node.ended !== null) {
      return node;
    }
    const status = e.status ?? 'ok';
    node.text = e.text ?? '';
    cutTo(node, cut, { text: 'text', error: 'error' });
    node.model = e.model || node.model;
    node.finish = e.finish ?? '';
    node.cached = e.cached ?? false;
    node.error = e.error ?? '';
    node.error_kind = e.error_kind ?? '';
    if (e.first_token !== undefined && e.first_token !== null) {
      node.first_token = e.first_token;
    }
    tree.end(node, time, status);
    node.own = used(e.usage);
    tree.add(node, node.own);
    tree.addAmiss(node, amissOf(status, node.error_kind, node.own.calls));
    countInBatch(tree, node, status === 'ok');
    return node;
  },

  'solve.started': (tree, e, time, cut) => {
    const told = !tree.get(e.node)?.known;
    const node = tree.start(e.node, e.parent ?? '', 'solve', time, {
      task: e.task ?? '',
      model: e.model ?? '',
      prompt: e.puzzle ?? '',
      parameters: e.parameters ?? 0,
      of: e.of ?? 0,
      line: e.line ?? null,
    });
    if (told) {
      cutTo(node, cut, { puzzle: 'prompt' });
    }
    return named(node);
  },

  'solve.step': (tree, e, time, cut) => {
    const above = e.parent ? tree.get(e.parent) : undefined;
    const last = above?.children[above.children.length - 1];
    const from = last === undefined ? above : tree.get(last);
    const before = (last === undefined ? from?.started : from?.ended) ?? null;
    const changed = plural(e.changed ?? 0, 'cell');
    const wrong = e.wrong ?? 0;
    const breaks = `${wrong ? whole(wrong) : 'none'} ${wrong > 1 ? 'break' : 'breaks'} a rule`;
    const told = !tree.get(e.node)?.known;
    const began = before === null ? time : Math.min(before, time);
    const node = tree.start(e.node, e.parent ?? '', 'step', began, {
      title: `${changed} changed, ${breaks} · halt ${percentText(e.halt ?? 0)}`,
      number: e.number ?? 0,
      applied: e.calls ?? 0,
      cells_changed: e.changed ?? 0,
      cells_wrong: wrong,
      halt: e.halt ?? 0,
      moved: e.moved ?? 0,
      frames: e.frames ?? [],
      text: e.grid ?? '',
    });
    if (told) {
      cutTo(node, cut, { grid: 'text' });
    }
    if (node.kind === 'step') {
      tree.end(node, time, 'ok');
    }
    return node;
  },

  'solve.ended': (tree, e, time, cut) => {
    const node = tree.spoken(e.node, 'solve');
    if (node.ended === null) {
      node.solved = e.solved ?? false;
      node.note = e.said ?? '';
      node.error = e.error ?? '';
      node.text = e.answer ?? '';
      node.number = e.steps ?? 0;
      node.applied = e.calls ?? 0;
      node.seconds = e.seconds || null;
      cutTo(node, cut, { answer: 'text', error: 'error' });
      const status = e.status ?? 'ok';
      // It ran to its end, and its grid isn't the solution: no mark says that all is well.
      tree.end(node, time, status === 'ok' && !node.solved ? 'partial' : status);
    }
    return named(node);
  },

  'answer.given': (tree, e, _time, cut) => {
    const node = tree.spoken(e.node, guess(e.node));
    if (e.accepted ?? true) {
      node.answer = e.answer ?? '';
      cutTo(node, cut, { answer: 'answer' });
    } else {
      node.reason = node.refusal = e.reason ?? '';
    }
    return node;
  },

  'run.folded': (tree, e) => {
    const node = tree.spoken(e.node, 'run');
    const said = (count: number | undefined) => (count ?? 0).toLocaleString('en-US');
    const sizes = `${said(e.tokens_before)} to ${said(e.tokens_after)} tokens`;
    const text = `${e.messages ?? 0} older messages were folded (${sizes}).`;
    node.notes = [...node.notes, ['info', text]];
    return node;
  },

  note: (tree, e) => {
    const node = tree.spoken(e.node, guess(e.node));
    node.notes = [...node.notes, [e.level ?? 'info', e.text ?? '']];
    return node;
  },
};
