/** What a view plays: the run that it shows, as it was, and what it follows of that. */

import { Player } from '../core/player.js';
import type { Model } from './model.js';

/**
 * Plays the run of a view.
 *
 * Guarantees: the events are fetched once, and again only where a recording was changed, which is
 * then shown at the same moment; what a moment is about is given out to be selected, but not what
 * the person has selected something else since they last played or stepped.
 */
export class Playing {
  /** Shows the run as it was; null: it is shown as it is. */
  player: Player | null = null;
  /** Whether the person wants what a moment is about selected. */
  follow = true;

  /** Whether they have selected something since they played or stepped; at first they did neither. */
  private held = true;
  /** What was selected for the moment; empty: nothing. */
  private followed = '';
  private plays = false;
  private index = 0;
  private fetching: Promise<Player | null> | null = null;
  /** How far the events had come that were fetched. */
  private seq = 0;

  constructor(private readonly model: Model) {}

  /** Show the run as it was, at first at its end; gives what plays it, null where that fails. */
  open(): Promise<Player | null> {
    const { run } = this.model;
    if (this.player !== null || run === null) return Promise.resolve(this.player);
    this.fetching ??= this.fetch(run);
    return this.fetching;
  }

  /** Show it as it is now: nothing of what was played is left. */
  leave(): void {
    this.player?.dispose();
    this.player = null;
    this.fetching = null;
    this.seq = 0;
    this.held = true;
    this.followed = '';
  }

  /** Fetch a recording again that was changed after it was fetched, as by a note. */
  renew(): void {
    const { run, store } = this.model;
    const info = run === null ? undefined : store.info(run);
    const old = this.player;
    if (old === null || !info?.recorded || info.seq <= this.seq || this.fetching !== null) return;
    this.seq = info.seq; // whatever comes of it, it isn't asked for twice
    this.fetching = this.fetch(info.run, old);
  }

  /** Go to a moment, and show a node of it; from there on it is followed. */
  goTo(go: (player: Player) => void, node: string, focus = true): void {
    const { player, model } = this;
    if (player === null) return;
    player.pause();
    go(player);
    model.reveal(node, focus);
    this.held = false;
    this.followed = player.about;
  }

  /** Have what the moment is about selected from now on, or nothing. */
  setFollow(on: boolean): void {
    this.follow = on;
    this.held = false;
    this.followed = '';
    this.model.changed();
  }

  /** The person selected something: that stays until they play or step. */
  hold(): void {
    this.held = true;
    this.followed = '';
  }

  /** What is selected for the moment; empty: nothing. */
  get follows(): string {
    return this.held ? '' : this.followed;
  }

  /** What is to be selected for the moment and isn't yet; empty: nothing. */
  get due(): string {
    const about = this.player?.about ?? '';
    return this.follow && !this.held && about !== this.followed ? about : '';
  }

  /** It was selected for the moment. */
  took(node: string): void {
    this.held = false;
    this.followed = node;
  }

  /** What was selected for the moment isn't any more. */
  forget(): void {
    this.followed = '';
  }

  private async fetch(run: string, old: Player | null = null): Promise<Player | null> {
    const { model } = this;
    try {
      const events = await model.store.events(run);
      const info = model.store.info(run);
      if (model.run !== run || this.player !== old || info === undefined || events.length === 0) {
        return null;
      }
      const player = (this.player = new Player({ info, events }));
      this.seq = Math.max(this.seq, events[events.length - 1]?.seq ?? 0);
      if (old !== null) player.takeFrom(old);
      this.plays = player.playing;
      this.index = player.index;
      player.onChange(() => this.moved(player));
      model.played(old === null);
      return player;
    } catch (error) {
      const said = error instanceof Error ? error.message : '';
      model.message = said || model.trans('The kernel could not be reached for the events.');
      return null;
    } finally {
      if (model.run === run) this.fetching = null;
      model.changed();
    }
  }

  /** The player has moved, has begun to play or has stopped. */
  private moved(player: Player): void {
    const begun = player.playing && !this.plays;
    const stepped = !player.playing && player.index !== this.index;
    this.plays = player.playing;
    this.index = player.index;
    if (begun || stepped) this.held = false;
    this.model.moved(begun || stepped);
  }
}
