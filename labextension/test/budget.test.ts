import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enough, shortage, shortageText } from '../src/core/budget.js';
import type { Meter, RunInfo } from '../src/protocol.js';
import { runInfo } from '../perf/replay.js';

const meter = (used: number | null, limit: number | null, refused = 0): Meter => ({
  used,
  limit,
  refused,
});

function short(budget: Record<string, Meter>, more: Partial<RunInfo> = {}) {
  return shortage(runInfo('r', { budget, ...more }));
}

test('a budget is short once a call was refused, whatever the run does meanwhile', () => {
  const budget = { money: meter(0.2, 1), calls: meter(3, 3, 3) };
  const found = short(budget, { phase: 'running' });
  assert.ok(found);
  assert.equal(shortageText(found), 'Budget used up: 3 of 3 calls made, 3 calls were refused.');
  assert.equal(enough(found), '10 calls');
  assert.equal(short(budget, { ended: true }), null);
});

test('a limit that is reached stops nobody yet; of a run that is paused it is why', () => {
  const budget = { seconds: meter(61, 60) };
  assert.equal(short(budget, { phase: 'running' }), null);
  const found = short(budget, { phase: 'paused' });
  assert.ok(found);
  assert.equal(shortageText(found), 'Budget used up: 1 min 01 s of 1 min 00 s taken.');
  assert.equal(enough(found), '3 min');
});

test('a call that would cost more than is left is told from a budget that is used up', () => {
  const found = short({ money: meter(0.04, 0.05, 1) });
  assert.ok(found);
  assert.equal(
    shortageText(found),
    'The budget is too small: $0.040 of $0.050 spent, 1 call was refused.',
  );
  assert.equal(enough(found), '$0.1');
});

test('what is proposed is of the kind that ran out, and larger than what was used', () => {
  const proposed = (name: string, used: number | null, limit: number) => {
    const found = short({ [name]: meter(used, limit, 1) });
    assert.ok(found);
    return enough(found);
  };
  assert.equal(proposed('money', 1, 1), '$2.00');
  assert.equal(proposed('money', null, 0), '$1');
  assert.equal(proposed('money', 0.00001, 0.00001), '$0.00002');
  assert.equal(proposed('tokens', 1_234_567, 1_000_000), '2500000 tokens');
  assert.equal(proposed('calls', 1000, 1000), '2000 calls');
  assert.equal(proposed('seconds', 20, 20), '40 s');
  assert.equal(proposed('seconds', 600, 600), '20 min');
});
