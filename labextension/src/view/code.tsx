import { Component, Fragment, type JSX } from 'preact';
import { clean } from '../core/format.js';
import { type Token, tokens } from '../core/python.js';
import type { Host } from './host.js';

/** Pieces of code with their colours, as text nodes. */
export function Pieces({ pieces }: { pieces: readonly Token[] }): JSX.Element {
  return (
    <>
      {pieces.map(([kind, text], i) =>
        kind === '' ? (
          <Fragment key={i}>{clean(text)}</Fragment>
        ) : (
          <span key={i} class={`rlm-py-${kind}`}>
            {clean(text)}
          </span>
        ),
      )}
    </>
  );
}

/** Python code, coloured by the host's highlighter where it has one, else by ours. */
export class Code extends Component<{ code: string; host: Host; label: string }, { html: string }> {
  override state = { html: '' };
  private of: string | null = null;

  override shouldComponentUpdate(
    next: Readonly<{ code: string }>,
    state: Readonly<{ html: string }>,
  ): boolean {
    return next.code !== this.props.code || state.html !== this.state.html;
  }

  private ask(code: string): void {
    this.of = code;
    this.state.html = '';
    const { highlight } = this.props.host;
    if (highlight === undefined) {
      return;
    }
    Promise.resolve()
      .then(() => highlight(clean(code)))
      .then(
        (html) => this.of === code && this.setState({ html }),
        () => undefined, // ours is shown already
      );
  }

  override componentWillUnmount(): void {
    this.of = null;
  }

  override render(): JSX.Element {
    const { code, label } = this.props;
    if (code !== this.of) {
      this.ask(code);
    }
    const { html } = this.state;
    return html !== '' ? (
      <pre
        class="rlm-text rlm-code"
        role="group"
        tabIndex={0}
        aria-label={label}
        // the host's highlighter escapes; nothing else may be given here
        dangerouslySetInnerHTML={{ __html: html }}
      />
    ) : (
      <pre class="rlm-text rlm-code" role="group" tabIndex={0} aria-label={label}>
        <Pieces pieces={tokens(code)} />
      </pre>
    );
  }
}
