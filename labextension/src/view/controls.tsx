import { Component, type JSX } from 'preact';
import type { RunInfo } from '../protocol.js';
import { ActionIcon } from './icons.js';
import { forgetStop, stop } from './keys.js';
import { Line } from './line.js';
import type { Model } from './model.js';

const RULES = ['calls > 20', 'cost > $0.10', 'depth > 0', 'answer'].map((one) => `ask when ${one}`);

/** What a rule may speak of, each as it may stand in one. */
const FACTS = [
  'calls > 5',
  'cost > $0.50',
  'tokens > 100k',
  'depth > 0',
  'imports os, subprocess',
  'names open',
  'answer',
];

type Writing = 'until' | 'rule' | null;

/** What can be done to a run as a whole. */
export class Controls extends Component<
  { model: Model; info: RunInfo },
  { writing: Writing; text: string }
> {
  override state = { writing: null as Writing, text: '' };

  private write = (writing: Writing, text = ''): void => this.setState({ writing, text });

  private setMode = (mode: string): void => {
    const { info, model } = this.props;
    if (mode === '…') {
      this.write('rule', info.mode.startsWith('ask when ') ? info.mode.slice(9) : '');
      model.changed(); // the select shows the mode that holds
    } else {
      this.write(null);
      void model.steer({ type: 'mode', mode });
    }
  };

  private runTo = (select: HTMLSelectElement): void => {
    const until = select.value;
    select.value = '';
    const { model, info } = this.props;
    const used = info.budget['money']?.used ?? 0;
    if (until === 'turn') {
      this.write('until', `turn ${nextTurn(model) + 4}`);
    } else if (until === '$') {
      this.write('until', `$${(used + 0.5).toFixed(2)}`);
    } else if (until !== '') {
      this.write(null);
      void model.steer({ type: 'run to', until });
    }
  };

  override render(): JSX.Element {
    const { model, info } = this.props;
    const { writing, text } = this.state;
    const { sure } = model;
    const t = model.trans;
    const paused = info.phase === 'paused';
    const taken = info.phase === 'taken over';
    const rule = info.mode === 'auto' || info.mode === 'step' ? [] : [info.mode];
    return (
      <>
        <div class="rlm-controls" role="toolbar" aria-label={t('Steer the run')}>
          {!taken && (
            <Tool
              label={paused ? t('Resume') : t('Pause')}
              keys={t('Space')}
              icon={paused ? 'play' : 'pause'}
              onClick={() => void model.steer({ type: paused ? 'resume' : 'pause' })}
            />
          )}
          {!taken && (
            <Tool
              label={t('Step')}
              keys="S"
              icon="step"
              onClick={() => void model.steer({ type: 'step' })}
            />
          )}
          <Tool
            label={taken ? t('Hand back…') : t('Take over')}
            keys="T"
            primary={taken}
            icon={taken ? 'back' : 'hand'}
            onClick={() =>
              taken ? model.begin('hand back', info.node) : void model.steer({ type: 'take over' })
            }
          />
          <Tool
            label={sure ? t('Stop for good?') : t('Stop')}
            keys="."
            icon="stop"
            sure={sure}
            onClick={() => stop(model)}
            onBlur={() => forgetStop(model)}
          />
          <select
            aria-label={t('Run to')}
            title={t('Go on without asking until something happens')}
            value=""
            onChange={(event) => this.runTo(event.currentTarget)}
          >
            <option value="">{t('Run to…')}</option>
            <option value="error">{t('the next error')}</option>
            <option value="child">{t('the next child')}</option>
            <option value={`turn ${nextTurn(model)}`}>{t('the next turn')}</option>
            <option value="turn">{t('a turn…')}</option>
            <option value="$">{t('an amount…')}</option>
          </select>
          <select
            aria-label={t('Mode: how proposals are decided')}
            title={t('How proposals are decided: %1', rule.length > 0 ? info.mode : t(info.mode))}
            value={info.mode}
            onChange={(event) => this.setMode(event.currentTarget.value)}
          >
            <option value="step" title={t('Each proposal waits')}>
              {t('Step')}
            </option>
            <option value="auto" title={t('All proposals run')}>
              {t('Auto')}
            </option>
            {[...new Set([...rule, ...RULES])].map((one) => (
              <option value={one} key={one}>
                {one}
              </option>
            ))}
            <option value="…">{t('Ask when…')}</option>
          </select>
        </div>
        {writing === 'until' && (
          <Line
            model={model}
            label={t('Run to')}
            hint={t('error, child, turn 5, or $0.50 in all')}
            verb={t('Go')}
            text={text}
            command={(until) => ({ type: 'run to', until })}
            onEnd={() => this.write(null)}
          />
        )}
        {writing === 'rule' && (
          <Line
            model={model}
            label={t('Ask when')}
            hint={t('Facts, joined by “or”. Press one to add it.')}
            verb={t('Set')}
            text={text}
            facts={FACTS}
            command={(said) => ({
              type: 'mode',
              mode: /^(auto|step|ask when\b.*)$/.test(said) ? said : `ask when ${said}`,
            })}
            onEnd={() => this.write(null)}
          />
        )}
      </>
    );
  }
}

function nextTurn({ tree, info }: Model): number {
  const root = info && tree?.get(info.node);
  const turns = root === undefined ? [] : (tree?.children(root) ?? []);
  return turns.reduce((last, node) => Math.max(last, node.number), 0) + 1;
}

function Tool(props: {
  label: string;
  keys?: string;
  icon: Parameters<typeof ActionIcon>[0]['name'];
  /** Pressed once: the word is shown whatever the width. */
  sure?: boolean;
  /** What is to be done next: the same. */
  primary?: boolean;
  onClick: () => void;
  onBlur?: () => void;
}): JSX.Element {
  const { label, keys, icon, sure, primary, onClick, onBlur } = props;
  return (
    <button
      class={`rlm-tool${sure ? ' rlm-sure' : ''}${primary ? ' rlm-primary' : ''}`}
      title={keys === undefined ? label : `${label} (${keys})`}
      aria-label={label}
      onClick={onClick}
      onBlur={onBlur}
    >
      <ActionIcon name={icon} />
      <span class="rlm-tool-word">{label}</span>
    </button>
  );
}
