/** States, facts and estimates in words, the same in headers, toolbar and status bar. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { amissText, callsText, countText, durationText, moneyText } from '../core/format.js';
import type { CellMeta } from '../core/reconcile.js';
import { type Standing, standing } from '../core/standing.js';
import { wantingNode } from '../core/waiting.js';
import type { RunInfo } from '../protocol.js';
import type { Link } from './link.js';

/** A state's sign; the word is always beside it. */
export const SIGNS: Record<string, string> = {
  proposed: '?',
  waiting: '…',
  asking: '?',
  decided: '…',
  running: '▸',
  ok: '✓',
  done: '✓',
  error: '✗',
  failed: '✗',
  interrupted: '■',
  stopped: '■',
  timeout: '■',
  memory: '✗',
  died: '✗',
  rejected: '⊘',
  responded: '↩',
  partial: '◐',
  paused: 'Ⅱ',
  'taken over': '✎',
  'set aside': '⊘',
  'not run': '–',
};

/** A cell's state in words. */
export function stateWord(status: string, trans: TranslationBundle): string {
  switch (status) {
    case 'proposed':
      return trans.__('waits for you');
    case 'set aside':
      return trans.__('set aside');
    case 'waiting':
      return trans.__('about to run');
    case 'asking':
      return trans.__('waits for you');
    case 'running':
      return trans.__('running');
    case 'ok':
      return trans.__('ran');
    case 'error':
      return trans.__('failed');
    case 'interrupted':
      return trans.__('interrupted');
    case 'timeout':
      return trans.__('took too long');
    case 'memory':
      return trans.__('out of memory');
    case 'died':
      return trans.__('lost with the kernel');
    case 'rejected':
      return trans.__('rejected');
    case 'responded':
      return trans.__('answered by you');
    case 'not run':
      return trans.__('not run');
    default:
      return status;
  }
}

/** How a run stands, as the panel has it. */
export function standingOf(info: RunInfo, link: Link): Standing {
  return standing(info, wantingNode(info, link.store?.tree(info.run)));
}

/** "120 calls, 3 failed, 2 refused", or why its answer wasn't taken; nothing where all is well. */
export function amissLine(meta: CellMeta): string {
  const calls = amissText(meta) === '' ? '' : callsText(meta.calls ?? 0, meta);
  return [calls, meta.refusal ?? ''].filter(Boolean).join(' · ');
}

/** "root · turn 3 · gpt-5 · 4 calls · $0.012 · edited by you". */
export function factsLine(meta: CellMeta, trans: TranslationBundle): string {
  const human = meta.author === 'human';
  const parts = [human ? trans.__('you') : trans.__('root')];
  if (meta.turn) parts.push(trans.__('turn %1', meta.turn));
  if (!human && meta.model) parts.push(shortModel(meta.model));
  if (meta.calls) {
    if (amissText(meta) === '') parts.push(callsText(meta.calls, {}));
    if (meta.tokens) parts.push(trans.__('%1 tokens', countText(meta.tokens)));
    if (meta.cost !== undefined) parts.push(moneyText(meta.cost));
  }
  const by = byWhom(meta.by, trans);
  if (meta.decision === 'edit' && by) parts.push(trans.__('edited by %1', by));
  if (!human && meta.decision === 'approve' && by) parts.push(trans.__('approved by %1', by));
  if (meta.reason) parts.push(`“${meta.reason}”`);
  return parts.join(' · ');
}

function byWhom(by: string | undefined, trans: TranslationBundle): string {
  if (!by || by === 'auto' || by === 'rules' || by === 'headless') return '';
  return trans.__('you');
}

/** A model's name without its provider, where it is long. */
export function shortModel(model: string): string {
  return model.length > 24 ? (model.split('/').pop() ?? model) : model;
}

/** What a cell's calls may come to, before anything is spent. */
export function estimateLine(estimate: Record<string, unknown>, trans: TranslationBundle): string {
  const calls = Number(estimate['calls'] ?? 0);
  if (!calls) return '';
  const loops = estimate['loops'] === true;
  const cost = estimate['cost'];
  const money = typeof cost === 'number' ? moneyText(cost) : trans.__('cost unknown');
  const tokens = Number(estimate['tokens'] ?? 0);
  const parts = loops
    ? [
        trans._n('%1 call site, in a loop', '%1 call sites, some in loops', calls),
        typeof cost === 'number' && cost > 0 ? trans.__('≥ %1 a pass', money) : money,
      ]
    : [trans._n('about %1 call', 'about %1 calls', calls), money];
  if (tokens) parts.push(trans.__('about %1 tokens', countText(Math.round(tokens))));
  return parts.join(' · ');
}

/** "3 calls in flight · 12 s". */
export function flightLine(info: RunInfo, seconds: number, trans: TranslationBundle): string {
  const parts: string[] = [];
  if (info.in_flight > 0) {
    parts.push(trans._n('%1 call in flight', '%1 calls in flight', info.in_flight));
  }
  if (seconds >= 1) {
    parts.push(seconds < 60 ? trans.__('%1 s', Math.floor(seconds)) : durationText(seconds));
  }
  if (info.interrupting) parts.push(trans.__('stopping the cell'));
  return parts.join(' · ');
}

/** Used and limit of a budget; short, one limit at most: a toolbar's item has its width. */
export function budgetLine(
  info: RunInfo,
  trans: TranslationBundle,
  short = false,
): { text: string; part: number | null } {
  const { budget } = info;
  let part: number | null = null;
  for (const meter of Object.values(budget)) {
    if (meter.limit && meter.used !== null) {
      part = Math.max(part ?? 0, Math.min(1, meter.used / meter.limit));
    }
  }
  const said: string[] = [];
  const money = budget['money'] ?? budget['cost'];
  if (money) {
    const used = money.used === null ? trans.__('cost unknown') : amount(money.used);
    const { limit } = money;
    const alone = limit === null || (short && money.used === null);
    said.push(alone ? used : trans.__('%1 of %2', used, amount(limit)));
  }
  const calls = budget['calls'];
  if (calls?.used != null && (!money || money.used === 0 || money.used === null)) {
    said.push(
      calls.limit === null || (short && money)
        ? trans._n('%1 call', '%1 calls', calls.used)
        : trans.__('%1 of %2 calls', calls.used, calls.limit.toLocaleString('en-US')),
    );
  }
  return { text: said.join(' · '), part };
}

function amount(value: number): string {
  if (value >= 1 && Number.isInteger(value)) return `$${value.toLocaleString('en-US')}`;
  return value === 0 ? '$0' : moneyText(value);
}

/** One sentence on what is missing between a notebook and us, and what works all the same. */
export function linkSentence(link: Link | null, trans: TranslationBundle): string {
  if (!link) return trans.__('Open a notebook to see its runs here.');
  switch (link.state) {
    case 'none':
      return trans.__(
        'This notebook has no kernel. Choose one, RLM (Python 3) for example, to start a run.',
      );
    case 'foreign':
      return trans.__(
        'This kernel isn’t a Python one. Runs need the kernel RLM (Python 3), or %load_ext rlm in another Python kernel.',
      );
    case 'asking':
      return trans.__('Waiting for the kernel.');
    case 'without':
      return link.ours
        ? trans.__(
            'The kernel hasn’t answered yet. It may still be starting; this page looks again when it speaks.',
          )
        : trans.__(
            'This kernel has no rlm: choose the kernel RLM (Python 3), or run %load_ext rlm first.',
          );
    case 'lost':
      return trans.__(
        'The connection to the kernel is down. The run goes on there; what is shown is from before, and follows when the connection is back.',
      );
    case 'dead':
      return trans.__(
        'The kernel died. Its variables are gone; cells, outputs and the runs’ logs are kept. Restart it, and run the cell that began the run.',
      );
    case 'open':
      return link.slow
        ? trans.__(
            'The kernel hasn’t answered for 5 s; what is shown may be old, and your last command is sent again.',
          )
        : link.lost
          ? trans.__(
              'The kernel was restarted while a run went on. Its variables are gone; its cells and its log are kept: %rlm resume says how to go on; the cell that began it starts anew.',
            )
          : (link.store?.notice ?? '');
  }
}
