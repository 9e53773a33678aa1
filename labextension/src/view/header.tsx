import { Component, type JSX } from 'preact';
import { clean, countText, durationText, moneyText, oneLine, plural } from '../core/format.js';
import type { Meter, RunInfo } from '../protocol.js';
import { ActionIcon, StatusIcon, tone } from './icons.js';
import type { Model } from './model.js';
import { standing } from './phases.js';

const MODES = ['auto', 'step'];
const RULES = [
  'ask when calls > 20',
  'ask when cost > $0.10',
  'ask when depth > 0',
  'ask when answer',
];

/** The run: its question, how it stands, what it used, and what can be done to it as a whole. */
export function Header({ model, info }: { model: Model; info: RunInfo }): JSX.Element {
  const t = model.trans;
  const stands = standing(info);
  const question = info.question || info.name || t('Calls typed in this notebook');
  return (
    <div class={`rlm-head-box rlm-is-${tone(stands.status)}`}>
      <h1 title={clean(question)}>{oneLine(question, 500)}</h1>
      <p class="rlm-standing">
        {model.wanting === undefined ? (
          <span class="rlm-phase">
            <StatusIcon status={stands.status} />
            <b>{t(stands.words)}</b>
          </span>
        ) : (
          <button
            class="rlm-phase"
            title={t('Go to what waits for you')}
            onClick={() => model.showWanting()}
          >
            <StatusIcon status={stands.status} />
            <b>{t(stands.words)}</b>
          </button>
        )}
        {info.reason !== '' && <span class="rlm-reason">{clean(info.reason)}</span>}
        {info.model !== '' && <span class="rlm-said">{clean(info.model)}</span>}
        {info.in_flight > 0 && (
          <span class="rlm-said">{`${plural(info.in_flight, 'call')} ${t('in flight')}`}</span>
        )}
        <Meters model={model} info={info} />
      </p>
      {!info.ended && <Controls model={model} info={info} />}
      {info.ended && info.answer !== null && info.answer !== '' && (
        <p class="rlm-answer">
          <b>{info.phase === 'partial' ? t('Partial answer') : t('Answer')}</b>{' '}
          {oneLine(info.answer, 600)}
        </p>
      )}
      {model.message !== '' && !model.details && (
        <p class="rlm-trouble" role="alert">
          {model.message}
        </p>
      )}
    </div>
  );
}

const UNITS: Record<string, (value: number) => string> = {
  money: (value) => (value <= 0 ? '$0' : moneyText(value)),
  calls: countText,
  tokens: countText,
  seconds: (value) => durationText(value),
};
const NAMES: Record<string, string> = {
  money: '',
  calls: 'calls',
  tokens: 'tokens',
  seconds: '',
};

function Meters({ model, info }: { model: Model; info: RunInfo }): JSX.Element {
  const limited = Object.entries(info.budget).filter(
    ([name, meter]) => Object.hasOwn(UNITS, name) && (meter.limit !== null || name === 'money'),
  );
  return (
    <span class="rlm-meters">
      {limited.map(([name, meter]) => (
        <MeterView key={name} model={model} name={name} meter={meter} />
      ))}
    </span>
  );
}

function MeterView(props: { model: Model; name: string; meter: Meter }): JSX.Element {
  const { name, meter } = props;
  const t = props.model.trans;
  const say = UNITS[name] as (value: number) => string;
  const used = meter.used === null ? t('unknown') : say(meter.used);
  const unit = NAMES[name] ? ` ${t(NAMES[name] as string)}` : '';
  const words =
    meter.limit === null ? `${used}${unit}` : `${used} ${t('of')} ${say(meter.limit)}${unit}`;
  const part = meter.limit ? Math.min((meter.used ?? 0) / meter.limit, 1) : 0;
  const full = part > 0.9 ? ' rlm-full' : '';
  return (
    <span class="rlm-meter">
      {meter.limit !== null && meter.used !== null && (
        <span
          class={`rlm-gauge${full}`}
          role="meter"
          aria-label={`${t('Budget')}: ${t(name)}`}
          aria-valuemin={0}
          aria-valuemax={meter.limit}
          aria-valuenow={Math.min(meter.used, meter.limit)}
          aria-valuetext={words}
        >
          <span style={{ width: `${part * 100}%` }} />
        </span>
      )}
      <span>{words}</span>
    </span>
  );
}

class Controls extends Component<
  { model: Model; info: RunInfo },
  { ruling: boolean; sure: boolean }
> {
  override state = { ruling: false, sure: false };

  private setMode = (mode: string): void => {
    if (mode === '…') {
      this.setState({ ruling: true });
    } else {
      this.setState({ ruling: false });
      void this.props.model.steer({ type: 'mode', mode });
    }
  };

  private runTo = (select: HTMLSelectElement): void => {
    const until = select.value;
    select.value = '';
    if (until === 'turn') {
      const turns = [...(this.props.model.tree?.all() ?? [])].filter(
        (node) => node.kind === 'turn',
      );
      const next = Math.max(0, ...turns.map((node) => node.number)) + 1;
      void this.props.model.steer({ type: 'run to', until: `turn ${next}` });
    } else if (until === '$') {
      const used = this.props.info.budget.money?.used ?? 0;
      void this.props.model.steer({ type: 'run to', until: `$${(used + 0.1).toFixed(2)}` });
    } else if (until !== '') {
      void this.props.model.steer({ type: 'run to', until });
    }
  };

  private stop = (): void => {
    if (this.state.sure) {
      void this.props.model.steer({ type: 'stop' });
    }
    this.setState({ sure: !this.state.sure });
  };

  override render(): JSX.Element {
    const { model, info } = this.props;
    const t = model.trans;
    const paused = info.phase === 'paused';
    const taken = info.phase === 'taken over';
    const rule = MODES.includes(info.mode) ? '' : info.mode;
    return (
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
          label={taken ? t('Hand back') : t('Take over')}
          keys="T"
          icon={taken ? 'back' : 'hand'}
          onClick={() =>
            taken ? model.begin('hand back', info.node) : void model.steer({ type: 'take over' })
          }
        />
        <Tool
          label={this.state.sure ? t('Stop for good?') : t('Stop')}
          icon="stop"
          onClick={this.stop}
          onBlur={() => this.setState({ sure: false })}
        />
        <select
          aria-label={t('Run to')}
          value=""
          onChange={(event) => this.runTo(event.currentTarget)}
        >
          <option value="">{t('Run to …')}</option>
          <option value="error">{t('the next error')}</option>
          <option value="child">{t('the next child')}</option>
          <option value="turn">{t('the next turn')}</option>
          <option value="$">{t('$0.10 more')}</option>
        </select>
        <select
          aria-label={t('Mode: how proposals are decided')}
          value={rule || info.mode}
          onChange={(event) => this.setMode(event.currentTarget.value)}
        >
          <option value="auto">{t('auto')}</option>
          <option value="step">{t('step')}</option>
          {[...new Set([...(rule ? [rule] : []), ...RULES])].map((one) => (
            <option value={one} key={one}>
              {one}
            </option>
          ))}
          <option value="…">{t('ask when …')}</option>
        </select>
        {this.state.ruling && (
          <input
            aria-label={t('Rule')}
            class="rlm-rule"
            value={rule || 'ask when '}
            ref={(element) => element?.focus()}
            onKeyDown={(event) => {
              event.stopPropagation();
              if (event.key === 'Enter') {
                this.setMode(event.currentTarget.value.trim());
              } else if (event.key === 'Escape') {
                this.setState({ ruling: false });
              }
            }}
          />
        )}
      </div>
    );
  }
}

function Tool(props: {
  label: string;
  keys?: string;
  icon: Parameters<typeof ActionIcon>[0]['name'];
  onClick: () => void;
  onBlur?: () => void;
}): JSX.Element {
  const { label, keys, icon, onClick, onBlur } = props;
  return (
    <button
      class="rlm-tool"
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

/** The runs of the kernel, to choose from. */
export function Runs({ model, runs }: { model: Model; runs: RunInfo[] }): JSX.Element {
  const t = model.trans;
  const number = (index: number) => runs.length - index;
  return (
    <label class="rlm-runs">
      <span>{t('Run')}</span>
      <select
        value={model.run ?? ''}
        onChange={(event) => {
          model.setRun('');
          model.store.select(event.currentTarget.value);
        }}
      >
        {[...runs].reverse().map((info, i) => (
          <option value={info.run} key={info.run}>
            {`${number(i)} · ${t(standing(info).words)} · ${oneLine(info.question || info.name || info.run, 70)}`}
          </option>
        ))}
      </select>
      <span class="rlm-said">{plural(runs.length, 'run')}</span>
    </label>
  );
}
