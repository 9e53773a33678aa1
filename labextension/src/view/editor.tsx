import { Component, createRef, type JSX } from 'preact';
import type { Model } from './model.js';

const INDENT = '    ';

interface EditorProps {
  model: Model;
  label: string;
  /** What stands in it at first. */
  text: string;
  /** The word on the button that sends it. */
  verb: string;
  /** Python: the tab key indents. Esc, then Tab leaves it. */
  code?: boolean;
  /** Whether nothing at all may be sent. */
  optional?: boolean;
  /** Whether it is there by itself: then it doesn't take the keyboard. */
  quiet?: boolean;
  onSend: (text: string) => void;
  onCancel: () => void;
}

/** A place to write in: an edit of a proposal, a reason, an answer. Ctrl+Enter sends, Esc leaves. */
export class Editor extends Component<EditorProps, { text: string; free: boolean }> {
  private area = createRef<HTMLTextAreaElement>();
  override state = { text: this.props.text, free: false };

  override componentDidMount(): void {
    const area = this.area.current;
    const { model, quiet } = this.props;
    const free = document.activeElement === document.body || model.isCarried();
    if (quiet && !(model.replying && free)) {
      return;
    }
    area?.focus({ preventScroll: true });
    area?.setSelectionRange(area.value.length, area.value.length);
    area?.scrollIntoView({ block: 'nearest' });
  }

  private keyDown = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.send();
    } else if (event.key === 'Escape') {
      event.preventDefault();
      if (this.props.code && !this.state.free) {
        this.setState({ free: true }); // the next Tab leaves, the next Esc closes
      } else {
        this.props.onCancel();
      }
    } else if (event.key === 'Tab' && this.props.code && !this.state.free) {
      event.preventDefault();
      this.indent(event.shiftKey);
    } else if (this.state.free && event.key !== 'Shift' && event.key !== 'Tab') {
      this.setState({ free: false });
    }
  };

  private indent(less: boolean): void {
    const area = this.area.current;
    if (area === null) {
      return;
    }
    const { selectionStart: start, selectionEnd: stop, value } = area;
    if (start === stop && !less) {
      area.setRangeText(INDENT, start, stop, 'end');
    } else {
      const from = value.lastIndexOf('\n', start - 1) + 1;
      const lines = value.slice(from, stop).split('\n');
      const moved = lines.map((line) => (less ? line.replace(/^ {1,4}/, '') : INDENT + line));
      area.setRangeText(moved.join('\n'), from, stop, 'preserve');
    }
    this.setState({ text: area.value });
  }

  private send = (): void => {
    if (this.state.text.trim() !== '' || this.props.optional) {
      this.props.onSend(this.state.text);
    }
  };

  override render(): JSX.Element {
    const { model, label, verb, code, optional, onCancel } = this.props;
    const { text } = this.state;
    const hint = code
      ? model.trans('Ctrl+Enter sends · Esc, then Tab leaves the code')
      : model.trans('Ctrl+Enter sends · Esc closes');
    const rows = Math.min(Math.max(text.split('\n').length + 1, code ? 6 : 2), 24);
    return (
      <div class="rlm-editor">
        <label>
          <span>{label}</span>
          <textarea
            ref={this.area}
            class={code ? 'rlm-code' : ''}
            rows={rows}
            value={text}
            spellcheck={!code}
            onInput={(event) => this.setState({ text: event.currentTarget.value })}
            onKeyDown={this.keyDown}
          />
        </label>
        <div class="rlm-buttons">
          <button
            class="rlm-button rlm-primary"
            title={hint}
            disabled={text.trim() === '' && !optional}
            onClick={this.send}
          >
            {verb}
          </button>
          <button class="rlm-button" onClick={onCancel}>
            {model.trans('Cancel')}
          </button>
          <span class="rlm-hint">{hint}</span>
        </div>
      </div>
    );
  }
}
