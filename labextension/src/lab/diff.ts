/** The difference between a proposal and what became of it, as lines of page. */

import { diffLines } from 'diff';
import { el } from './dom.js';

const LINES_AT_MOST = 400;

/** A missing line end at the end isn't a difference. */
const ended = (code: string): string => (code.endsWith('\n') ? code : `${code}\n`);

/** Draw the proposal against the code as it is now. */
export function drawDiff(proposed: string, now: string, label: string): HTMLElement {
  const box = el('div', { class: 'rlm-Diff', role: 'group', 'aria-label': label, tabindex: 0 });
  let left = LINES_AT_MOST;
  for (const part of diffLines(ended(proposed), ended(now))) {
    const kind = part.added ? 'added' : part.removed ? 'removed' : 'same';
    const sign = part.added ? '+' : part.removed ? '−' : ' ';
    for (const line of part.value.replace(/\n$/, '').split('\n')) {
      if ((left -= 1) < 0) {
        box.append(el('div', { class: 'rlm-Diff-line', text: '…' }));
        return box;
      }
      const tag = part.added ? 'ins' : part.removed ? 'del' : 'div';
      box.append(
        el(
          tag,
          { class: 'rlm-Diff-line', 'data-kind': kind },
          el('span', { class: 'rlm-Diff-sign', 'aria-hidden': 'true', text: sign }),
          line || ' ',
        ),
      );
    }
  }
  return box;
}
