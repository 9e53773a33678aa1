import { Fragment, type JSX } from 'preact';
import { clean } from '../core/format.js';
import { tokens } from '../core/python.js';
import type { Host, Piece } from './host.js';

/** How many codes are kept coloured. */
const KEPT = 60;

/** Pieces of code with their colours, as text nodes. */
export function Pieces({ pieces }: { pieces: readonly Piece[] }): JSX.Element {
  return (
    <>
      {pieces.map(([name, text], i) =>
        name === '' ? (
          <Fragment key={i}>{clean(text)}</Fragment>
        ) : (
          <span key={i} class={name}>
            {clean(text)}
          </span>
        ),
      )}
    </>
  );
}

/** Python code coloured by ours at once, and by the host's highlighter as soon as it has. */
export class Colours {
  private readonly kept = new Map<string, readonly Piece[]>();

  constructor(
    private readonly host: Host,
    private readonly changed: () => void,
  ) {}

  /** The pieces of a code; together they are the code. */
  of(code: string): readonly Piece[] {
    const before = this.kept.get(code);
    if (before !== undefined) {
      return before;
    }
    const ours = tokens(code).map(([kind, text]): Piece => [
      kind === '' ? '' : `rlm-py-${kind}`,
      text,
    ]);
    this.keep(code, ours);
    const { highlight } = this.host;
    if (highlight !== undefined) {
      highlight(code).then(
        (pieces) => {
          if (pieces.map(([, text]) => text).join('') === code && this.kept.has(code)) {
            this.keep(code, pieces);
            this.changed();
          }
        },
        () => undefined, // ours is shown already
      );
    }
    return ours;
  }

  private keep(code: string, pieces: readonly Piece[]): void {
    this.kept.set(code, pieces);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= KEPT) {
        break;
      }
      this.kept.delete(oldest);
    }
  }
}
