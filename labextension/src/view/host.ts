import type { Language } from '../core/say.js';

/** A piece of code and the class that colours it; the empty one doesn't. */
export type Piece = readonly [className: string, text: string];

/** What the place a tree is shown in can do for it; everything is optional. */
export interface Host {
  /** Show the notebook cell of a node. */
  jumpToCell?(run: string, node: string): void;
  /** What stands in the notebook cell of a proposal now, where that isn't the proposal. */
  edited?(run: string, node: string): string | undefined;
  /** Cut Python code into pieces as the host's own highlighter colours them. */
  highlight?: (code: string) => Promise<readonly Piece[]>;
  /** Copy a text. */
  copy?(text: string): void;
  /** The person's language, of the whole page from then on. */
  language?: Language;
  /** Few columns from the start, whatever the width. */
  compact?: boolean;
  /** Whether runs can be forked; false where there is no kernel that could. */
  forks?: boolean;
  /** Whether to list the kernel's runs (by default where there are several). */
  showRuns?: boolean;
}
