import { Component, createRef, type JSX } from 'preact';
import type { Model } from './model.js';

/** The width from which the details are beside the tree; `tree.css` says the same. */
const BESIDE = 900;
const LEAST = 15;
const MOST = 85;
/** The details' share in percent: below the tree, and beside it. */
const AT_FIRST = { below: 60, beside: 38 };
const STEP = 4;
const KEEP = 'rlm-kernel:details';

type Where = keyof typeof AT_FIRST;

/** What divides tree and details: moved by mouse or arrows, Enter puts it back; its place is kept. */
export class Splitter extends Component<
  { model: Model },
  { where: Where; shares: typeof AT_FIRST }
> {
  override state = { where: 'below' as Where, shares: kept() };
  private bar = createRef<HTMLDivElement>();
  private sizes: ResizeObserver | null = null;

  override componentDidMount(): void {
    const main = this.bar.current?.parentElement;
    if (main) {
      this.sizes = new ResizeObserver(() => {
        const where = main.clientWidth >= BESIDE ? 'beside' : 'below';
        if (where !== this.state.where) {
          this.setState({ where });
        }
      });
      this.sizes.observe(main);
    }
    this.place();
  }

  override componentDidUpdate(): void {
    this.place();
  }

  override componentWillUnmount(): void {
    this.sizes?.disconnect();
  }

  private place(): void {
    const { where, shares } = this.state;
    this.bar.current?.parentElement?.style.setProperty('--rlm-share', `${shares[where]}%`);
  }

  private set(share: number): void {
    const { where } = this.state;
    const shares = { ...this.state.shares, [where]: Math.min(Math.max(share, LEAST), MOST) };
    this.setState({ shares });
    try {
      localStorage.setItem(KEEP, JSON.stringify(shares));
    } catch {
      // A page that may keep nothing: then it is for as long as it is open.
    }
  }

  private keyDown = (event: KeyboardEvent): void => {
    const { where, shares } = this.state;
    const now = shares[where];
    const [more, less] =
      where === 'beside' ? ['ArrowLeft', 'ArrowRight'] : ['ArrowUp', 'ArrowDown'];
    const to: Record<string, number> = {
      [more as string]: now + STEP,
      [less as string]: now - STEP,
      Home: LEAST,
      End: MOST,
      Enter: AT_FIRST[where],
    };
    const share = Object.hasOwn(to, event.key) ? to[event.key] : undefined;
    if (share !== undefined) {
      event.preventDefault();
      event.stopPropagation();
      this.set(share);
    }
  };

  private move = (event: PointerEvent): void => {
    const bar = this.bar.current;
    const main = bar?.parentElement?.getBoundingClientRect();
    if (bar === null || main === undefined || !bar.hasPointerCapture(event.pointerId)) {
      return;
    }
    const rest =
      this.state.where === 'beside'
        ? (main.right - event.clientX) / main.width
        : (main.bottom - event.clientY) / main.height;
    this.set(rest * 100);
  };

  override render(): JSX.Element {
    const { where, shares } = this.state;
    return (
      <div
        class="rlm-splitter"
        role="separator"
        tabIndex={0}
        ref={this.bar}
        aria-label={this.props.model.trans('Size of the details')}
        aria-orientation={where === 'beside' ? 'vertical' : 'horizontal'}
        aria-valuemin={LEAST}
        aria-valuemax={MOST}
        aria-valuenow={Math.round(shares[where])}
        onKeyDown={this.keyDown}
        onPointerDown={(event) => {
          event.preventDefault();
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={this.move}
        onDblClick={() => this.set(AT_FIRST[where])}
      />
    );
  }
}

function kept(): typeof AT_FIRST {
  try {
    const found = JSON.parse(localStorage.getItem(KEEP) ?? '{}') as Partial<typeof AT_FIRST> | null;
    const share = (where: Where): number => {
      const value = Number(found?.[where]);
      return value >= LEAST && value <= MOST ? value : AT_FIRST[where];
    };
    return { below: share('below'), beside: share('beside') };
  } catch {
    return { ...AT_FIRST };
  }
}
