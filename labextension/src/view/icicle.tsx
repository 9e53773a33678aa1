import { Component, createRef, type JSX } from 'preact';
import {
  clean,
  countText,
  durationText,
  moneyText,
  oneLine,
  plural,
  statusWord,
  timeText,
  titleText,
} from '../core/format.js';
import { type Box, icicle, type Measure } from '../core/icicle.js';
import { isTaken, type RunTree } from '../core/tree.js';
import { timeOf } from '../core/waits.js';
import { tone } from './icons.js';
import { runKey } from './keys.js';
import type { Model } from './model.js';
import { nameOf } from './person.js';

const BAND = 22;
const MOST_IN_TABLE = 200;
const MEASURES: readonly (readonly [Measure, string])[] = [
  ['time', 'time spent'],
  ['cost', 'cost'],
  ['tokens', 'tokens'],
];

interface State {
  measure: Measure;
  table: boolean;
  width: number;
  over: Box | null;
}

/** Where time, money or tokens went: each box as wide as its share, what it holds below it. */
export class Icicle extends Component<{ model: Model; tree: RunTree }, State> {
  override state: State = { measure: 'time', table: false, width: 600, over: null };
  private canvas = createRef<HTMLCanvasElement>();
  private box = createRef<HTMLDivElement>();
  private sizes: ResizeObserver | null = null;
  private laid: { boxes: Box[]; depth: number; total: number } = { boxes: [], depth: 0, total: 0 };

  override componentDidMount(): void {
    const element = this.box.current;
    if (element !== null) {
      this.sizes = new ResizeObserver(() => {
        const width = Math.floor(element.clientWidth);
        if (width > 0 && width !== this.state.width) {
          this.setState({ width });
        }
      });
      this.sizes.observe(element);
    }
    this.draw();
  }

  override componentDidUpdate(): void {
    this.draw();
    const { model } = this.props;
    if (model.wantsFocus && model.tab === 'icicle') {
      model.wantsFocus = false;
      this.canvas.current?.focus({ preventScroll: true });
    }
  }

  override componentWillUnmount(): void {
    this.sizes?.disconnect();
  }

  private value(value: number): string {
    switch (this.state.measure) {
      case 'time':
        return durationText(value);
      case 'cost':
        return moneyText(value);
      case 'tokens':
        return this.props.model.trans('%1 tokens', countText(value));
    }
  }

  /** What a box stands for; time with that in which the person was waited for beside it. */
  private worth(box: Box): string {
    const { model } = this.props;
    const waiting =
      this.state.measure === 'time' && box.count === 1
        ? (timeOf(box.node, model.now())?.waiting ?? 0)
        : 0;
    return waiting > 0 ? timeText({ work: box.value, waiting }) : this.value(box.value);
  }

  private says(box: Box): string {
    const { node } = box;
    const name = [clean(nameOf(node)), oneLine(titleText(node), 80)].filter(Boolean).join(': ');
    const share = `${((box.value / this.laid.total) * 100).toFixed(1)} %`;
    const what =
      box.count > 1
        ? plural(box.count, 'small node')
        : `${name} · ${this.props.model.trans(statusWord(node, this.props.model.over, isTaken(this.props.tree)))}`;
    return `${what} · ${this.worth(box)} · ${share}`;
  }

  private draw(): void {
    const canvas = this.canvas.current;
    const context = canvas?.getContext('2d');
    if (!canvas || !context) {
      return;
    }
    const { model } = this.props;
    const { width } = this.state;
    const height = Math.max(this.laid.depth, 1) * BAND;
    const scale = window.devicePixelRatio || 1;
    if (
      canvas.width !== Math.round(width * scale) ||
      canvas.height !== Math.round(height * scale)
    ) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(canvas);
    const colour = (name: string) =>
      style.getPropertyValue(`--rlm-i-${name}`).trim() || style.color;
    const text = style.color;
    context.font = `11px ${style.fontFamily}`;
    context.textBaseline = 'middle';
    const taken = isTaken(this.props.tree);
    for (const box of this.laid.boxes) {
      const left = box.left * width;
      const wide = Math.max((box.right - box.left) * width - 1, 0.5);
      const top = box.depth * BAND;
      context.fillStyle = colour(tone(statusWord(box.node, model.over, taken)));
      context.globalAlpha = box.node.kind === 'call' ? 1 : 0.55;
      context.fillRect(left, top, wide, BAND - 1);
      context.globalAlpha = 1;
      if (box.node.id === model.selected || box === this.state.over) {
        context.strokeStyle = box.node.id === model.selected ? colour('focus') : text;
        context.lineWidth = box.node.id === model.selected ? 2 : 1;
        context.strokeRect(left + 1, top + 1, Math.max(wide - 2, 1), BAND - 3);
      }
      if (wide > 36) {
        context.fillStyle = text;
        context.save();
        context.beginPath();
        context.rect(left, top, wide - 4, BAND);
        context.clip();
        const { node } = box;
        context.fillText(
          box.count > 1
            ? `× ${box.count}`
            : [clean(nameOf(node)), oneLine(titleText(node), 60)].filter(Boolean).join('  '),
          left + 5,
          top + BAND / 2,
        );
        context.restore();
      }
    }
  }

  private at(event: MouseEvent): Box | null {
    const bounds = this.canvas.current?.getBoundingClientRect();
    if (bounds === undefined) {
      return null;
    }
    const x = (event.clientX - bounds.left) / bounds.width;
    const depth = Math.floor((event.clientY - bounds.top) / BAND);
    return (
      this.laid.boxes.find((box) => box.depth === depth && box.left <= x && x < box.right) ?? null
    );
  }

  private keyDown = (event: KeyboardEvent): void => {
    const { model } = this.props;
    const { boxes } = this.laid;
    const now = boxes.find((box) => box.node.id === model.selected) ?? boxes[0];
    if (now === undefined || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const row = boxes.filter((box) => box.depth === now.depth).sort((a, b) => a.left - b.left);
    const at = row.indexOf(now);
    const inside = (box: Box) => box.left >= now.left - 1e-9 && box.right <= now.right + 1e-9;
    let to: Box | undefined;
    switch (event.key) {
      case 'ArrowRight':
        to = row[at + 1];
        break;
      case 'ArrowLeft':
        to = row[at - 1];
        break;
      case 'ArrowDown':
        to = boxes.find((box) => box.depth === now.depth + 1 && inside(box));
        break;
      case 'ArrowUp':
        to = boxes.find(
          (box) =>
            box.depth === now.depth - 1 &&
            box.left <= now.left + 1e-9 &&
            box.right >= now.right - 1e-9,
        );
        break;
      case 'Home':
        to = row[0];
        break;
      case 'End':
        to = row[row.length - 1];
        break;
      case 'Enter':
        model.focusOn(model.focus === now.node.id ? null : now.node.id);
        event.preventDefault();
        return;
      default:
        if (runKey(model, event)) {
          event.preventDefault();
        }
        return;
    }
    event.preventDefault();
    if (to !== undefined) {
      model.select(to.node.id, true);
      model.announcer.say(this.says(to));
    }
  };

  override render(): JSX.Element {
    const { model, tree } = this.props;
    const { measure, table, width, over } = this.state;
    const t = model.trans;
    const top = model.focus === null ? undefined : tree.get(model.focus);
    const kept = model.matches?.kept ?? null;
    this.laid = icicle(tree, measure, top, 1.5 / width, model.now(), kept);
    const chosen = this.laid.boxes.find((box) => box.node.id === model.selected);
    const told = over ?? chosen;
    return (
      <div class="rlm-icicle">
        <div class="rlm-cellbar">
          <span class="rlm-segments" role="group" aria-label={t('What the width means')}>
            {MEASURES.map(([one, words]) => (
              <button
                key={one}
                aria-pressed={measure === one}
                onClick={() => this.setState({ measure: one })}
              >
                {t(words)}
              </button>
            ))}
          </span>
          <button
            class="rlm-quiet-button"
            aria-pressed={table}
            onClick={() => this.setState({ table: !table })}
          >
            {t('as a table')}
          </button>
          <span class="rlm-said">
            {this.laid.total > 0 ? `∑ ${this.value(this.laid.total)}` : ''}
          </span>
        </div>
        <div class="rlm-icicle-box" ref={this.box}>
          {this.laid.total <= 0 ? (
            <p class="rlm-hint">
              {kept !== null
                ? t('Nothing matches the filter.')
                : measure === 'cost'
                  ? t('Nothing is known to have cost anything.')
                  : t('Nothing was used yet.')}
            </p>
          ) : table ? (
            <Table
              boxes={this.laid.boxes}
              total={this.laid.total}
              value={(one) => this.value(one)}
              model={model}
            />
          ) : (
            <canvas
              ref={this.canvas}
              tabIndex={0}
              role="application"
              aria-roledescription={t('icicle')}
              aria-label={`${t('Icicle; arrows move, Enter shows only a part')}. ${chosen ? this.says(chosen) : ''}`}
              style={{ width: `${width}px`, height: `${Math.max(this.laid.depth, 1) * BAND}px` }}
              onKeyDown={this.keyDown}
              onMouseMove={(event) => {
                const found = this.at(event);
                if (found?.node !== this.state.over?.node) {
                  this.setState({ over: found });
                }
              }}
              onMouseLeave={() => this.setState({ over: null })}
              onClick={(event) => {
                const found = this.at(event);
                if (found !== null) {
                  model.select(found.node.id, true);
                }
              }}
              onDblClick={(event) => {
                const found = this.at(event);
                if (found !== null) {
                  model.focusOn(model.focus === found.node.id ? null : found.node.id);
                }
              }}
            />
          )}
        </div>
        <p class="rlm-icicle-told">{told === undefined ? ' ' : this.says(told)}</p>
      </div>
    );
  }
}

function Table(props: {
  boxes: Box[];
  total: number;
  value: (value: number) => string;
  model: Model;
}): JSX.Element {
  const { boxes, total, value, model } = props;
  const t = model.trans;
  const largest = boxes
    .filter((box) => box.count === 1)
    .sort((a, b) => b.value - a.value)
    .slice(0, MOST_IN_TABLE);
  return (
    <table class="rlm-table">
      <caption class="rlm-hidden">{t('The largest nodes')}</caption>
      <thead>
        <tr>
          <th scope="col">{t('Node')}</th>
          <th scope="col">{t('Level')}</th>
          <th scope="col">{t('Value')}</th>
          <th scope="col">{t('Share')}</th>
        </tr>
      </thead>
      <tbody>
        {largest.map(({ node, depth, value: worth }) => (
          <tr key={node.id} aria-selected={node.id === model.selected}>
            <td>
              <button class="rlm-link" onClick={() => model.reveal(node.id, false)}>
                {[clean(nameOf(node)), oneLine(titleText(node), 80)].filter(Boolean).join(' · ')}
              </button>
            </td>
            <td>{depth + 1}</td>
            <td>{value(worth)}</td>
            <td>{((worth / total) * 100).toFixed(1)} %</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
