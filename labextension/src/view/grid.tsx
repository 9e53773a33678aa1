import { Component, createRef, type JSX } from 'preact';
import { type Axis, cutMarks, ticks, tickText } from '../core/axis.js';
import { durationText } from '../core/format.js';
import type { Row } from '../core/rows.js';
import { gridKey } from './keys.js';
import type { Model } from './model.js';
import { ROW_HEIGHT, RowView } from './row.js';

const COLUMNS = ['Node', 'Status', 'Model', 'Own tokens', '∑ tokens', 'Cost', 'Time', 'When'];
const CLASSES = ['title', 'status', 'model', 'own', 'sum', 'cost', 'time', 'bar'];
const AT_END = 4;
/** The width of a character of a mark on the time axis, and the room between two, in px. */
const MARK = { character: 6.5, room: 12 };
const MOST_MARKS = 4;
/** Rows drawn above and below what is in sight. */
const MORE = 8;

let grids = 0;

/**
 * The tree as a table of rows of one height, of which only those in sight are in the page.
 *
 * New rows at the end are followed only by those who are already there; rows that come above what
 * is in sight don't move it; the keyboard's focus stays with its row.
 */
export class Grid extends Component<{ model: Model; rows: Row[] }> {
  private scroller = createRef<HTMLDivElement>();
  private sizes: ResizeObserver | null = null;
  private height = 480;
  private top = 0;
  /** The width of the time axis in px. */
  private axisWidth = 120;
  private axisHead = createRef<HTMLSpanElement>();
  private prefix = `rlm-grid${(grids += 1)}`;
  private typed = { text: '', at: 0 };
  /** The first row in sight and how far it is scrolled out; the last row when at the end. */
  private anchor: { key: string; offset: number } | null = null;
  private atEnd = true;
  private seenRows = 0;
  /** What was selected for the moment of what is played, when it was last looked. */
  private followed = '';

  override componentDidMount(): void {
    const element = this.scroller.current;
    if (element !== null) {
      this.sizes = new ResizeObserver(this.resized);
      this.sizes.observe(element);
      if (this.axisHead.current !== null) {
        this.sizes.observe(this.axisHead.current);
      }
      this.height = element.clientHeight || this.height;
      this.axisWidth = this.axisHead.current?.clientWidth || this.axisWidth;
    }
    this.forceUpdate();
  }

  override componentWillUnmount(): void {
    this.sizes?.disconnect();
  }

  override componentDidUpdate(): void {
    this.keepPlace();
    const { model } = this.props;
    if (model.playing.follows !== this.followed) {
      this.followed = model.playing.follows;
      this.showRow(this.followed);
    }
    if (model.wantsFocus && model.selected !== null) {
      const row = this.scroller.current?.querySelector<HTMLElement>('.rlm-row.rlm-selected');
      if (row !== null && row !== undefined) {
        model.wantsFocus = false;
        row.focus({ preventScroll: true });
      }
    }
  }

  /**
   * The size changed, or the view was out of the page for a while: then it is scrolled to its
   * beginning without a word.
   */
  private resized = (): void => {
    const element = this.scroller.current;
    if (element === null || element.clientHeight === 0) {
      return;
    }
    this.height = element.clientHeight;
    this.axisWidth = this.axisHead.current?.clientWidth || this.axisWidth;
    this.top = element.scrollTop;
    this.keepPlace();
    this.showRow(this.props.model.playing.follows); // details that opened with it took of its room
    this.forceUpdate();
  };

  /** The style begins an animation whenever the element comes into the page, by a move as well. */
  private cameBack = (event: AnimationEvent): void => {
    if (event.target === this.scroller.current) {
      this.resized();
    }
  };

  private scrolled = (): void => {
    this.notePlace();
    this.forceUpdate();
  };

  /** Remember what is in sight, as a person scrolled it. */
  private notePlace(): void {
    const element = this.scroller.current;
    if (element === null) {
      return;
    }
    const { rows } = this.props;
    this.top = element.scrollTop;
    const row = rows[Math.floor(this.top / ROW_HEIGHT)];
    this.anchor = row === undefined ? null : { key: row.key, offset: this.top % ROW_HEIGHT };
    this.atEnd = this.end - this.top < AT_END;
    if (this.atEnd) {
      this.seenRows = this.props.model.arrivedRows;
    }
  }

  /** How far it can be scrolled; known without asking the page for its layout. */
  private get end(): number {
    return Math.max((this.props.rows.length + 1) * ROW_HEIGHT - this.height, 0);
  }

  /** Put what was in sight back to its place after rows came or went. */
  private keepPlace(): void {
    const { model, rows } = this.props;
    if (rows.length === 0) {
      this.top = 0;
      return;
    }
    let wanted = this.top;
    // What is played from its beginning is followed, until the person scrolls away.
    this.atEnd ||= model.player !== null && this.end === 0;
    if (this.atEnd && !model.over) {
      wanted = this.end;
      this.seenRows = this.props.model.arrivedRows;
    } else if (this.anchor !== null) {
      const index = model.rows.at(this.anchor.key);
      wanted = index < 0 ? wanted : index * ROW_HEIGHT + this.anchor.offset;
    }
    wanted = Math.min(Math.max(wanted, 0), this.end); // there may be fewer rows, or more room
    if (Math.abs(wanted - this.top) > 1) {
      this.scrollTo(wanted);
    }
  }

  private scrollTo(top: number): void {
    const element = this.scroller.current;
    if (element !== null) {
      element.scrollTop = top;
      this.top = Math.min(Math.max(top, 0), this.end);
    }
  }

  private showRow(key: string): void {
    const index = this.props.model.rows.at(key);
    if (index < 0) {
      return;
    }
    const top = index * ROW_HEIGHT;
    const room = this.height - 2 * ROW_HEIGHT;
    if (top < this.top) {
      this.scrollTo(top);
    } else if (top > this.top + room) {
      this.scrollTo(top - room);
    }
    this.notePlace();
  }

  private pick = (row: Row, event: MouseEvent): void => {
    const { model } = this.props;
    model.select(row.key, true);
    if (event.detail < 2 && !model.details && row.node !== null) {
      model.details = model.details || !model.host.compact;
    }
  };

  private toggle = (row: Row): void => this.props.model.toggle(row);

  private focusOn = (row: Row): void => {
    if (row.node !== null && row.expandable) {
      this.props.model.focusOn(row.key);
    }
  };

  private keyDown = (event: KeyboardEvent): void => {
    const { model } = this.props;
    const page = Math.max(1, Math.floor(this.height / ROW_HEIGHT) - 2);
    const moved = gridKey(model, event, page, this.typed);
    if (moved) {
      event.preventDefault();
      event.stopPropagation();
      if (model.selected !== null) {
        this.showRow(model.selected);
      }
    }
  };

  private toEnd = (): void => {
    const { model, rows } = this.props;
    this.atEnd = true;
    const last = rows[rows.length - 1];
    if (last !== undefined) {
      model.select(last.key, true);
    }
  };

  override render(): JSX.Element {
    const { model, rows } = this.props;
    const { tree } = model;
    const axis = model.axis();
    const chosen = model.selected === null ? -1 : model.rows.at(model.selected);
    const tabbable = chosen >= 0 ? chosen : 0;
    // rows of one height: what is in sight is a division
    const from = Math.max(Math.floor(this.top / ROW_HEIGHT) - MORE, 0);
    const to = Math.min(from + Math.ceil(this.height / ROW_HEIGHT) + 2 * MORE, rows.length);
    const shown: number[] = [];
    if (tabbable < from && rows.length > 0) {
      shown.push(tabbable); // the row with the keyboard's focus stays in the page
    }
    for (let index = from; index < to; index += 1) {
      shown.push(index);
    }
    if (tabbable >= to && tabbable < rows.length) {
      shown.push(tabbable);
    }
    const fresh = this.atEnd || model.player !== null ? 0 : model.arrivedRows - this.seenRows;
    const t = model.trans;
    const marks = axis === null ? [] : marksFor(axis, this.axisWidth);
    const step = marks.length > 0 && axis !== null ? (marks[0] as number) / axis.seconds : 1;
    return (
      <div class="rlm-grid-box">
        <div
          class="rlm-grid"
          role="treegrid"
          aria-label={t('Recursion tree')}
          aria-rowcount={rows.length + 1}
          aria-colcount={COLUMNS.length}
          aria-readonly="true"
          ref={this.scroller}
          onKeyDown={this.keyDown}
          onScroll={this.scrolled}
          onAnimationStart={this.cameBack}
          style={{ '--rlm-step': `${step * 100}%` }}
        >
          <div role="rowgroup" class="rlm-headgroup">
            <div class="rlm-row rlm-head" role="row" aria-rowindex={1}>
              {COLUMNS.map((name, i) => (
                <span
                  role="columnheader"
                  aria-colindex={i + 1}
                  class={`rlm-${CLASSES[i]}`}
                  ref={i === 7 ? this.axisHead : undefined}
                  key={name}
                >
                  {i < 7 ? t(name) : <span class="rlm-hidden">{t(name)}</span>}
                  {i === 7 &&
                    axis !== null &&
                    marks.map((mark) => (
                      <span
                        class="rlm-tick"
                        aria-hidden="true"
                        key={mark}
                        style={{ left: `${(mark / axis.seconds) * 100}%` }}
                      >
                        {tickText(mark)}
                      </span>
                    ))}
                  {i === 7 &&
                    axis !== null &&
                    cutMarks(axis).map(({ at, took }) => (
                      <span
                        class="rlm-cut"
                        key={at}
                        title={t(
                          'Picked up again after %1; that time is left out',
                          durationText(took),
                        )}
                        style={{ left: `${at * 100}%` }}
                      />
                    ))}
                </span>
              ))}
            </div>
          </div>
          <div role="rowgroup" class="rlm-body" style={{ height: `${rows.length * ROW_HEIGHT}px` }}>
            {tree !== undefined &&
              axis !== null &&
              shown.map((index) => {
                const row = rows[index];
                return (
                  row !== undefined && (
                    <RowView
                      key={row.key}
                      id={`${this.prefix}-${row.key}`}
                      row={row}
                      tree={tree}
                      index={index}
                      top={index * ROW_HEIGHT}
                      axis={axis}
                      over={model.over}
                      selected={row.key === model.selected}
                      tabbable={index === tabbable}
                      onPick={this.pick}
                      onToggle={this.toggle}
                      onFocusOn={this.focusOn}
                    />
                  )
                );
              })}
          </div>
        </div>
        {fresh > 0 && (
          <button class="rlm-pill" onClick={this.toEnd}>
            ▼ {t('%1 new', fresh)}
          </button>
        )}
      </div>
    );
  }
}

/** The marks that an axis of a width has room for. */
function marksFor(axis: Axis, width: number): number[] {
  for (let most = MOST_MARKS; most > 0; most -= 1) {
    const marks = ticks(axis, most);
    const widest = Math.max(...marks.map((mark) => tickText(mark).length)) * MARK.character;
    if (marks.length < 2 || ((marks[0] as number) / axis.seconds) * width >= widest + MARK.room) {
      return marks;
    }
  }
  return [];
}
