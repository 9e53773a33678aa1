/** What a notebook cell's metadata says of the run's cell that it is. */

import type { RunInfo } from '../protocol.js';
import type { CellFacts, CellMeta } from './reconcile.js';
import { digest } from './transcript.js';

/** Whether a person didn't let it run. */
export function rejected(facts: CellFacts): boolean {
  return facts.decision === 'reject';
}

/** What a cell's metadata says when it is over. */
export function described(info: RunInfo, facts: CellFacts, source: string): CellMeta {
  const meta: CellMeta = {
    run: info.run,
    cell: facts.cell,
    turn: facts.turn,
    number: facts.number,
    author: facts.author,
    status: statusOf(info, facts),
  };
  if (facts.decision !== '') meta.decision = facts.decision;
  if (facts.by !== '') meta.by = facts.by;
  if (facts.reason !== '') meta.reason = facts.reason;
  if (facts.author !== 'human') meta.model = facts.model || info.model;
  meta.calls = facts.calls;
  const { failed, refused, cancelled, children } = facts.amiss;
  if (failed > 0) meta.failed = failed;
  if (refused > 0) meta.refused = refused;
  if (cancelled > 0) meta.cancelled = cancelled;
  if (children > 0) meta.children = children;
  if (facts.refusal !== '') meta.refusal = facts.refusal;
  meta.tokens = facts.tokens;
  meta.cost = facts.cost;
  const kept = rejected(facts) && source !== facts.code;
  if (facts.edited !== null || kept) meta.proposed = facts.code;
  if (facts.author !== 'human') meta.digest = digest(facts.edited ?? facts.code);
  return meta;
}

function statusOf(info: RunInfo, facts: CellFacts): string {
  if (facts.status !== '') return facts.status;
  if (rejected(facts)) return 'rejected';
  if (facts.decision === 'respond') return 'responded';
  if (facts.started) return 'running';
  return info.ended ? 'not run' : 'proposed';
}

/** Whether two descriptions say the same. */
export function same(a: CellMeta | null, b: CellMeta): boolean {
  if (a === null) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof CellMeta>;
  return [...keys].every((key) => (a[key] ?? null) === (b[key] ?? null));
}
