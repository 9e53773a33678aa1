/** A recording in a page of its own: the tree and its player, without a kernel or a network. */

import { Player, type Recorded } from './core/player.js';
import { Store } from './core/store.js';
import { mountTree } from './view/index.js';
import { playerKey } from './view/playerbar.js';

/** Show the recording that a page holds as JSON, in the element that is there for it. */
export function show(page: Document): void {
  const data = page.getElementById('rlm-recording');
  const place = page.getElementById('rlm-page');
  if (!data || !place) return;
  const player = new Player(JSON.parse(data.textContent ?? '') as Recorded);
  const store = new Store(player, { schedule: (flush) => void requestAnimationFrame(flush) });
  player.attach(store);
  place.replaceChildren();
  const tree = mountTree(place, { store, player, host: { showRuns: false } });
  const follow = (): void => {
    const node = decodeURIComponent(page.location.hash.slice(1));
    if (node !== '') {
      player.goToNode(node);
      tree.focusNode(node);
    }
  };
  // The page is the recording's alone: its keys do what they mean wherever the focus is.
  page.addEventListener('keydown', (event) => {
    const typing = event.target instanceof HTMLElement && event.target.matches('input,select');
    if (!event.defaultPrevented && !typing && playerKey(player, event)) event.preventDefault();
  });
  // A link to a node: page.html#cell3 is the run as it was when that cell came.
  window.addEventListener('hashchange', follow);
  follow();
}

show(document);
