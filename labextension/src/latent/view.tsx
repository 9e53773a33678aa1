/** A solve that is played: the grid, the curves, how the latent moved, and what it means. */
import { Component, type JSX } from 'preact';
import { say } from '../core/say.js';
import { ActionIcon } from '../view/icons.js';
import { Board, Heat } from './board.js';
import { type Curve, across, bands, curvesOf, down, frameAt } from './curves.js';
import type { Solve } from './data.js';
import { described, movedMost } from './described.js';
import { Play } from './play.js';

interface Props {
  solve: Solve;
  /** Whether it plays by itself when it is first shown. */
  plays: boolean;
}

/** A solve. */
export class SolveView extends Component<Props> {
  private readonly play = new Play(this.props.solve.frames.length - 1, () => this.forceUpdate());
  private readonly curves = curvesOf(this.props.solve);
  private readonly bands = bands(this.props.solve);
  private scrub: HTMLInputElement | null = null;

  override componentDidMount(): void {
    if (this.props.plays) this.play.play();
  }

  override componentWillUnmount(): void {
    this.play.dispose();
  }

  override render(): JSX.Element {
    const { solve } = this.props;
    const { play } = this;
    const frame = solve.frames[play.at]!;
    const over = play.at === play.last;
    return (
      <section
        class="rlm-latent"
        aria-label={say('A solve, cycle by cycle: %1', solve.name)}
        // JupyterLab's own keys: they aren't meant here.
        data-lm-suppress-shortcuts="true"
        onKeyDown={this.onKey}
        onClick={this.onClick}
      >
        <div class="rlm-latent-main">
          <Board solve={solve} frame={frame} label={described(solve, frame)} />
          <div class="rlm-latent-side">
            {this.curves.map((curve) => this.curve(curve))}
            <div class="rlm-latent-moved">
              <Heat solve={solve} frame={frame} label={movedMost(solve, frame)} />
              <p>
                {say('How far the latent of each cell moved in this cycle')}
                <span class="rlm-scale" aria-hidden="true">
                  {say('not')}
                  <i />
                  {say('most')}
                </span>
              </p>
            </div>
          </div>
        </div>
        {this.player()}
        <div class="rlm-latent-said" aria-live={play.playing ? 'off' : 'polite'}>
          {over && (
            <p class="rlm-latent-end">
              <span class={solve.solved ? 'rlm-good' : 'rlm-bad'} aria-hidden="true">
                {solve.solved ? '✓' : '✗'}
              </span>{' '}
              {solve.said}
            </p>
          )}
          <p>{frame.said}</p>
        </div>
        {this.key()}
      </section>
    );
  }

  private player(): JSX.Element {
    const { play } = this;
    const { frames } = this.props.solve;
    const frame = frames[play.at]!;
    const where = frame.step
      ? say('step %1, cycle %2', frame.step, frame.cycle)
      : say('as it was given');
    return (
      <div class="rlm-latent-player" role="group" aria-label={say('Player')}>
        <button
          title={say(play.playing ? 'Pause (space)' : 'Play (space)')}
          aria-label={say(play.playing ? 'Pause' : 'Play')}
          onClick={() => play.toggle()}
        >
          <ActionIcon name={play.playing ? 'pause' : 'play'} />
        </button>
        <input
          type="range"
          min={0}
          max={play.last}
          step={1}
          value={play.at}
          aria-label={say('Cycle')}
          aria-valuetext={where}
          ref={(element) => {
            this.scrub = element;
          }}
          onInput={(event) => play.seek(Number(event.currentTarget.value))}
        />
        <span class="rlm-latent-where">{where}</span>
      </div>
    );
  }

  private curve(curve: Curve): JSX.Element {
    const { play } = this;
    const { last } = play;
    const value = curve.values[play.at - 1];
    const points = curve.values.map(
      (one, i) =>
        `${(100 * across(i + 1, last)).toFixed(2)},${(100 * down(curve, one)).toFixed(2)}`,
    );
    return (
      <div class="rlm-curve" key={curve.name}>
        <div class="rlm-curve-name">
          <span>{curve.name}</span>
          <strong>{value === undefined ? '–' : curve.text(value)}</strong>
        </div>
        <div
          class="rlm-curve-box"
          aria-hidden="true"
          onPointerDown={(event) => {
            const box = event.currentTarget.getBoundingClientRect();
            play.seek(frameAt((event.clientX - box.left) / box.width, last));
          }}
        >
          <svg viewBox="0 0 100 100" preserveAspectRatio="none">
            {this.bands.map(([from, to]) => (
              <rect
                key={from}
                class="rlm-band"
                x={100 * from}
                width={100 * (to - from)}
                height={100}
              />
            ))}
            <polygon class="rlm-under" points={`0,100 ${points.join(' ')} 100,100`} />
            <polyline class="rlm-line" points={points.join(' ')} />
          </svg>
          {value !== undefined && (
            <i
              class="rlm-here"
              style={{
                left: `${100 * across(play.at, last)}%`,
                top: `${100 * down(curve, value)}%`,
              }}
            />
          )}
          {value !== undefined && (
            <i class="rlm-now" style={{ left: `${100 * across(play.at, last)}%` }} />
          )}
        </div>
      </div>
    );
  }

  private key(): JSX.Element {
    const { solve } = this.props;
    const left = solve.cycles - (solve.frames.length - 1);
    return (
      <p class="rlm-latent-key">
        {solve.kind === 'sudoku' && (
          <span>
            <b>5</b> {say('given')}
          </span>
        )}
        <span>
          <svg viewBox="0 0 10 10" aria-hidden="true">
            <path class="rlm-corner" d="M1 0h9v9z" />
          </svg>
          {say('changed in this cycle')}
        </span>
        <span>
          <svg viewBox="0 0 10 10" aria-hidden="true">
            <rect class="rlm-bar" y="6.5" width="10" height="2.5" rx="1.2" />
          </svg>
          {say('breaks a rule')}
        </span>
        <span>
          <i class="rlm-faint" aria-hidden="true">
            {solve.kind === 'maze' ? '●' : '5'}
          </i>{' '}
          {say('faint: not sure')}
        </span>
        {left > 0 && <span>{say('%1 more cycles aren’t shown', left)}</span>}
      </p>
    );
  }

  private onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    // A button does by itself what the space bar means to it.
    if (event.key === ' ' && (event.target as HTMLElement).tagName === 'BUTTON') return;
    if (this.play.key(event.key)) {
      event.preventDefault();
      event.stopPropagation();
    }
  };

  /** After a click anywhere in it, its keys are heard. */
  private onClick = (event: MouseEvent): void => {
    if (!(event.target as HTMLElement).closest('button, input')) {
      this.scrub?.focus({ preventScroll: true });
    }
  };
}
