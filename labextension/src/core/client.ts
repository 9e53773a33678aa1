/** The kernel, as something that can be asked: ids, time limits, one repetition, pushes. */

import { FRONT_VERSION, type Push, type Reply, type Request } from '../protocol.js';
import type { Transport } from './transport.js';

/** What is under way to the kernel. */
export interface Sending {
  /** The content of the reply; rejects where the connection is gone. */
  reply: Promise<unknown>;
  /** Stop waiting; a reply that comes later is dropped. */
  cancel(): void;
}

/** The little that is needed of a connection to a kernel. */
export interface Wire {
  send(content: Record<string, unknown>): Sending;
  /** Hear what the kernel pushes on our comm; gives what ends it. */
  onPush(listener: (data: unknown) => void): () => void;
}

/** Times in ms. */
export interface ClientOptions {
  /** Names this page in leases and decisions; kept for its life. */
  client: string;
  /** After this a request is sent once more: done once all the same, as its id is the same. */
  repeat?: number;
  /** After this it is given up. */
  timeout?: number;
  /** After this `onSlow` listeners hear that the kernel takes its time. */
  slow?: number;
}

/** No reply: the kernel doesn't know us, or can't answer. */
export class NoReply extends Error {}

const KINDS = new Set(['events', 'run', 'text', 'bye']);

/** Ids are new in the whole page: two notebooks may have one kernel, and a client may be followed by another. */
let count = 0;

/** Requests and pushes over one connection to one kernel. */
export class Client implements Transport {
  constructor(
    private readonly wire: Wire,
    options: ClientOptions,
  ) {
    this.client = options.client;
    this.repeat = options.repeat ?? 4000;
    this.timeout = options.timeout ?? 20_000;
    this.slow = options.slow ?? 5000;
    this.stop = wire.onPush((data) => this.pushed(data));
  }

  /** The name of this page. */
  readonly client: string;

  /** Ask once and wait.
   *
   * @param request what is asked; `client` and `id` are added.
   * @param timeout ms after which `NoReply` is thrown; the request isn't repeated then.
   */
  async request<T extends Reply>(request: Request, timeout?: number): Promise<T> {
    const content = {
      ...request,
      v: FRONT_VERSION,
      client: this.client,
      id: `${this.client}-${(count += 1)}`,
    };
    const under: Sending[] = [];
    let giveUp: (error: Error) => void = () => undefined;
    const timers: ReturnType<typeof setTimeout>[] = [];
    try {
      return await new Promise<T>((resolve, reject) => {
        const ask = (): void => {
          try {
            const sending = this.wire.send(content);
            under.push(sending);
            sending.reply.then((reply) => resolve(reply as T), reject);
          } catch (error) {
            reject(error instanceof Error ? error : new NoReply(String(error)));
          }
        };
        ask();
        if (timeout === undefined) {
          timers.push(setTimeout(ask, this.repeat));
          timers.push(setTimeout(() => this.setSlow(true), this.slow));
        }
        timers.push(setTimeout(() => reject(new NoReply('no answer')), timeout ?? this.timeout));
        giveUp = reject;
        this.waiting.add(reject);
      });
    } finally {
      timers.forEach(clearTimeout);
      under.forEach((sending) => sending.cancel());
      this.waiting.delete(giveUp);
      // A probe that nobody answers says nothing about the speed of the connection.
      if (timeout === undefined && this.isSlow && this.waiting.size === 0) this.setSlow(false);
    }
  }

  /** Hear what the kernel pushes. */
  onPush(listener: (push: Push) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Hear when answers take long, and when they don't any more. */
  onSlow(listener: (slow: boolean) => void): () => void {
    this.slowListeners.add(listener);
    return () => this.slowListeners.delete(listener);
  }

  /** Whether a request has waited for longer than `slow`. */
  isSlow = false;

  /** Let go of the connection; what waits is rejected. */
  dispose(): void {
    this.stop();
    this.listeners.clear();
    this.slowListeners.clear();
    this.waiting.forEach((reject) => reject(new NoReply('the connection was closed')));
    this.waiting.clear();
  }

  private pushed(data: unknown): void {
    if (typeof data !== 'object' || data === null) return;
    const kind = (data as { kind?: unknown }).kind;
    if (typeof kind !== 'string' || !KINDS.has(kind)) return;
    this.listeners.forEach((listener) => listener(data as Push));
  }

  private setSlow(slow: boolean): void {
    if (slow === this.isSlow) return;
    this.isSlow = slow;
    this.slowListeners.forEach((listener) => listener(slow));
  }

  private readonly repeat: number;
  private readonly timeout: number;
  private readonly slow: number;
  private readonly stop: () => void;
  private readonly listeners = new Set<(push: Push) => void>();
  private readonly slowListeners = new Set<(slow: boolean) => void>();
  private readonly waiting = new Set<(error: Error) => void>();
}
