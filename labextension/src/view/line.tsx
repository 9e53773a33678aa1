import { Component, createRef, type JSX } from 'preact';
import type { Command } from '../protocol.js';
import type { Model } from './model.js';

interface LineProps {
  model: Model;
  label: string;
  hint: string;
  verb: string;
  /** What stands in it at first. */
  text: string;
  /** What can be added by a press. */
  facts?: readonly string[];
  command: (text: string) => Command;
  onEnd: () => void;
}

/** One line to write; what the kernel says where it refuses it stands below, and nothing is lost. */
export class Line extends Component<LineProps, { text: string; refused: string }> {
  override state = { text: this.props.text, refused: '' };
  private input = createRef<HTMLInputElement>();

  override componentDidMount(): void {
    this.input.current?.focus();
    this.input.current?.select();
  }

  override componentDidUpdate(before: LineProps): void {
    if (before.text !== this.props.text) {
      this.setState({ text: this.props.text, refused: '' });
    }
  }

  private send = async (): Promise<void> => {
    const { model, command, onEnd } = this.props;
    const text = this.state.text.trim();
    if (text === '') {
      return;
    }
    const refused = await model.tell(command(text));
    if (refused === '') {
      onEnd();
    } else {
      this.setState({ refused });
      this.input.current?.focus();
    }
  };

  private keyDown = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key === 'Enter' && event.target === this.input.current) {
      event.preventDefault();
      void this.send();
    } else if (event.key === 'Escape') {
      event.preventDefault();
      this.props.onEnd();
    }
  };

  private add(fact: string): void {
    const text = this.state.text.trim().replace(/\s+or$/, '');
    const there = text.split(/\s+or\s+/).includes(fact);
    this.setState({ text: there ? text : text === '' ? fact : `${text} or ${fact}` });
    this.input.current?.focus();
  }

  override render(): JSX.Element {
    const { model, label, hint, verb, facts, onEnd } = this.props;
    const { text, refused } = this.state;
    return (
      <div class="rlm-write" role="group" aria-label={label} onKeyDown={this.keyDown}>
        <label>
          <span>{label}</span>
          <input
            ref={this.input}
            value={text}
            spellcheck={false}
            onInput={(event) => this.setState({ text: event.currentTarget.value })}
          />
        </label>
        <button class="rlm-button rlm-primary" onClick={() => void this.send()}>
          {verb}
        </button>
        <button class="rlm-quiet-button" onClick={onEnd}>
          {model.trans('Cancel')}
        </button>
        <p class="rlm-hint">{hint}</p>
        {facts !== undefined && (
          <p class="rlm-chips">
            {facts.map((fact) => (
              <button class="rlm-chip" key={fact} onClick={() => this.add(fact)}>
                <code>{fact}</code>
              </button>
            ))}
          </p>
        )}
        {refused !== '' && (
          <p class="rlm-trouble" role="alert">
            {refused}
          </p>
        )}
      </div>
    );
  }
}
