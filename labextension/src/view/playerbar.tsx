import { Component, type JSX } from 'preact';
import { tickText } from '../core/axis.js';
import { oneLine } from '../core/format.js';
import { type Mark, type MarkKind, type Player, SPEEDS } from '../core/player.js';
import { say } from '../core/say.js';
import { ActionIcon } from './icons.js';
import type { Model } from './model.js';
import { nameOf } from './person.js';

/** Of several marks at one place the first of these is drawn. */
const RANK: readonly MarkKind[] = ['error', 'decision', 'child', 'turn'];
/** Places on the scrubber; turns, of which there may be many, have fewer. */
const PLACES = 240;
const TURNS = 60;
/** Places that the scrubber can be put to. */
const PARTS = 1000;
/** Characters of a caption that are shown. */
const CAPTION = 400;

const WORDS: Record<MarkKind, string> = {
  turn: 'turn',
  child: 'child run',
  error: 'error',
  decision: 'decision',
};

/** What the clock of a player leaves out and adds. */
export const PACE =
  'Played, the waits of the run are shortened, and what came too fast to be seen is held.';

/** What keys do while a run is played; false where one means nothing here. */
export function playerKey(model: Model, player: Player, event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  switch (event.key) {
    case 'p':
    case 'P':
      player.toggle();
      return true;
    case '[':
      player.step(-1);
      return true;
    case ']':
      player.step(1);
      return true;
    case 'l':
    case 'L':
      model.asItIs();
      return true;
    default:
      return false;
  }
}

/** Play, pause, speed, where the run is, and back to it as it is now. */
export class PlayerBar extends Component<{ model: Model; player: Player }> {
  private stop: () => void = () => undefined;
  private readonly marks = thinned(this.props.player);

  override componentDidMount(): void {
    this.stop = this.props.player.onChange(() => this.forceUpdate());
  }

  override componentWillUnmount(): void {
    this.stop();
  }

  override render(): JSX.Element {
    const { model, player } = this.props;
    const t = model.trans;
    const { length, position, playing } = player;
    const said = t('%1 of %2', clockText(position), clockText(length));
    const button = (
      icon: 'play' | 'pause' | 'step',
      words: string,
      key: string,
      press: () => void,
    ) => (
      <button
        class={`rlm-quiet-button${icon === 'step' && key === '[' ? ' rlm-mirrored' : ''}`}
        title={`${t(words)} (${key})`}
        aria-label={t(words)}
        onClick={press}
      >
        <ActionIcon name={icon} />
      </button>
    );
    const { info } = model;
    const bar = (
      <div class="rlm-player" role="group" aria-label={t('Player')}>
        <span class="rlm-player-word">{info?.recorded ? t('Recording') : t('As it was')}</span>
        {button('step', 'Step back', '[', () => player.step(-1))}
        {playing
          ? button('pause', 'Pause', 'P', () => player.pause())
          : button('play', 'Play', 'P', () => player.play())}
        {button('step', 'Step forward', ']', () => player.step(1))}
        <div class="rlm-scrub">
          <input
            type="range"
            min={0}
            max={length}
            step={length / PARTS || 1}
            value={position}
            aria-label={t('Position')}
            aria-valuetext={said}
            onInput={(event) => {
              const at = Number(event.currentTarget.value);
              player.pause();
              // The last place is the end, whatever its rounding makes of it.
              player.seek(at > length * (1 - 0.5 / PARTS) ? length : at);
            }}
          />
          {this.marks.map((mark) => (
            <span
              key={`${mark.at}`}
              class={`rlm-mark rlm-mark-${mark.kind}`}
              style={{ '--rlm-at': length ? mark.at / length : 0 }}
              title={this.title(mark)}
              aria-hidden="true"
              onClick={() => {
                model.playing.goTo((one) => one.goToNode(mark.node), mark.node);
              }}
            />
          ))}
        </div>
        <span class="rlm-said rlm-clock" title={t(PACE)}>
          {said}
        </span>
        <label class="rlm-speed">
          <span class="rlm-hidden">{t('Speed')}</span>
          <select
            value={String(player.speed)}
            onChange={(event) => player.setSpeed(Number(event.currentTarget.value))}
          >
            {SPEEDS.map((speed) => (
              <option key={speed} value={String(speed)}>
                {t('%1×', speed)}
              </option>
            ))}
          </select>
        </label>
        <button
          class="rlm-quiet-button rlm-follow"
          aria-pressed={model.playing.follow}
          aria-label={t('Follow')}
          title={t('Follow: open the cell or the child that the moment is about')}
          onClick={() => model.playing.setFollow(!model.playing.follow)}
        >
          <ActionIcon name="follow" />
          <span class="rlm-tool-word">{t('Follow')}</span>
        </button>
        {!info?.recorded && (
          <button
            class={`rlm-button rlm-player-end${model.waits ? ' rlm-primary' : ''}`}
            title={`${t('Show the run as it is now')} (L)`}
            onClick={() => model.asItIs()}
          >
            {model.waits ? t('Waits for you') : model.goesOn ? t('Live') : t('Close')}
          </button>
        )}
      </div>
    );
    return (
      <>
        {bar}
        {player.captions.length > 0 && (
          <p class="rlm-caption" aria-live="polite">
            {oneLine(player.caption, CAPTION)}
          </p>
        )}
      </>
    );
  }

  private title(mark: Mark): string {
    const node = this.props.model.tree?.get(mark.node);
    const name = node ? oneLine(nameOf(node) || node.title, 60) : mark.node;
    return `${this.props.model.trans(WORDS[mark.kind])}: ${name}`;
  }
}

/** The marks that are drawn: one at each place, and of several the one that says most. */
function thinned(player: Player): Mark[] {
  const places = new Map<number, Mark>();
  for (const mark of player.marks) {
    const part = player.length ? mark.at / player.length : 0;
    const fine = PLACES / TURNS;
    const place =
      mark.kind === 'turn' ? Math.round(part * TURNS) * fine : Math.round(part * PLACES);
    const there = places.get(place);
    if (!there || RANK.indexOf(mark.kind) < RANK.indexOf(there.kind)) places.set(place, mark);
  }
  return [...places.values()];
}

function clockText(seconds: number): string {
  return seconds < 60 ? say('%1 s', seconds.toFixed(1)) : tickText(Math.round(seconds));
}
