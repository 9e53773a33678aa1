import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axis, cutMarks, span, ticks, tickText } from '../src/core/axis.js';
import { difference, issued } from '../src/core/cells.js';
import { clean, moneyText, oneLine, titleText } from '../src/core/format.js';
import { icicle } from '../src/core/icicle.js';
import { tokenLines, tokens } from '../src/core/python.js';
import type { TreeNode } from '../src/core/node.js';
import { RunTree } from '../src/core/tree.js';
import type { Event } from '../src/protocol.js';
import { demoRun } from '../perf/demo.js';

function demo(kind: 'done' | 'waits' | 'asks' = 'done', size = 40): RunTree {
  const tree = new RunTree();
  demoRun(kind, size, 10_000).log.forEach((logged) => tree.apply(logged));
  return tree;
}

test('the icicle gives each node the share of what it and everything below it used', () => {
  const tree = demo();
  const { boxes, total } = icicle(tree, 'tokens', undefined, 0, 10_000);
  const box = (id: string) => boxes.find((one) => one.node.id === id);
  assert.equal(box('run1')?.right, 1);
  const children = boxes.filter((one) => one.node.parent === 'batch1');
  const sum = children.reduce((all, one) => all + one.value, 0);
  assert.ok(Math.abs(sum - (box('batch1')?.value ?? 0)) < 1e-6);
  assert.ok(children.every((one) => one.left >= (box('batch1')?.left ?? 1) - 1e-9));
  assert.ok(total > 0);
});

test('boxes too narrow to see are drawn together, so that there are never more than pixels', () => {
  const tree = demo('done', 5000);
  const fine = icicle(tree, 'time', undefined, 0, 10_000).boxes.length;
  const { boxes, depth } = icicle(tree, 'time', undefined, 1 / 400, 10_000);
  assert.ok(fine > 5000);
  assert.ok(boxes.length <= 402 * depth, `${boxes.length} boxes`);
  assert.ok(boxes.some((box) => box.count > 1));
});

test('an icicle of what cost nothing has no boxes', () => {
  const tree = new RunTree();
  tree.apply({ seq: 1, time: 1, event: { type: 'run.started', node: 'run1' } });
  assert.deepEqual(icicle(tree, 'cost', undefined, 0, 2).boxes, []);
});

test('a live axis keeps its length for a while, a finished one is what the run took', () => {
  const tree = demo('waits');
  const from = tree.from ?? 0;
  assert.equal(axis(tree, from + 83, false).seconds, 100);
  assert.equal(axis(tree, from + 84, false).seconds, 100);
  const over = axis(demo(), from + 1e6, true);
  assert.ok(over.seconds < 94);
});

test('bars are where their nodes were, and end now where they go on', () => {
  const tree = demo('waits');
  const from = tree.from ?? 0;
  const on = axis(tree, from + 90, false);
  const cell = tree.get('cell5');
  assert.ok(cell);
  const at = span(cell, on);
  assert.ok(at);
  assert.ok(Math.abs(at.left + at.width - 0.9) < 1e-6);
  assert.equal(span({ ...cell, started: null }, on), null);
});

test('of the hours until a run was picked up again little is left on the axis', () => {
  const tree = new RunTree();
  const told: [number, Event][] = [
    [0, { type: 'run.started', node: 'run1' }],
    [0, { type: 'turn.started', node: 'turn1', parent: 'run1', number: 1 }],
    [10, { type: 'turn.ended', node: 'turn1' }],
    [18_010, { type: 'run.resumed', node: 'run1', turns: 1 }],
    [18_010, { type: 'turn.started', node: 'turn2', parent: 'run1', number: 2 }],
    [18_020, { type: 'turn.ended', node: 'turn2' }],
    [18_020, { type: 'run.ended', node: 'run1', answer: 'A' }],
  ];
  told.forEach(([time, event], i) => tree.apply({ seq: i + 1, time: 1e9 + time, event }));
  const on = axis(tree, tree.now, true);
  assert.ok(Math.abs(on.seconds - 21) < 1e-6, String(on.seconds));
  const [one, two] = ['turn1', 'turn2'].map((id) => span(tree.get(id) as TreeNode, on));
  assert.ok(one && two && one.width > 0.4 && two.width > 0.4);
  assert.ok(two.left > one.left + one.width && Math.abs(two.left + two.width - 1) < 1e-6);
  const [cut, ...more] = cutMarks(on);
  assert.ok(cut && cut.at > one.width && cut.at < two.left && cut.took > 17_000);
  assert.deepEqual(more, []);
  // Below the second turn nothing is left out.
  assert.deepEqual(axis(tree, tree.now, true, tree.get('turn2')).cuts, []);
});

test('marks are round and few', () => {
  const on = { from: 0, seconds: 240, cuts: [], now: 240 };
  assert.deepEqual(ticks(on, 4), [100, 200]);
  assert.deepEqual([0.5, 20, 90, 3900].map(tickText), ['0.5 s', '20 s', '1:30', '1:05:00']);
});

test('calls are told by the line they came from, those of a batch one by one', () => {
  const tree = demo();
  const cell = tree.get('cell2');
  assert.ok(cell);
  const [one, ...rest] = issued(tree, cell);
  assert.deepEqual(rest, []);
  assert.equal(one?.line, 4);
  assert.equal((one?.tally.done ?? 0) + (one?.tally.failed ?? 0), 40);
  const children = tree.get('cell5');
  assert.ok(children);
  assert.deepEqual(
    issued(tree, children).map(({ line, nodes }) => [line, nodes.length]),
    [
      [2, 3],
      [3, 1],
    ],
  );
});

test('the difference to the proposal has the line numbers of what ran', () => {
  const lines = difference('a\nb\nc', 'a\nB\nc\nd');
  assert.deepEqual(
    lines?.map(({ kind, text, number }) => `${kind} ${text} ${number}`),
    ['same a 1', 'removed b null', 'added B 2', 'same c 3', 'added d 4'],
  );
  assert.equal(difference('x'.repeat(300_000), 'y'.repeat(300_000)), null);
});

test('code is cut into pieces that together are the code', () => {
  const codes = [
    demo().get('cell2')?.code ?? '',
    'x = """a\n# no comment"""  # one\n@deco\ndef f(a): return rb\'\\\'\' + 0x1F',
    "'not closed\nprint(1)",
    '"""never closed\nat all',
    '%%time\n!ls\nclass A: ...',
  ];
  for (const code of codes) {
    assert.equal(
      tokens(code)
        .map(([, text]) => text)
        .join(''),
      code,
    );
  }
  const kinds = tokens(codes[1] as string).map(([kind]) => kind);
  const wanted = ['string', 'comment', 'meta', 'keyword', 'def', 'number'] as const;
  assert.ok(wanted.every((kind) => kinds.includes(kind)));
  assert.equal(tokenLines(codes[1] as string).length, 4);
});

test('hostile code is coloured in no time', () => {
  const began = performance.now();
  for (const one of ['"', "'''", '\\', 'rb"', '#', '0_', '@', '""""']) {
    tokens(one.repeat(50_000));
  }
  assert.ok(performance.now() - began < 2000);
});

test('foreign text can’t turn the line around or hide, and unknown costs are not nothing', () => {
  assert.equal(clean('a\u202eb\u0007c\nd'), 'a\ufffdb\u2407c\nd');
  assert.equal(oneLine('  two\n words ', 20), 'two words');
  assert.equal(moneyText(null), 'cost unknown');
  assert.equal(moneyText(0), 'free');
});

test('a call that was cancelled or not sent is known by what it asked', () => {
  const title = (end: object) => {
    const tree = new RunTree();
    const call = { node: 'call9', type: 'call.started', parent: 'cell1', prompt: 'How much rain?' };
    tree.apply({ seq: 1, time: 1, event: call as never });
    tree.apply({ seq: 2, time: 2, event: { type: 'call.ended', node: 'call9', ...end } as never });
    return titleText(tree.get('call9') as never);
  };
  const error = 'A person cancelled this call before its reply was whole; all else is kept.';
  assert.equal(
    title({ status: 'cancelled', error, error_kind: 'cancelled' }),
    'How much rain? · Cancelled by you',
  );
  const old = 'call9 was cancelled before its reply was whole; all else is kept.';
  assert.equal(
    title({ status: 'cancelled', error: old, error_kind: 'cancelled' }),
    'How much rain? · Cancelled',
  );
  const refused = "The budget of 3 calls doesn't cover this call (3 used): it was not sent.";
  assert.equal(
    title({ status: 'error', error: refused, error_kind: 'budget' }),
    'How much rain? · Not sent: the budget doesn’t cover it',
  );
  assert.equal(
    title({ status: 'error', error: 'It said no.', error_kind: 'refused' }),
    'It said no.',
  );
});
