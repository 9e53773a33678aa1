/** A recording in a page of its own: the tree and its player, without a kernel or a network. */

import { Held, type Recorded } from './core/held.js';
import { Store } from './core/store.js';
import { mountTree } from './view/index.js';

/** Show the recording that a page holds as JSON, in the element that is there for it. */
export function show(page: Document): void {
  const data = page.getElementById('rlm-recording');
  const place = page.getElementById('rlm-page');
  if (!data || !place) return;
  const recorded = JSON.parse(data.textContent ?? '') as Recorded;
  const store = new Store(new Held(recorded), {
    schedule: (flush) => void requestAnimationFrame(flush),
  });
  place.replaceChildren();
  const tree = mountTree(place, { store, host: { showRuns: false, forks: false } });
  const follow = (): void => {
    const node = decodeURIComponent(page.location.hash.slice(1));
    if (node !== '') void tree.showAt(node);
  };
  // The page is the recording's alone: its keys do what they mean wherever the focus is.
  page.addEventListener('keydown', (event) => {
    const typing = event.target instanceof HTMLElement && event.target.matches('input,select');
    if (!event.defaultPrevented && !typing && tree.playerKey(event)) event.preventDefault();
  });
  // A link to a node: page.html#cell3 is the run as it was when that cell came.
  window.addEventListener('hashchange', follow);
  // The recording's run is known with the first answer, not before.
  void store.sync().then(follow);
}

show(document);
