import { render } from 'preact';
import { setLanguage } from '../core/say.js';
import type { Store } from '../core/store.js';
import { App } from './app.js';
import type { Host } from './host.js';
import { Model } from './model.js';
import { playerKey } from './playerbar.js';

export type { Host } from './host.js';

/** How a tree is mounted. */
export interface MountOptions {
  store: Store;
  host?: Host;
}

/** A mounted tree. */
export interface Mounted {
  /** Take it out of the page. */
  dispose(): void;
  /** Select a node, open what is above it and put the keyboard's focus on it. */
  focusNode(id: string): void;
  /** Show a run, from now on whatever the store has chosen; the empty string follows it again. */
  setRun(run: string): void;
  /** Play the run that is shown, from its beginning. */
  play(): Promise<void>;
  /** Show the run as it was when a node came, and select it. */
  showAt(node: string): Promise<void>;
  /** Write what is to be otherwise in a branch, where a node is. */
  forkAt(node: string): void;
  /** Do what a key means for the player; false where it means nothing, or nothing is played. */
  playerKey(event: KeyboardEvent): boolean;
}

/** Show the runs of a store in an element; the styles are those of `style/tree.css`. */
export function mountTree(element: HTMLElement, options: MountOptions): Mounted {
  if (options.host?.language) {
    setLanguage(options.host.language);
  }
  const model = new Model(options.store, options.host ?? {});
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
    play() {
      return model.play();
    },
    async showAt(node) {
      await model.asItWas();
      model.setTab('tree');
      model.playing.goTo((player) => player.goToNode(node), node);
    },
    forkAt(node) {
      model.setTab('tree');
      model.begin('fork', node);
    },
    playerKey(event) {
      return model.player !== null && playerKey(model, model.player, event);
    },
  };
}
