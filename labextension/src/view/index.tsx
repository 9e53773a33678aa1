import { render } from 'preact';
import { setLanguage } from '../core/say.js';
import type { Player } from '../core/player.js';
import type { Store } from '../core/store.js';
import { App } from './app.js';
import type { Host } from './host.js';
import { Model } from './model.js';

export type { Host } from './host.js';

/** How a tree is mounted. */
export interface MountOptions {
  store: Store;
  host?: Host;
  /** Plays what the store holds; it is a recording then. */
  player?: Player;
}

/** A mounted tree. */
export interface Mounted {
  /** Take it out of the page. */
  dispose(): void;
  /** Select a node, open what is above it and put the keyboard's focus on it. */
  focusNode(id: string): void;
  /** Show a run, from now on whatever the store has chosen; the empty string follows it again. */
  setRun(run: string): void;
}

/** Show the runs of a store in an element; the styles are those of `style/tree.css`. */
export function mountTree(element: HTMLElement, options: MountOptions): Mounted {
  if (options.host?.language) {
    setLanguage(options.host.language);
  }
  const model = new Model(options.store, options.host ?? {}, options.player ?? null);
  render(<App model={model} />, element);
  return {
    dispose() {
      model.dispose();
      render(null, element);
    },
    focusNode(id) {
      model.setTab('tree');
      model.reveal(id);
    },
    setRun(run) {
      model.setRun(run);
    },
  };
}
