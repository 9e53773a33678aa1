import { Component, type JSX } from 'preact';
import { enough, shortage, shortageText } from '../core/budget.js';
import type { RunInfo } from '../protocol.js';
import { Line } from './line.js';
import type { Model } from './model.js';

/** What a budget that is used up has led to, and the way out: a larger one. */
export class Short extends Component<{ model: Model; info: RunInfo }, { text: string | null }> {
  /** What stands in the form at first, whatever is used meanwhile; null: it isn't there. */
  override state = { text: null as string | null };

  private write = (text: string | null): void => this.setState({ text });

  override render(): JSX.Element | null {
    const { model, info } = this.props;
    const short = shortage(info);
    if (short === null) {
      return null;
    }
    const t = model.trans;
    const said = shortageText(short);
    if (info.phase === 'session') {
      return <p class="rlm-note rlm-short">{`${said} ${t('Raise it with %1', '%rlm budget')}`}</p>;
    }
    return (
      <div class="rlm-note rlm-short" role="group" aria-label={t('Budget')}>
        <p role="status">
          <b>{said}</b> {t('Raise it, or stop the run.')}
        </p>
        {this.state.text !== null ? (
          <Line
            model={model}
            label={t('New budget')}
            hint={t('$2, 500 calls, 1M tokens, 10 min, or several with commas; used stays used')}
            verb={t('Raise')}
            text={this.state.text}
            command={(budget) => ({ type: 'budget', budget })}
            onEnd={() => this.write(null)}
          />
        ) : (
          <button class="rlm-button rlm-raise" onClick={() => this.write(enough(short))}>
            {t('Raise budget…')}
          </button>
        )}
      </div>
    );
  }
}
