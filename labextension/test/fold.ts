/**
 * Folds what a Python test generated and writes what came of it: `node fold.js IN OUT`.
 *
 * The test (`tests/lab/test_fold.py`) compares it with what Python's own tree says.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import {
  callsText,
  contextText,
  countText,
  durationText,
  label,
  moneyText,
  stateText,
  usageText,
} from '../src/core/format.js';
import { asked } from '../src/core/node.js';
import { grouped, tally } from '../src/core/groups.js';
import { isOver, RunTree } from '../src/core/tree.js';
import type { Logged } from '../src/protocol.js';

interface Given {
  logs: Logged[][];
  numbers: number[];
}

function folded(log: Logged[]): unknown {
  const tree = new RunTree();
  for (const logged of log) {
    tree.apply(logged);
  }
  const over = isOver(tree);
  return {
    seq: tree.seq,
    time: tree.time,
    tops: tree.tops.map((node) => node.id),
    root: tree.root?.id ?? null,
    nodes: Object.fromEntries(
      [...tree.all()].map((node) => {
        const { cut: _cut, version: _version, below: _below, waits: _waits, ...told } = node;
        const said = [
          label(node),
          stateText(node, over),
          usageText(node.own),
          usageText(node.total),
          callsText(asked(node), node.amiss),
          durationText(node.seconds),
          ...node.context.map(contextText),
        ];
        const rows = grouped(tree.children(node)).map((item) =>
          'nodes' in item
            ? { title: item.title, ids: item.nodes.map((one) => one.id), tally: tally(item.nodes) }
            : item.id,
        );
        return [node.id, { ...told, said, rows }];
      }),
    ),
  };
}

const [from, to] = process.argv.slice(2);
if (from !== undefined && to !== undefined) {
  const given = JSON.parse(readFileSync(from, 'utf-8')) as Given;
  const said = (number: number): string[] => [
    moneyText(number),
    durationText(number),
    countText(Math.round(number)),
  ];
  const told = { trees: given.logs.map(folded), numbers: given.numbers.map(said) };
  writeFileSync(to, JSON.stringify(told));
}
