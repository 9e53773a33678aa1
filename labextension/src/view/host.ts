/** What the place a tree is shown in can do for it; everything is optional. */
export interface Host {
  /** Show the notebook cell of a node. */
  jumpToCell?(run: string, node: string): void;
  /** Python code as HTML that is safe to show, by the host's own highlighter. */
  highlight?(code: string): Promise<string> | string;
  /** Copy a text. */
  copy?(text: string): void;
  /** A sentence in the person's language. */
  trans?: (text: string) => string;
  /** Few columns from the start, whatever the width. */
  compact?: boolean;
  /** Whether to list the kernel's runs (by default where there are several). */
  showRuns?: boolean;
}
