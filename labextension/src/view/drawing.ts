/** When a view is drawn: what a person does at once, what comes from the kernel as there is time. */

/** How often what comes from the kernel is drawn, in ms. */
const EVERY = 60;

/** Calls one function, at most once a frame. */
export class Drawing {
  /** What draws. */
  by: () => void = () => undefined;

  private frame = 0;
  private urgent = false;
  private drawn = { at: 0, took: 0 };

  /** Draw with the next frame. */
  now(): void {
    this.urgent = true;
    this.soon();
  }

  /** Draw soon, and leave the page as much time as drawing takes. */
  soon(): void {
    if (this.frame === 0) {
      this.frame = requestAnimationFrame(this.draw);
    }
  }

  /** Draw no more. */
  dispose(): void {
    cancelAnimationFrame(this.frame);
  }

  private draw = (at: number): void => {
    if (!this.urgent && at - this.drawn.at < Math.max(2 * this.drawn.took, EVERY)) {
      this.frame = requestAnimationFrame(this.draw);
      return;
    }
    this.frame = 0;
    this.urgent = false;
    const began = performance.now();
    this.by();
    this.drawn = { at, took: performance.now() - began };
  };
}
