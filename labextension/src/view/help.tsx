import { Component, createRef, type JSX } from 'preact';
import { KEYS } from './keys.js';
import type { Model } from './model.js';
import { PACE } from './playerbar.js';

/** The keys, over the view until Esc. */
export class Help extends Component<{ model: Model }> {
  private box = createRef<HTMLDivElement>();

  override componentDidMount(): void {
    this.box.current?.focus();
  }

  private close = (): void => {
    const { model } = this.props;
    model.help = false;
    model.wantsFocus = true;
    model.changed();
  };

  override render(): JSX.Element {
    const t = this.props.model.trans;
    return (
      <div
        class="rlm-help"
        role="dialog"
        aria-modal="true"
        aria-label={t('Keys')}
        tabIndex={-1}
        ref={this.box}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === 'Escape' || event.key === '?' || event.key === 'Enter') {
            event.preventDefault();
            this.close();
          } else if (event.key === 'Tab') {
            event.preventDefault();
          }
        }}
      >
        <h2>{t('Keys, while the tree has the focus')}</h2>
        <dl>
          {KEYS.map(([keys, what]) => (
            <div key={keys}>
              <dt>
                {keys
                  .trim()
                  .split(' ')
                  .map((key) => (
                    <kbd key={key}>{key.length > 1 ? t(key) : key}</kbd>
                  ))}
              </dt>
              <dd>{t(what)}</dd>
            </div>
          ))}
        </dl>
        <p class="rlm-hint">{t(PACE)}</p>
        <button class="rlm-button" onClick={this.close}>
          {t('Close')}
        </button>
      </div>
    );
  }
}
