/** Where a solve is shown, frame by frame, and what keys do. */

/** Milliseconds of a frame: the solve took some twenty in all. */
export const BEAT = 200;

/** Calls again and again until what it gives back is called. */
export type Beat = (call: () => void, ms: number) => () => void;

const clock: Beat = (call, ms) => {
  const timer = setInterval(call, ms);
  return () => clearInterval(timer);
};

/** Plays frames. */
export class Play {
  at: number;
  private stop: (() => void) | null = null;

  constructor(
    readonly last: number,
    private readonly onChange: () => void,
    private readonly beat: Beat = clock,
  ) {
    this.at = last;
  }

  get playing(): boolean {
    return this.stop !== null;
  }

  /** Play on; from the beginning where it is at the end. */
  play(): void {
    if (this.playing || this.last === 0) return;
    if (this.at >= this.last) this.at = 0;
    this.stop = this.beat(() => {
      this.at += 1;
      if (this.at >= this.last) this.halt();
      this.onChange();
    }, BEAT);
    this.onChange();
  }

  pause(): void {
    this.halt();
    this.onChange();
  }

  toggle(): void {
    if (this.playing) this.pause();
    else this.play();
  }

  /** Show a frame, and stay there. */
  seek(at: number): void {
    this.halt();
    this.at = Math.max(0, Math.min(Math.round(at), this.last));
    this.onChange();
  }

  /** Do what a key means; false where it means nothing here. */
  key(key: string): boolean {
    const places: Record<string, number> = {
      ArrowLeft: this.at - 1,
      ArrowDown: this.at - 1,
      ArrowRight: this.at + 1,
      ArrowUp: this.at + 1,
      Home: 0,
      End: this.last,
    };
    const place = places[key];
    if (place !== undefined) this.seek(place);
    else if (key === ' ') this.toggle();
    else return false;
    return true;
  }

  dispose(): void {
    this.halt();
  }

  private halt(): void {
    this.stop?.();
    this.stop = null;
  }
}
