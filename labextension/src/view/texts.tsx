import { Component, type ComponentChildren, type JSX } from 'preact';
import { clean, sizeText, whole } from '../core/format.js';
import { sayN } from '../core/say.js';
import { live, type TextField, type TreeNode } from '../core/node.js';
import { length } from '../core/words.js';
import { ActionIcon } from './icons.js';
import type { Model } from './model.js';

/** Characters shown at first and with each "Show next". */
export const PAGE = 65_536;

interface TextProps {
  model: Model;
  node: TreeNode;
  /** The field of the node that holds the text. */
  field: TextField;
  title: string;
  /** What to say beside it. */
  hint?: string;
  /** What to say where there is nothing (yet). */
  empty?: string;
  class?: string;
}

/** A text of a node, a page at a time, however long it is; with its length and a copy button. */
export class Text extends Component<
  TextProps,
  { pages: string[]; busy: boolean; trouble: string }
> {
  override state = { pages: [] as string[], busy: false, trouble: '' };
  private of = '';

  private get here(): string {
    return this.props.node[this.props.field] ?? '';
  }

  /** The whole length in characters, as far as it is known. */
  private get chars(): number {
    const { node, field } = this.props;
    return node.cut[field] ?? length(this.here);
  }

  private more = async (): Promise<void> => {
    const { model, node, field } = this.props;
    const run = model.run;
    if (run === null || this.state.busy) {
      return;
    }
    const have = this.have();
    this.setState({ busy: true, trouble: '' });
    try {
      const reply = await model.store.text(run, node.id, field, have, have + PAGE);
      if (this.of !== this.key() || !reply.ok) {
        this.setState({ busy: false, trouble: reply.message });
        return;
      }
      this.setState({ busy: false, pages: [...this.state.pages, reply.text] });
    } catch {
      this.setState({
        busy: false,
        trouble: model.trans(
          'The kernel could not be reached for the rest of this text. Try again.',
        ),
      });
    }
  };

  private key(): string {
    return `${this.props.model.run}\n${this.props.node.id}\n${this.props.field}`;
  }

  private have(): number {
    return (
      Math.min(length(this.here), PAGE) +
      this.state.pages.reduce((sum, one) => sum + length(one), 0)
    );
  }

  override render(): JSX.Element | null {
    const { model, node, field, title, empty, hint } = this.props;
    if (this.of !== this.key()) {
      this.of = this.key();
      this.state.pages = [];
    }
    const { here } = this;
    const streams = field === 'text' && live(node) && !model.over;
    if (here === '' && !streams && empty === undefined) {
      return null;
    }
    const long = here.length > PAGE;
    const first = !long ? here : streams ? here.slice(-PAGE) : here.slice(0, PAGE);
    const chars = this.chars;
    const left = streams ? 0 : chars - this.have();
    const t = model.trans;
    return (
      <Section
        model={model}
        title={title}
        said={chars > 200 || left > 0 ? sayN('%1 character', '%1 characters', chars) : ''}
        copy={() => model.whole(node, field)}
      >
        {hint ? <p class="rlm-hint">{hint}</p> : null}
        {long && streams && <p class="rlm-hint">{t('The end of what has streamed in so far:')}</p>}
        {first === '' ? (
          <p class="rlm-hint">{streams ? t('Waiting for the first words …') : empty}</p>
        ) : (
          <pre
            class={`rlm-text ${this.props.class ?? ''}`}
            role="group"
            tabIndex={0}
            aria-label={title}
          >
            {clean(first)}
            {this.state.pages.map((page, i) => (
              <span key={i}>{clean(page)}</span>
            ))}
            {streams && <span class="rlm-caret" aria-hidden="true" />}
          </pre>
        )}
        {left > 0 && (
          <button class="rlm-more" onClick={() => void this.more()} aria-disabled={this.state.busy}>
            {t(
              'Show next %1 · %2 of %3',
              sizeText(Math.min(left, PAGE)),
              whole(this.have()),
              whole(chars),
            )}
          </button>
        )}
        {this.state.trouble !== '' && <p class="rlm-trouble">{this.state.trouble}</p>}
      </Section>
    );
  }
}

/** A part of the details, with a heading and a copy button. */
export function Section(props: {
  model: Model;
  title: string;
  said?: string;
  copy?: () => string | Promise<string>;
  children?: ComponentChildren;
}): JSX.Element {
  const { model, title, said, copy } = props;
  return (
    <section class="rlm-section">
      <h3>
        {title}
        {said ? <span class="rlm-said">{said}</span> : null}
        {copy !== undefined && (
          <button
            class="rlm-quiet-button"
            title={`${model.trans('Copy')}: ${title}`}
            aria-label={`${model.trans('Copy')}: ${title}`}
            onClick={() => void model.copyLater(copy())}
          >
            <ActionIcon name="copy" />
          </button>
        )}
      </h3>
      {props.children}
    </section>
  );
}
