/** The least time between two messages to a screen reader, in ms. */
const EVERY = 5000;

/** Says things to a screen reader, politely: at most one every five seconds, the newest. */
export class Announcer {
  private element: HTMLElement | null = null;
  private last = -Infinity;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private waiting = '';

  /** The live region; kept by the view. */
  into = (element: HTMLElement | null): void => {
    this.element = element;
  };

  say(text: string): void {
    this.waiting = text;
    const left = this.last + EVERY - performance.now();
    if (left <= 0) {
      this.speak();
    } else {
      this.timer ??= setTimeout(() => this.speak(), left);
    }
  }

  dispose(): void {
    if (this.timer !== null) {
      clearTimeout(this.timer);
    }
  }

  private speak(): void {
    this.timer = null;
    this.last = performance.now();
    if (this.element !== null) {
      this.element.textContent = this.waiting;
    }
  }
}
