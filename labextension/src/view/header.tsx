import type { JSX } from 'preact';
import { isMeter, meterText } from '../core/budget.js';
import { clean, durationText, oneLine, plural, sandboxText } from '../core/format.js';
import { sayN } from '../core/say.js';
import type { Meter, RunInfo } from '../protocol.js';
import { Controls } from './controls.js';
import { StatusIcon, tone } from './icons.js';
import type { Model } from './model.js';
import { standing, whyOf } from '../core/standing.js';
import { Origin } from './branches.js';
import { Short } from './short.js';

/** The run: its question, how it stands, what it used, and what can be done to it as a whole. */
export function Header({ model, info }: { model: Model; info: RunInfo }): JSX.Element {
  const t = model.trans;
  const stands = standing(info, model.wanting, model.taking);
  const { thinking } = model;
  const taken = info.phase === 'taken over' && !info.ended && model.player === null;
  const question = info.question || info.name || t('Calls typed in this notebook');
  return (
    <div class={`rlm-head-box rlm-is-${tone(stands.status)}`}>
      <h1 title={clean(question)}>{oneLine(question, 500)}</h1>
      <p class="rlm-standing">
        {model.wanting === undefined ? (
          <span class="rlm-phase">
            <StatusIcon status={stands.status} />
            <b>{t(stands.words)}</b>
            {thinking !== null && thinking >= LONG && (
              <span class="rlm-said">
                {' '}
                · {thinking < 60 ? t('%1 s', Math.floor(thinking)) : durationText(thinking)}
              </span>
            )}
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
        {!taken && whyOf(info) !== '' && <span class="rlm-reason">{clean(whyOf(info))}</span>}
        {info.recorded && <span class="rlm-tag">{t('recording')}</span>}
        {info.model !== '' && <span class="rlm-said">{clean(info.model)}</span>}
        {info.sandbox !== '' && <span class="rlm-said">{clean(sandboxText(info.sandbox))}</span>}
        {info.in_flight > 0 && (
          <span class="rlm-said">
            {sayN('%1 call in flight', '%1 calls in flight', info.in_flight)}
          </span>
        )}
        <Meters model={model} info={info} />
      </p>
      {taken && (
        <p class="rlm-yours">
          <b>{t('You are at the keyboard.')}</b>{' '}
          {info.executor === 'kernel'
            ? t('Nothing goes on until you hand back.')
            : t('Run cells in the notebook. Hand back ends it: the model sees them and goes on.')}
        </p>
      )}
      <Origin model={model} info={info} />
      {!info.ended && model.player === null && <Short model={model} info={info} key={info.run} />}
      {!info.ended && info.phase !== 'session' && model.player === null && (
        <Controls model={model} info={info} />
      )}
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

/** Seconds of thinking from which they are shown. */
const LONG = 5;

function Meters({ model, info }: { model: Model; info: RunInfo }): JSX.Element {
  const limited = Object.entries(info.budget).filter(
    ([name, meter]) => isMeter(name) && (meter.limit !== null || name === 'money'),
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
  const words = meterText(name, meter);
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
            {[
              number(i),
              clean(info.name),
              info.recorded ? t('recording') : t(standing(info).words),
              info.branch_of === '' ? '' : t('a branch'),
              oneLine(info.question || info.run, 70),
            ]
              .filter(Boolean)
              .join(' · ')}
          </option>
        ))}
      </select>
      <span class="rlm-said">{plural(runs.length, 'run')}</span>
    </label>
  );
}
