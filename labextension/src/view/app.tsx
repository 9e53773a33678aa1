import { Component, createRef, type JSX } from 'preact';
import { clean, oneLine, plural } from '../core/format.js';
import type { RunTree } from '../core/tree.js';
import { CellView } from './cell.js';
import { Details } from './details.js';
import { FocusKeeper } from './focus.js';
import { FilterBar } from './filterbar.js';
import { Grid } from './grid.js';
import { Header, Runs } from './header.js';
import { Help } from './help.js';
import { Icicle } from './icicle.js';
import { ActionIcon } from './icons.js';
import type { Model, Tab } from './model.js';
import { nameOf } from './person.js';
import { standing } from '../core/standing.js';
import { isYours } from '../core/waiting.js';
import { PlayerBar, playerKey } from './playerbar.js';
import { Splitter } from './splitter.js';

const TABS: readonly (readonly [Tab, string])[] = [
  ['tree', 'Tree'],
  ['icicle', 'Icicle'],
  ['cell', 'Cell'],
];

/** Everything that is shown of a store: the runs, the run, its linked views, the details. */
export class App extends Component<{ model: Model }, { filters: boolean }> {
  override state = { filters: false };
  private root = createRef<HTMLDivElement>();
  private focus: FocusKeeper | null = null;
  /** Whether the focus goes along with what is selected by itself. */
  private along = false;
  private told = '';

  override componentDidMount(): void {
    const { model } = this.props;
    const root = this.root.current as HTMLDivElement;
    const focus = (this.focus = new FocusKeeper(root));
    model.onDraw(() => this.forceUpdate());
    model.hasKeyboard = () => {
      const own = root.querySelector('.rlm-grid')?.contains(document.activeElement) ?? false;
      return own && !focus.carried;
    };
    model.isCarried = () => focus.carried;
    this.forceUpdate();
  }

  override componentWillUnmount(): void {
    this.focus?.dispose();
  }

  override componentDidUpdate(): void {
    const { info, announcer, tree, wanting, taking } = this.props.model;
    this.placeFocus();
    if (info !== undefined) {
      const { words } = standing(info, wanting, taking);
      if (words !== this.told && this.told !== '') {
        announcer.say(
          `${this.props.model.trans(words)}. ${plural(tree?.size ?? 0, 'node')}. ${info.reason}`,
        );
      }
      this.told = words;
    }
  }

  /** The views put the focus on what is selected; where nothing is, it still has to go somewhere. */
  private placeFocus(): void {
    const { model } = this.props;
    const { along } = this;
    this.along = false;
    if (along && model.isCarried()) {
      this.focus?.carry();
    } else if (model.wantsFocus && (model.tree?.size ?? 0) > 0) {
      this.focus?.rest();
    } else {
      return;
    }
    model.wantsFocus = false;
  }

  private keyDown = (event: KeyboardEvent): void => {
    const typing =
      event.target instanceof HTMLElement && event.target.matches('input,textarea,select');
    const { model } = this.props;
    const { player } = model;
    if (player !== null && !typing && playerKey(model, player, event)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      event.stopPropagation();
      this.root.current?.querySelector<HTMLInputElement>('.rlm-search-input')?.focus();
    }
  };

  override render(): JSX.Element {
    const { model } = this.props;
    let rows = model.refresh();
    if (model.offer()) {
      rows = model.refresh();
      this.along = model.isCarried();
    }
    const { info, tree, store, host, tab, player } = model;
    const t = model.trans;
    const { runs } = store;
    const several = host.showRuns ?? runs.length > 1;
    // What is followed, or replied to, is read in the details: the tree makes room for it.
    const follows = player !== null && model.playing.follows !== '';
    const reads = follows || (model.node !== undefined && isYours(model.node));
    return (
      <div
        class={`rlm-tree${host.compact ? ' rlm-compact' : ''}${player ? ' rlm-played' : ''}`}
        ref={this.root}
        onKeyDown={this.keyDown}
      >
        <div class="rlm-inner">
          {several && runs.length > 0 && <Runs model={model} runs={runs} />}
          <Connection model={model} />
          {info === undefined ? (
            <Empty model={model} />
          ) : (
            <>
              <Header model={model} info={info} />
              {player !== null && <PlayerBar key={player.id} model={model} player={player} />}
              {tree === undefined || tree.size === 0 ? (
                <p class="rlm-hint rlm-empty-view" role="status">
                  {t('Fetching what happened so far …')}
                </p>
              ) : (
                <>
                  <div class="rlm-bar-box">
                    <div class="rlm-segments" role="tablist" aria-label={t('Views')}>
                      {TABS.map(([one, words], i) => (
                        <button
                          key={one}
                          role="tab"
                          aria-selected={tab === one}
                          tabIndex={tab === one ? 0 : -1}
                          title={`${t(words)} (${i + 1})`}
                          onClick={() => model.setTab(one)}
                          onKeyDown={(event) => this.tabKey(event, i)}
                        >
                          {t(words)}
                        </button>
                      ))}
                    </div>
                    <FilterBar
                      model={model}
                      tree={tree}
                      open={this.state.filters}
                      onOpen={(filters) => this.setState({ filters })}
                    />
                    {player === null && (
                      <button
                        class="rlm-quiet-button rlm-play"
                        title={`${t('Play the run as it was, from its beginning')} (P)`}
                        aria-label={t('Play')}
                        onClick={() => void model.play()}
                      >
                        <ActionIcon name="past" />
                        <span class="rlm-tool-word">{t('Play')}</span>
                      </button>
                    )}
                    <button
                      class="rlm-quiet-button"
                      title={`${t('Keys')} (?)`}
                      aria-label={t('Keys')}
                      onClick={() => {
                        model.help = true;
                        model.changed();
                      }}
                    >
                      <ActionIcon name="help" />
                    </button>
                  </div>
                  {!follows && <Path model={model} tree={tree} />}
                  <div
                    class={`rlm-main${model.details ? ' rlm-with-details' : ''}${reads ? ' rlm-reads' : ''}`}
                  >
                    <div
                      class="rlm-view"
                      role="tabpanel"
                      aria-label={t(TABS.find(([one]) => one === tab)?.[1] ?? '')}
                    >
                      {tab === 'tree' && <Grid model={model} rows={rows} />}
                      {tab === 'icicle' && <Icicle model={model} tree={tree} />}
                      {tab === 'cell' && <CellView model={model} tree={tree} />}
                    </div>
                    {model.details && <Splitter model={model} />}
                    {model.details && <Details model={model} tree={tree} />}
                  </div>
                </>
              )}
            </>
          )}
          {model.help && <Help model={model} />}
          <div class="rlm-hidden" role="status" aria-live="polite" ref={model.announcer.into} />
        </div>
      </div>
    );
  }

  private tabKey(event: KeyboardEvent, at: number): void {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const to = by === 0 ? TABS[Number(event.key) - 1] : TABS.at((at + by) % TABS.length);
    if (to !== undefined && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.props.model.setTab(to[0]);
      const tabs = (event.currentTarget as HTMLElement).parentElement?.querySelectorAll('button');
      tabs?.[TABS.indexOf(to)]?.focus();
    }
  }
}

/** Where the selected row is: what is above it, to go there or to show only that. */
function Path({ model, tree }: { model: Model; tree: RunTree }): JSX.Element | null {
  const t = model.trans;
  const focus = model.focus === null ? undefined : tree.get(model.focus);
  const at = model.node ?? focus;
  const above = at === undefined ? [] : [at, ...tree.above(at)].reverse();
  if (focus === undefined && above.length < 3) {
    return null;
  }
  return (
    <div
      class={focus === undefined ? 'rlm-path' : 'rlm-path rlm-only'}
      role="group"
      aria-label={t('Path')}
    >
      {focus !== undefined && (
        <button class="rlm-quiet-button" onClick={() => model.focusOn(null)}>
          ‹ {t('everything')}
        </button>
      )}
      <ol>
        {above.map((node) => (
          <li key={node.id}>
            <button
              class="rlm-link"
              aria-current={node.id === model.selected ? 'true' : undefined}
              title={oneLine(node.title, 200)}
              onClick={() => model.reveal(node.id)}
            >
              {clean(nameOf(node)) || oneLine(node.title, 24)}
            </button>
          </li>
        ))}
      </ol>
    </div>
  );
}

function Connection({ model }: { model: Model }): JSX.Element | null {
  const { store } = model;
  const t = model.trans;
  if (store.connection === 'gone') {
    return (
      <p class="rlm-trouble">
        {t(
          'The kernel has ended. What was known of its runs stays here; the log on disk has all of it.',
        )}
      </p>
    );
  }
  if (store.connection === 'lost') {
    return (
      <p class="rlm-trouble">
        {t('The kernel doesn’t answer; what is shown may be old.')}{' '}
        <button class="rlm-link" onClick={() => void store.sync().catch(() => undefined)}>
          {t('Ask again')}
        </button>
      </p>
    );
  }
  return store.notice === '' ? null : <p class="rlm-note">{clean(store.notice)}</p>;
}

/** What to do where there is no run yet. */
function Empty({ model }: { model: Model }): JSX.Element {
  const t = model.trans;
  return (
    <div class="rlm-empty">
      <svg viewBox="0 0 64 44" aria-hidden="true">
        <path d="M8 8h16M8 8v28M8 22h16M8 36h16M32 22v14M32 29h14M32 36h14" />
        <circle cx="28" cy="8" r="3.5" />
        <circle cx="28" cy="22" r="3.5" />
        <circle cx="28" cy="36" r="3.5" />
        <circle cx="50" cy="29" r="3" />
        <circle cx="50" cy="36" r="3" />
      </svg>
      <h2>{t('No run yet')}</h2>
      <p>{t('Give the kernel something to read, then ask. In two cells:')}</p>
      <pre tabIndex={0}>{'%rlm context report.txt'}</pre>
      <pre tabIndex={0}>{'%%rlm\nWhat changed between the two editions?'}</pre>
      <p class="rlm-hint">
        {t(
          'The recursion grows here as it happens, and you can approve, edit or reject each cell.',
        )}
      </p>
    </div>
  );
}
