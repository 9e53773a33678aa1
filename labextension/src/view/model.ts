import { type Axis, axis } from '../core/axis.js';
import { type Filter, isEmpty, Matcher, type Matches, NO_FILTER } from '../core/filter.js';
import { live, type TextField, type TreeNode } from '../core/node.js';
import type { Player } from '../core/player.js';
import { type Row, Rows } from '../core/rows.js';
import { say } from '../core/say.js';
import { standing } from '../core/standing.js';
import type { Store } from '../core/store.js';
import { isOver, type RunTree } from '../core/tree.js';
import { length } from '../core/words.js';
import type { Command, Fork, RunInfo } from '../protocol.js';
import { Announcer } from './announce.js';
import { Colours } from './code.js';
import { Drawing } from './drawing.js';
import type { Host } from './host.js';
import { Playing } from './playing.js';
import { isYours, thinkingSince, waitingCell, wantingNode } from '../core/waiting.js';

/** The linked views of a run. */
export type Tab = 'tree' | 'icicle' | 'cell';

/** Characters that are copied at most. */
const COPIED = 16_000_000;
/** How often a filter looks through a tree that grows, in ms. */
const FILTER_EVERY = 250;

/** What a person has chosen in one view of a store, and the rows that come of it. */
export class Model {
  tab: Tab = 'tree';
  /** The key of the selected row. */
  selected: string | null = null;
  /** The node that is shown as the top. */
  focus: string | null = null;
  details = false;
  help = false;
  filter: Filter = NO_FILTER;
  matcher: Matcher | null = null;
  matches: Matches | null = null;
  /** A sentence for the person: why a command was refused, or what became of it. */
  message = '';
  /** What a person is about to do in the details: edit the proposal, give a reason, … */
  doing: { what: string; node: string } | null = null;
  /** Whether the keyboard's focus is to go to the selected row with the next drawing. */
  wantsFocus = false;
  /** Whether the run is stopped for good with the next press. */
  sure = false;
  /** Whether the person has just replied in the place of a model: they go on with the next one. */
  replying = false;
  /** The phase in which the person asked to take over; empty: they didn't. */
  taking = '';
  /** Plays the run that is shown. */
  readonly playing = new Playing(this);
  readonly rows = new Rows();
  /** How many rows came by themselves, not by opening something. */
  arrivedRows = 0;
  readonly announcer = new Announcer();
  readonly colours: Colours;
  /** Say a text in the person's language; `%1` … stand for the values. */
  readonly trans = say;

  /** Whether the keyboard is in the tree; set by the view. */
  hasKeyboard: () => boolean = () => false;
  /** Whether the keyboard is where it was put since its control went; set by the view. */
  isCarried: () => boolean = () => false;

  private own = '';
  /** What was selected by itself, and whether the person closed such details before. */
  private offered: string | null = null;
  private unwanted = false;
  /** What waited when it was last looked. */
  private waited: string | null = null;
  /** What was open before what a moment is about was. */
  private openBefore: Map<string, boolean> | null = null;
  private open = new Map<string, boolean>();
  private openWhileFiltered = new Map<string, boolean>();
  private made: { tree: RunTree; structure: number } | null = null;
  private filtered = { version: -1, at: 0 };
  private showing: { run: string; stop: () => void } | null = null;
  private stopStore: () => void;
  private readonly drawing = new Drawing();
  private timer: ReturnType<typeof setInterval> | null = null;
  private late: ReturnType<typeof setTimeout> | null = null;

  constructor(
    readonly store: Store,
    readonly host: Host,
  ) {
    this.colours = new Colours(host, () => this.changed());
    this.stopStore = store.subscribe(() => this.drawing.soon());
  }

  /** Draw by this from now on, at most once per frame. */
  onDraw(listener: () => void): void {
    this.drawing.by = listener;
  }

  /** A person did something, or the view's size changed: draw with the next frame. */
  changed(): void {
    this.drawing.now();
  }

  /** End everything that was begun. */
  dispose(): void {
    this.stopStore();
    this.playing.leave();
    this.showing?.stop();
    this.announcer.dispose();
    this.drawing.dispose();
    if (this.timer !== null) {
      clearInterval(this.timer);
    }
    if (this.late !== null) {
      clearTimeout(this.late);
    }
  }

  // -- the run ------------------------------------------------------------------------------

  /** The run that is shown. */
  get run(): string | null {
    const { store, own } = this;
    return own !== '' && store.info(own) !== undefined ? own : store.selected;
  }

  /** Shows the run as it was, where it does: nothing can be steered then. */
  get player(): Player | null {
    return this.playing.player;
  }

  get info(): RunInfo | undefined {
    const { run, player } = this;
    if (player?.run === run) return player?.info;
    return run === null ? undefined : this.store.info(run);
  }

  get tree(): RunTree | undefined {
    const { run, player } = this;
    if (player?.run === run) return player?.tree;
    return run === null ? undefined : this.store.tree(run);
  }

  /** Whether the run goes on, whatever is shown of it. */
  get goesOn(): boolean {
    return this.run !== null && this.store.info(this.run)?.ended === false;
  }

  /** Whether the run is over, so that what hasn't ended never will. */
  get over(): boolean {
    const { tree, info } = this;
    return info?.ended === true || (tree !== undefined && isOver(tree));
  }

  /** Whether the run waits for the person, whatever is shown of it. */
  get waits(): boolean {
    const info = this.run === null ? undefined : this.store.info(this.run);
    return info !== undefined && !info.ended && standing(info).waits;
  }

  /** Show a run whatever the store has chosen; the empty string follows the store again. */
  setRun(run: string): void {
    this.own = run;
    this.changed();
  }

  /** Go to another run, in this view where it shows one of its own. */
  goToRun(run: string): void {
    if (this.own !== '') this.setRun(run);
    else this.store.select(run);
  }

  /** Now in epoch seconds, never before what the kernel told last. */
  now(): number {
    return this.tree?.now ?? Date.now() / 1000;
  }

  axis(): Axis | null {
    const { tree } = this;
    if (tree === undefined) {
      return null;
    }
    const top = this.focus === null ? undefined : tree.get(this.focus);
    return axis(tree, this.now(), this.over, top);
  }

  /** Take note of the run that is shown now and bring the rows up to date. */
  refresh(): Row[] {
    const { run } = this;
    if (run !== (this.showing?.run ?? null)) {
      this.showing?.stop();
      this.playing.leave();
      // A recording is always played: its events are fetched once, and by the player.
      const recorded = run !== null && this.store.info(run)?.recorded === true;
      const stop = run === null || recorded ? () => undefined : this.store.show(run);
      this.showing = run === null ? null : { run, stop };
      if (recorded) void this.playing.open();
      this.selected = this.focus = null;
      this.offered = this.waited = null;
      this.doing = null;
      this.sure = false;
      this.taking = '';
      this.openBefore = null;
      this.open.clear();
      this.made = null;
      this.filtered.version = -1;
    }
    this.playing.renew();
    if (this.info?.phase !== this.taking) {
      this.taking = '';
    }
    const { tree } = this;
    this.beat(tree !== undefined && !this.over && this.player === null);
    if (tree === undefined) {
      this.made = null;
      return (this.rows.list = []);
    }
    if (this.focus !== null && tree.get(this.focus) === undefined) {
      this.focus = null;
    }
    const refiltered = this.refilter(tree);
    if (refiltered || this.made?.tree !== tree || this.made.structure !== tree.structure) {
      const grew = this.made?.tree === tree && !refiltered;
      this.made = { tree, structure: tree.structure };
      const open = this.matches === null ? this.open : this.openWhileFiltered;
      const before = this.rows.list.length;
      this.rows.update(tree, { focus: this.focus, open, matches: this.matches });
      if (grew) {
        this.arrivedRows += Math.max(this.rows.list.length - before, 0);
      }
      if (this.selected !== null && this.rows.at(this.selected) < 0) {
        this.selected = this.rows.showing(tree, this.selected);
      }
    }
    return this.rows.list;
  }

  private refilter(tree: RunTree): boolean {
    if (this.matcher === null) {
      this.matches = null;
      return false;
    }
    const { filtered } = this;
    if (filtered.version === tree.version) {
      return false;
    }
    const now = performance.now();
    if (filtered.version >= 0 && now - filtered.at < FILTER_EVERY) {
      this.late ??= setTimeout(() => {
        this.late = null;
        this.changed();
      }, FILTER_EVERY);
      return false;
    }
    this.filtered = { version: tree.version, at: now };
    this.matches = this.matcher.find(tree);
    return true;
  }

  private beat(on: boolean): void {
    if (on && this.timer === null) {
      this.timer = setInterval(() => this.changed(), 1000);
    } else if (!on && this.timer !== null) {
      clearInterval(this.timer);
      this.timer = null;
    }
  }

  /**
   * Select by itself what waits for the person, and open its details, where nothing of the person's
   * own choice would give way: a selection, the keyboard's place, words that are being written.
   */
  offer(): boolean {
    if (this.follow()) {
      return true;
    }
    const wanted = this.wanting?.id ?? null;
    if (this.over && this.offered !== null) {
      this.withdraw();
      return true;
    }
    if (wanted === this.waited) {
      return false;
    }
    this.waited = wanted;
    const chosen = this.selected !== null && this.selected !== this.offered;
    if (wanted === null || chosen || this.doing !== null || this.hasKeyboard()) {
      return false;
    }
    this.reveal(wanted, false);
    this.offered = wanted;
    this.details ||= !this.unwanted;
    return true;
  }

  /** Select what the moment of what is played is about, until the person selects something. */
  private follow(): boolean {
    const { due } = this.playing;
    if (due === '' || this.doing !== null || this.over) {
      return false;
    }
    const before = this.openBefore ?? new Map(this.open);
    this.open = new Map(before);
    this.reveal(due, this.hasKeyboard());
    this.openBefore = before;
    this.playing.took(due);
    this.offered = due;
    this.details ||= !this.unwanted;
    return true;
  }

  /** What is played has moved; `byPerson`: they see where they are at once. */
  moved(byPerson: boolean): void {
    if (byPerson) this.drawing.now();
    else this.drawing.soon();
  }

  /** The run is shown as it was from now on, or its recording was changed. */
  played(anew: boolean): void {
    if (anew) this.doing = null;
    this.made = null;
  }

  /** Whether what is selected was so by itself. */
  get isOffered(): boolean {
    return this.selected !== null && this.selected === this.offered;
  }

  /** A run is over: what is left of it that was opened by itself makes place for its answer. */
  private withdraw(): void {
    if (this.selected === this.offered) {
      this.selected = null;
      this.details = false;
      this.open = this.openBefore ?? this.open;
      this.made = null;
    }
    this.playing.forget();
    this.openBefore = null;
    this.offered = null;
  }

  // -- choosing -----------------------------------------------------------------------------

  get row(): Row | undefined {
    return this.selected === null ? undefined : this.rows.list[this.rows.at(this.selected)];
  }

  /** The selected node; of a group none. */
  get node(): TreeNode | undefined {
    return this.selected === null ? undefined : this.tree?.get(this.selected);
  }

  select(key: string | null, focus = false): void {
    if (key !== this.selected) {
      this.doing = null;
      this.message = '';
    }
    this.offered = this.openBefore = null;
    this.playing.hold();
    this.replying &&= key === this.wanting?.id;
    this.selected = key;
    this.wantsFocus ||= focus;
    this.changed();
  }

  /** Open or close a row. */
  toggle(row: Row, expanded = !row.expanded): void {
    if (row.expandable) {
      this.openBefore = null; // what the person opens stays open
      (this.matches === null ? this.open : this.openWhileFiltered).set(row.key, expanded);
      this.made = null;
      this.changed();
    }
  }

  /** Open or close everything. */
  toggleAll(expanded: boolean): void {
    const { tree } = this;
    for (const node of tree?.all() ?? []) {
      if (node.children.length > 0 && (expanded || node.parent !== null)) {
        this.open.set(node.id, expanded);
      }
    }
    for (const row of this.rows.list) {
      if (row.group !== null) {
        this.open.set(row.key, expanded);
      }
    }
    this.made = null;
    this.changed();
  }

  /** Select a node and open what is above it. */
  reveal(id: string, focus = true): void {
    const { tree } = this;
    const node = tree?.get(id);
    if (tree === undefined || node === undefined) {
      return;
    }
    const above = tree.above(node);
    if (this.focus !== null && !above.some((one) => one.id === this.focus) && id !== this.focus) {
      this.focus = null;
    }
    for (const one of above) {
      this.open.set(one.id, true);
      this.openWhileFiltered.set(one.id, true);
    }
    this.made = null;
    this.refresh();
    const group = this.rows.list.find((row) => row.group?.nodes.some((one) => one.id === id));
    if (this.rows.at(id) < 0 && group !== undefined) {
      this.toggle(group, true);
    }
    this.select(id, focus);
  }

  /** Show a node as the top, or everything. */
  focusOn(id: string | null): void {
    this.focus = id;
    this.made = null;
    this.changed();
  }

  setFilter(filter: Filter): void {
    this.filter = filter;
    this.matcher = isEmpty(filter) ? null : new Matcher(filter);
    this.matches = null;
    this.openWhileFiltered.clear();
    this.filtered.version = -1;
    this.made = null;
    this.changed();
  }

  setTab(tab: Tab): void {
    this.tab = tab;
    this.changed();
  }

  /** Open or close the details of the selected row. */
  showDetails(on: boolean): void {
    this.details = on;
    if (!on) {
      this.unwanted ||= this.offered !== null;
      this.doing = null;
      this.wantsFocus = true;
    }
    this.changed();
  }

  /** Begin something in the details that takes words: an edit, a reason, an answer. */
  begin(what: string, node: string): void {
    this.reveal(node, false);
    if (node === this.wanting?.id) {
      this.offered = node; // decided from here, it makes place for what waits next
    }
    this.doing = { what, node };
    this.details = true;
    this.changed();
  }

  // -- as it was ----------------------------------------------------------------------------

  /** Show the run as it was, at first at its end; gives what plays it, null where that fails. */
  asItWas(): Promise<Player | null> {
    if (this.run !== (this.showing?.run ?? null)) this.refresh(); // it may not have been drawn yet
    return this.playing.open();
  }

  /** Play the run from its beginning, or go on where it was paused. */
  async play(): Promise<void> {
    (await this.asItWas())?.play();
  }

  /** Show the run as it is now. */
  asItIs(): void {
    if (this.player === null || this.info?.recorded) return;
    this.playing.leave();
    this.doing = null;
    this.message = '';
    this.made = null;
    this.changed();
  }

  /** Begin a branch of the run and go to it; what is refused is said. */
  async fork(change: Omit<Fork, 'type' | 'run'>): Promise<void> {
    const { run } = this;
    if (run === null) return;
    const reply = await this.store.fork({ run, ...change });
    if (!reply.ok || reply.info === null) {
      this.message = reply.message || this.trans('The branch could not be begun.');
    } else {
      this.doing = null;
      this.message = '';
      this.details = false;
      this.goToRun(reply.info.run);
      this.announcer.say(this.trans('The branch has begun.'));
    }
    this.changed();
  }

  // -- steering -----------------------------------------------------------------------------

  /** Send a command; what is refused is said. Gives whether it was taken. */
  async steer(command: Command): Promise<boolean> {
    this.message = await this.tell(command);
    if (this.message === '') {
      this.doing = null;
      if (['take over', 'hand back', 'resume'].includes(command.type)) {
        this.taking = command.type === 'take over' ? this.busyPhase() : '';
      }
    }
    this.changed();
    return this.message === '';
  }

  /** The phase, where something has to end before a person can take over. */
  private busyPhase(): string {
    const phase = this.info?.phase ?? '';
    return ['starting', 'thinking', 'running'].includes(phase) ? phase : '';
  }

  /** Send a command; why it was refused, or the empty string. */
  async tell(command: Command): Promise<string> {
    const { run } = this;
    if (this.player !== null) {
      return this.info?.recorded
        ? this.trans('This is a recording: nothing can be changed in it.')
        : this.trans('This is the run as it was: go back to it as it is now to steer it.');
    }
    const reply = run === null ? null : await this.store.steer(run, command);
    return reply?.ok ? '' : reply?.message || this.trans('The run refused it.');
  }

  /** The cell that waits for a decision of the person, if one does. */
  get waiting(): TreeNode | undefined {
    return this.player === null ? waitingCell(this.info, this.tree) : undefined;
  }

  /** What waits for the person: a proposal, calls that want to be allowed, a call of their own. */
  get wanting(): TreeNode | undefined {
    return this.player === null ? wantingNode(this.info, this.tree) : undefined;
  }

  /** For how long the model of the run itself has been thinking, in seconds; null: it isn't. */
  get thinking(): number | null {
    const since = thinkingSince(this.info, this.tree);
    return since === null ? null : Math.max(this.now() - since, 0);
  }

  /** Show what waits for the person, and what can be done about it. */
  showWanting(): void {
    const { wanting } = this;
    if (wanting !== undefined) {
      this.tab = this.tab === 'icicle' ? 'tree' : this.tab;
      this.reveal(wanting.id);
      this.offered = wanting.id;
      this.showDetails(true);
      if (isYours(wanting) && wanting.choices.length === 0) {
        this.begin('answer', wanting.id);
      }
    }
  }

  copy(text: string): void {
    if (this.host.copy !== undefined) {
      this.host.copy(text);
    } else {
      navigator.clipboard?.writeText(text).catch(() => {
        this.message = this.trans('The browser did not let the text be copied.');
        this.changed();
      });
    }
    this.announcer.say(this.trans('Copied'));
  }

  /** A text of a node, whole, as much of it as a clipboard is good for. */
  async whole(node: TreeNode, field: TextField): Promise<string> {
    const { run } = this;
    const here = node[field] ?? '';
    const parts = [here];
    let have = length(here);
    while (run !== null && have < Math.min(node.cut[field] ?? have, COPIED)) {
      const reply = await this.store.text(run, node.id, field, have, have + COPIED);
      if (!reply.ok || reply.text === '') {
        break;
      }
      parts.push(reply.text);
      have += length(reply.text);
    }
    return parts.join('');
  }

  /** Copy a text that may still have to be fetched. */
  async copyLater(text: string | Promise<string>): Promise<void> {
    try {
      this.copy(await text);
    } catch {
      this.message = this.trans('The kernel could not be reached for the whole text. Try again.');
      this.changed();
    }
  }

  /** Whether a call or a child can still be cancelled. */
  cancellable(node: TreeNode): boolean {
    const top = node.kind === 'run' && node.parent === null;
    const kinds = node.kind === 'call' || node.kind === 'batch' || node.kind === 'run';
    return kinds && !top && live(node) && !this.over;
  }
}
