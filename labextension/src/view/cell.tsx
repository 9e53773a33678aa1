import type { JSX } from 'preact';
import { cells, type DiffLine, difference, issued, type Issued } from '../core/cells.js';
import { clean, oneLine, plural } from '../core/format.js';
import { tallyText } from '../core/groups.js';
import type { TreeNode } from '../core/node.js';
import { linesOf } from '../core/python.js';
import type { RunTree } from '../core/tree.js';
import { Pieces } from './code.js';
import type { Piece } from './host.js';
import { StatusIcon } from './icons.js';
import type { Model } from './model.js';
import { nameOf } from './person.js';
import { Strip } from './bar.js';

/** Lines of a cell that are shown; longer code is rare and slow to look at. */
const MOST_LINES = 3000;

/** A cell's code, and below each line the calls that came from it. */
export function CellView({ model, tree }: { model: Model; tree: RunTree }): JSX.Element {
  const t = model.trans;
  const all = cells(tree);
  const cell = shownCell(model, tree, all);
  if (cell === undefined) {
    return <p class="rlm-empty-view rlm-hint">{t('No cell has been proposed yet.')}</p>;
  }
  const byLine = issued(tree, cell);
  const rest = byLine.filter((one) => one.line === null);
  const at = all.indexOf(cell);
  const go = (to: TreeNode | undefined) => to !== undefined && model.reveal(to.id, false);
  return (
    <div class="rlm-cellview">
      <div class="rlm-cellbar">
        <button
          class="rlm-quiet-button"
          disabled={at === 0}
          title={t('Previous cell')}
          aria-label={t('Previous cell')}
          onClick={() => go(all[at - 1])}
        >
          ‹
        </button>
        <select
          aria-label={t('Cell')}
          value={cell.id}
          onChange={(event) => go(tree.get(event.currentTarget.value))}
        >
          {all.map((one) => (
            <option value={one.id} key={one.id}>
              {`${clean(nameOf(one))} · ${t(one.status)} · ${oneLine(one.title, 60)}`}
            </option>
          ))}
        </select>
        <button
          class="rlm-quiet-button"
          disabled={at === all.length - 1}
          title={t('Next cell')}
          aria-label={t('Next cell')}
          onClick={() => go(all[at + 1])}
        >
          ›
        </button>
        {cell.decision === 'edit' && (
          <span class="rlm-said">{t('edited: + and − against the proposal')}</span>
        )}
      </div>
      <div
        class="rlm-lines"
        tabIndex={0}
        role="group"
        aria-label={t('Code with the calls of each line')}
      >
        <Lines model={model} cell={cell} byLine={byLine} />
        {rest.length > 0 && (
          <>
            <p class="rlm-hint">{t('From no line that is known:')}</p>
            {rest.map((one) => (
              <Calls key="rest" model={model} one={one} />
            ))}
          </>
        )}
        {byLine.length === 0 && <p class="rlm-hint">{t('No calls came from this cell.')}</p>}
      </div>
    </div>
  );
}

function shownCell(model: Model, tree: RunTree, all: TreeNode[]): TreeNode | undefined {
  const key = model.row?.group?.nodes[0]?.id ?? model.selected;
  const node = key === null ? undefined : tree.get(key);
  const above = node === undefined ? undefined : tree.nearest(node, 'cell');
  if (above !== undefined) {
    return above;
  }
  const inTurn = node && tree.children(node).find((child) => child.kind === 'cell');
  return inTurn ?? model.waiting ?? all[all.length - 1];
}

function Lines(props: { model: Model; cell: TreeNode; byLine: Issued[] }): JSX.Element {
  const { model, cell, byLine } = props;
  const edited = cell.decision === 'edit' && cell.proposed_code !== '';
  const diff = edited ? difference(cell.proposed_code, cell.code) : null;
  const lines = linesOf(model.colours.of(cell.code));
  const rows = diff ?? lines.map((_, i) => ({ kind: 'same' as const, number: i + 1 }));
  const coloured = diff === null ? lines : coloursOf(model, cell, diff);
  const calls = new Map(byLine.map((one) => [one.line, one]));
  return (
    <div class="rlm-codelines" role="list">
      {rows.slice(0, MOST_LINES).map((row, i) => {
        const one = row.number === null ? undefined : calls.get(row.number);
        return (
          <div role="listitem" key={i} class={`rlm-line rlm-${row.kind}${one ? ' rlm-calls' : ''}`}>
            <span class="rlm-number" aria-hidden="true">
              {row.number ?? ''}
            </span>
            <span class="rlm-sign" aria-hidden={row.kind === 'same'}>
              {row.kind === 'added' ? '+' : row.kind === 'removed' ? '−' : ''}
            </span>
            <code>
              <Pieces pieces={coloured[i] ?? []} />
            </code>
            {one !== undefined && <Calls model={model} one={one} />}
          </div>
        );
      })}
      {rows.length > MOST_LINES && (
        <p class="rlm-hint">… {plural(rows.length - MOST_LINES, 'more line')}</p>
      )}
    </div>
  );
}

/** The calls that came from one line: one chip for all of them, or for the few there are. */
function Calls({ model, one }: { model: Model; one: Issued }): JSX.Element {
  const { nodes, tally } = one;
  const several = nodes.length > 3;
  return (
    <span class="rlm-chips">
      {several ? (
        <button
          class="rlm-chip"
          onClick={() => {
            model.reveal((nodes[0] as TreeNode).id, false);
            model.showDetails(true);
          }}
        >
          <Strip counts={tally} />× {nodes.length} · {tallyText(tally)}
        </button>
      ) : (
        nodes.map((node) => (
          <button
            class="rlm-chip"
            key={node.id}
            aria-pressed={model.selected === node.id}
            onClick={() => {
              model.reveal(node.id, false);
              model.showDetails(true);
            }}
          >
            <StatusIcon status={node.status} />
            {node.kind === 'batch' ? (
              <>
                {node.title} <Strip counts={tally} /> {tallyText(tally)}
              </>
            ) : (
              `${clean(nameOf(node))} · ${model.trans(node.status)} · ${oneLine(node.error || node.title, 48)}`
            )}
          </button>
        ))
      )}
    </span>
  );
}

/** The pieces of each line of a difference: a line has its colours from the code it is a part of. */
function coloursOf(model: Model, cell: TreeNode, lines: readonly DiffLine[]): (readonly Piece[])[] {
  const ran = linesOf(model.colours.of(cell.code));
  const proposed = linesOf(model.colours.of(cell.proposed_code));
  let at = 0;
  return lines.map(({ kind, number }) => {
    if (kind !== 'added') {
      at += 1;
    }
    return (number === null ? proposed[at - 1] : ran[number - 1]) ?? [];
  });
}

/** What an edit changed of the proposal. */
export function Difference({ model, node }: { model: Model; node: TreeNode }): JSX.Element {
  const lines = difference(node.proposed_code, node.code);
  if (lines === null) {
    return <p class="rlm-hint">{model.trans('The code is too long to compare.')}</p>;
  }
  const coloured = coloursOf(model, node, lines);
  return (
    <pre
      class="rlm-text rlm-code rlm-diff"
      role="group"
      tabIndex={0}
      aria-label={model.trans('What was changed')}
    >
      {lines.map((line, i) => (
        <span class={`rlm-${line.kind}`} key={i}>
          {line.kind === 'added' ? '+ ' : line.kind === 'removed' ? '− ' : '  '}
          <Pieces pieces={coloured[i] ?? []} />
          {'\n'}
        </span>
      ))}
    </pre>
  );
}
