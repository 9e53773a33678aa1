/**
 * The page of the measurements and of the screenshots: the real store and view over a fake kernel.
 *
 * `?show=done|waits|asks` shows a run, with `&pseudo` in a language of its own; `?show=perf` waits
 * for `rlmPerf.start(...)`, `?show=open` for `rlmPerf.open(...)`.
 */
import { fill, type Language } from '../src/core/say.js';
import { Store } from '../src/core/store.js';
import type { Event } from '../src/protocol.js';
import { mountTree } from '../src/view/index.js';
import { demoRun } from './demo.js';
import { FakeKernel, runInfo } from './replay.js';

const CALLS_PER_CELL = 95;

/** Events of a tree that grows to `nodes` nodes: turns of a cell with calls from lines of its own. */
function* growing(nodes: number): Generator<Event> {
  yield {
    type: 'run.started',
    node: 'run1',
    run_id: 'perf',
    question: 'How does the panel do with ten thousand nodes?',
    model: 'root',
    sub_model: 'sub',
  };
  let made = 1;
  let call = 0;
  for (let turn = 1; made < nodes; turn += 1) {
    const [t, c] = [`turn${turn}`, `cell${turn}`];
    yield { type: 'turn.started', node: t, parent: 'run1', number: turn, of: 999 };
    yield {
      type: 'cell.proposed',
      node: c,
      parent: t,
      number: turn,
      code: 'for part in parts:\n    llm_query(part)',
    };
    yield { type: 'cell.decided', node: c, by: 'auto' };
    yield { type: 'cell.started', node: c };
    made += 2;
    for (let i = 0; i < CALLS_PER_CELL && made < nodes; i += 1) {
      const id = `call${(call += 1)}`;
      made += 1;
      yield {
        type: 'call.started',
        node: id,
        parent: c,
        role: 'sub',
        model: 'sub',
        prompt: `Read part ${call} and say what it is about. ${'lorem ipsum '.repeat(20)}`,
        line: i + 2,
      };
      yield {
        type: 'call.ended',
        node: id,
        status: call % 50 ? 'ok' : 'error',
        text: `Part ${call} is about rain. ${'dolor sit '.repeat(20)}`,
        error: call % 50 ? '' : 'The provider said no.',
        usage: { input_tokens: 900, output_tokens: 40, calls: 1, cost: 0.0002, known_cost: 0.0002 },
      };
    }
    yield { type: 'cell.ended', node: c, output: 'done', output_chars: 4, seconds: 0.4 };
    yield { type: 'turn.ended', node: t };
  }
}

interface Measured {
  nodes: number;
  events: number;
  seconds: number;
  /** Between two frames, in ms. */
  median: number;
  p95: number;
  longest: number;
  /** The fewest frames in any second. */
  fewest: number;
  inputs: number;
  inputMedian: number;
  inputP95: number;
  inputLongest: number;
  rows: number;
}

function percentile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
}

/** A language that shows what was said in it: `?pseudo`. */
const PSEUDO: Language = {
  __: (text, ...values) => `⟦${fill(text, values)}⟧`,
  _n: (one, many, count, ...values) => `⟦${fill(count === 1 ? one : many, [count, ...values])}⟧`,
};

const params = new URLSearchParams(location.search);
const show = params.get('show') ?? 'done';
const kernel = new FakeKernel();
const element = document.getElementById('tree') as HTMLElement;

async function perf(nodes: number, perPush: number, everyMs: number): Promise<Measured> {
  const events = growing(nodes);
  const frames: number[] = [];
  const inputs: number[] = [];
  let last = performance.now();
  const began = last;
  let on = true;
  const frame = (now: number) => {
    frames.push(now - last);
    last = now;
    if (on) {
      requestAnimationFrame(frame);
    }
  };
  requestAnimationFrame(frame);
  // from the moment of the key to after the next frame is painted
  const key = (event: KeyboardEvent) => {
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => inputs.push(performance.now() - event.timeStamp);
      channel.port2.postMessage(0);
    });
  };
  document.addEventListener('keydown', key, true);
  let count = 0;
  await new Promise<void>((resolve) => {
    let due = performance.now();
    const tick = () => {
      // what a slow page missed is sent at once: the rate holds
      while (due <= performance.now()) {
        due += everyMs;
        const batch: Event[] = [];
        for (let i = 0; i < perPush; i += 1) {
          const next = events.next();
          if (next.done) {
            break;
          }
          batch.push(next.value);
        }
        if (batch.length === 0) {
          resolve();
          return;
        }
        count += batch.length;
        kernel.emit('perf', batch, Date.now() / 1000, everyMs / 1000);
      }
      setTimeout(tick, Math.max(due - performance.now(), 0));
    };
    tick();
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  on = false;
  document.removeEventListener('keydown', key, true);
  const seconds = (performance.now() - began) / 1000;
  const perSecond: number[] = [];
  let at = 0;
  for (const took of frames.slice(1)) {
    at += took;
    const second = Math.floor(at / 1000);
    perSecond[second] = (perSecond[second] ?? 0) + 1;
  }
  const whole = Array.from(
    { length: Math.max(perSecond.length - 1, 0) },
    (_, i) => perSecond[i] ?? 0,
  );
  return {
    nodes,
    events: count,
    seconds,
    median: percentile(frames, 0.5),
    p95: percentile(frames, 0.95),
    longest: Math.max(...frames.slice(1)),
    fewest: Math.min(...whole),
    inputs: inputs.length,
    inputMedian: percentile(inputs, 0.5),
    inputP95: percentile(inputs, 0.95),
    inputLongest: Math.max(0, ...inputs),
    rows: Number(element.querySelector('[role=treegrid]')?.getAttribute('aria-rowcount') ?? 0) - 1,
  };
}

/** Open a recording of so many nodes; gives the ms until its rows are painted. */
async function open(nodes: number): Promise<number> {
  const log = [...growing(nodes)].map((event, i) => ({ seq: i + 1, time: 1000 + i / 50, event }));
  const about = { ended: true, phase: 'done', recorded: true, seq: log.length };
  kernel.add({ info: runInfo('old', about), log: [], texts: new Map() });
  const packed = await new Response(
    new Blob([JSON.stringify(log)]).stream().pipeThrough(new CompressionStream('gzip')),
  ).arrayBuffer();
  let text = '';
  for (const byte of new Uint8Array(packed)) text += String.fromCharCode(byte);
  const said = btoa(text);
  kernel.packs = Infinity;
  kernel.pack = () => said;
  const began = performance.now();
  mount();
  return new Promise((resolve) => {
    const look = (): void => {
      if (element.querySelectorAll('[role=row][data-key]').length < 10) {
        requestAnimationFrame(look);
        return;
      }
      const channel = new MessageChannel();
      channel.port1.onmessage = () => resolve(performance.now() - began);
      channel.port2.postMessage(0);
    };
    look();
  });
}

declare global {
  interface Window {
    rlmPerf: {
      start: (nodes: number, perPush: number, everyMs: number) => Promise<Measured>;
      open: (nodes: number) => Promise<number>;
      kernel: FakeKernel;
      mount: () => void;
      focus: (id: string) => void;
      dispose: () => void;
    };
  }
}

/** What `mountTree` gave, so that a page can be driven from outside. */
let mounted: ReturnType<typeof mountTree> | null = null;

function mount(): void {
  const store = new Store(kernel);
  mounted = mountTree(element, {
    store,
    host: { jumpToCell: () => undefined, language: params.has('pseudo') ? PSEUDO : undefined },
  });
  void store.sync();
}

if (show === 'perf') {
  kernel.add({
    info: runInfo('perf', { question: 'perf', phase: 'running', started: Date.now() / 1000 }),
    log: [],
    texts: new Map(),
  });
} else if (show !== 'none' && show !== 'open') {
  const size = Number(params.get('size') ?? 200);
  kernel.add(demoRun(show as 'done' | 'waits' | 'asks', size, Date.now() / 1000));
}
window.rlmPerf = {
  start: perf,
  open,
  kernel,
  mount,
  focus: (id) => mounted?.focusNode(id),
  dispose: () => mounted?.dispose(),
};
if (show !== 'perf' && show !== 'open') {
  mount();
}
