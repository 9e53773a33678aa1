import type { Store } from '../core/store.js';
import type { Host } from './host.js';

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
}

/** Show the runs of a store in an element. */
export function mountTree(element: HTMLElement, options: MountOptions): Mounted {
  void options;
  element.replaceChildren();
  return { dispose: () => undefined, focusNode: () => undefined, setRun: () => undefined };
}
