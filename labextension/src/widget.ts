import { mountInPlace } from './mount.js';
import { Held, type Recorded } from './core/held.js';
import { UNPACKS, unpack } from './core/packed.js';
import type { Push, Reply, Request } from './protocol.js';
import { Store } from './core/store.js';
import type { Transport } from './core/transport.js';
import { mountTree } from './view/index.js';

/** What is used of an anywidget model. */
export interface WidgetModel {
  get(key: string): unknown;
  send(content: unknown): void;
  on(event: string, callback: (content: unknown) => void): void;
  off(event: string, callback: (content: unknown) => void): void;
}

const FRONT = 1;
const TIMEOUT = 30_000;
const NARROW = 520;
const KINDS = new Set(['events', 'run', 'text', 'bye']);

/** Requests and pushes over the messages of a widget, for hosts without our extension. */
export class WidgetTransport implements Transport {
  private waiting = new Map<string, (reply: Reply) => void>();
  private listeners = new Set<(push: Push) => void>();
  private count = 0;
  private readonly client = `widget-${Math.random().toString(36).slice(2, 10)}`;

  constructor(private readonly model: WidgetModel) {
    model.on('msg:custom', this.take);
  }

  request<T extends Reply>(request: Request): Promise<T> {
    const id = `${this.client}-${(this.count += 1)}`;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new Error('no reply'));
      }, TIMEOUT);
      this.waiting.set(id, (reply) => {
        clearTimeout(timer);
        this.waiting.delete(id);
        resolve(reply as T);
      });
      this.model.send({ ...request, v: FRONT, client: this.client, id });
    });
  }

  onPush(listener: (push: Push) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Hear nothing any more. */
  dispose(): void {
    this.model.off('msg:custom', this.take);
    this.listeners.clear();
  }

  private take = (content: unknown): void => {
    if (typeof content !== 'object' || content === null) {
      return;
    }
    const message = content as Record<string, unknown>;
    if (message.kind === 'reply') {
      this.waiting.get(String(message.to))?.(message as unknown as Reply);
    } else if (typeof message.kind === 'string' && KINDS.has(message.kind)) {
      for (const listener of [...this.listeners]) {
        listener(message as unknown as Push);
      }
    }
  };
}

/**
 * A recording from the widget's own data, a run's info and pages of its events, each JSON by gzip;
 * null where there is none.
 */
export function recordingOf(model: WidgetModel): Promise<Recorded> | null {
  const data = model.get('recording');
  if (!Array.isArray(data) || data.length === 0 || !UNPACKS) {
    return null;
  }
  const parts = (data as DataView[]).map(({ buffer, byteOffset, byteLength }) =>
    unpack(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength)),
  );
  return Promise.all(parts).then(([info, ...pages]) => ({
    info: info as Recorded['info'],
    events: (pages as Recorded['events'][]).flat(),
  }));
}

/** Show the tree of a widget's run in an output; gives what takes it away again. */
function show({ model, el }: { model: WidgetModel; el: HTMLElement }): () => void {
  const transport = new WidgetTransport(model);
  const recording = recordingOf(model);
  const store = new Store(recording === null ? transport : new Held(recording, transport));
  const box = el.ownerDocument.createElement('div');
  box.style.cssText = 'height:560px;min-height:160px;resize:vertical;overflow:hidden';
  box.className = 'rlm-widget';
  el.append(box);
  const tree = mountTree(box, {
    store,
    host: {
      compact: el.clientWidth > 0 && el.clientWidth < NARROW,
      showRuns: model.get('run') ? false : undefined,
    },
  });
  const run = model.get('run');
  if (typeof run === 'string' && run !== '') {
    tree.setRun(run);
  }
  store.sync().catch(() => undefined); // the view says that the kernel doesn't answer
  return () => {
    tree.dispose();
    store.dispose();
    transport.dispose();
    box.remove();
  };
}

/** What anywidget asks of a module: its default export. */
export default {
  initialize: ({ model }: { model: WidgetModel }): (() => void) =>
    mountInPlace(model, (el) => show({ model, el })),
  render: show,
};
