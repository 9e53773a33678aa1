/** Keeps the keyboard's focus in the view when the control that has it goes. */

/** Where the focus goes for a control that was in one of these; the first that fits counts. */
const NEAR: readonly (readonly [within: string, to: string])[] = [
  ['.rlm-filter', '.rlm-search-input'],
  ['.rlm-cellbar', 'select'],
  ['.rlm-short', 'input, .rlm-raise'],
  ['.rlm-section', '[tabindex="0"]'],
];

/** What has the keyboard in each of the linked views. */
const VIEW = '.rlm-grid [role="row"][tabindex="0"], .rlm-view [tabindex="0"]';
const TAB = '[role="tab"][aria-selected="true"]';

/**
 * A control that a person presses may go with the press: a form that was sent, the buttons of a
 * decision, a view that another takes the place of. A browser then gives the keyboard to the page,
 * where no key means anything here. This puts it on what is there instead: something near, the
 * tab of a view that was changed, or the current row.
 */
export class FocusKeeper {
  /** The element that has the focus, or had it when it went, and what it is in. */
  private last: HTMLElement | null = null;
  private above: HTMLElement[] = [];
  private carriedTo: Element | null = null;
  private readonly changes: MutationObserver;

  constructor(private readonly root: HTMLElement) {
    this.changes = new MutationObserver(this.look);
    this.changes.observe(root, {
      childList: true,
      subtree: true,
      attributes: true,
      attributeFilter: ['disabled', 'hidden'],
    });
    root.addEventListener('focusin', this.came);
    root.addEventListener('focusout', this.went);
    root.addEventListener('keydown', this.acted, true);
    root.addEventListener('pointerdown', this.acted, true);
  }

  dispose(): void {
    this.changes.disconnect();
    this.root.removeEventListener('focusin', this.came);
    this.root.removeEventListener('focusout', this.went);
    this.root.removeEventListener('keydown', this.acted, true);
    this.root.removeEventListener('pointerdown', this.acted, true);
  }

  /**
   * Whether the focus is where it was put for want of its control, and the person has done nothing
   * since: then it is no choice of theirs.
   */
  get carried(): boolean {
    return this.carriedTo !== null && this.carriedTo === this.active;
  }

  /** Put the focus on the current row, or on what a view has instead. */
  rest(): void {
    const to =
      this.root.querySelector<HTMLElement>(VIEW) ?? this.root.querySelector<HTMLElement>(TAB);
    to?.focus({ preventScroll: true });
  }

  /** The same, for want of a control. */
  carry(): void {
    this.rest();
    this.carriedTo = this.active;
  }

  private get active(): Element | null {
    return (this.root.getRootNode() as Document | ShadowRoot).activeElement;
  }

  private came = (event: FocusEvent): void => {
    this.last = event.target as HTMLElement;
    this.above = [];
    for (let up = this.last.parentElement; up !== null && up !== this.root;) {
      this.above.push(up);
      up = up.parentElement;
    }
  };

  /** Some browsers say so as well when the element is taken out, and then it isn't there any more. */
  private went = (event: FocusEvent): void => {
    const target = event.target as HTMLElement;
    queueMicrotask(() => {
      if (target === this.last && usable(target) && this.active !== target) {
        this.last = null; // the person left
      }
    });
  };

  private acted = (): void => {
    this.carriedTo = null;
  };

  private look = (): void => {
    const { last, active } = this;
    if (last === null || usable(last)) {
      return;
    }
    this.last = null;
    if (active !== null && active !== last && active !== document.body) {
      return;
    }
    const left = this.above.filter((one) => one.isConnected);
    for (const [within, to] of NEAR) {
      const near = left[0]?.closest(within)?.querySelector<HTMLElement>(to);
      if (near) {
        near.focus();
        return;
      }
    }
    const view = this.above.find((one) => one.matches('.rlm-view'));
    const changed = view !== undefined && left[0] === view;
    if (changed) {
      this.root.querySelector<HTMLElement>(TAB)?.focus();
    } else {
      this.carry();
    }
  };
}

function usable(element: HTMLElement): boolean {
  return element.isConnected && !element.matches(':disabled') && !element.hidden;
}
