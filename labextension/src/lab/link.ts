/** One notebook's connection to the runs of its kernel. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { type ISignal, Signal } from '@lumino/signaling';
import { Client, NoReply } from '../core/client.js';
import { Store } from '../core/store.js';
import { COMM_ID, type SyncReply } from '../protocol.js';
import { KernelWire } from './wire.js';

/**
 * How things are between a notebook and us: no kernel; one of another language; being asked;
 * one that doesn't know us; open; the connection is down; the kernel died.
 */
export type LinkState = 'none' | 'foreign' | 'asking' | 'without' | 'open' | 'lost' | 'dead';

/** Ms within which a kernel that knows us answers. */
const ANSWERS = 2000;
/** Ms for which the answer of a kernel that is only starting is waited for. */
const STARTS = 30_000;

/**
 * Follows the kernel of a notebook through starts, restarts, changes, reconnections and death.
 *
 * Any Python kernel may have us at any time (`%load_ext rlm`), and one that hasn't doesn't answer
 * at all: it is asked when it connects, and again when something of ours is seen of it. Nothing
 * here waits for the shell, so that a page that is loaded again sees a busy kernel's runs at once.
 */
export class Link {
  constructor(
    readonly panel: NotebookPanel,
    private readonly name: string,
  ) {
    const context = panel.sessionContext;
    context.kernelChanged.connect(this.connect, this);
    context.statusChanged.connect(this.onStatus, this);
    context.connectionStatusChanged.connect(this.onConnection, this);
    panel.disposed.connect(this.dispose, this);
    this.connect();
  }

  state: LinkState = 'none';
  /** The runs; null while no kernel of ours has answered. */
  store: Store | null = null;
  /** The requests; null with the store. */
  client: Client | null = null;
  /** An answer takes longer than 5 s. */
  slow = false;
  /** The kernel went while a run was going on, and no other run has begun since. */
  lost = false;
  isDisposed = false;

  /** Something of the above changed, or what the store knows. */
  get changed(): ISignal<this, void> {
    return this.signal;
  }

  /** The kernel client's session, as the kernel sees it in what we execute. */
  get session(): string {
    return this.kernel?.clientId ?? '';
  }

  /** Whether the kernel is one of ours by its name, though it may not have answered yet. */
  get ours(): boolean {
    return this.kernel?.name === 'rlm';
  }

  /** Whether a run is known to be over: ended, or not in a kernel that would know of it. */
  isOver(run: string): boolean {
    const { state, store } = this;
    if (state === 'dead' || (state === 'without' && !this.ours)) return true;
    if (state !== 'open' || store?.connection !== 'open') return false;
    return store.info(run)?.ended ?? true;
  }

  /** Ask the kernel whether it knows us, and for all it has. */
  probe(): void {
    const kernel = this.kernel;
    if (!kernel || this.asking || kernel.connectionStatus !== 'connected' || this.isDisposed)
      return;
    if (kernel.status === 'dead') return this.set('dead');
    if (!this.isPython(kernel)) return this.set('foreign');
    if (this.state !== 'open') this.set('asking');
    this.asking = true;
    this.askedAt = Date.now();
    const client = this.client ?? this.newClient(kernel);
    const late = setTimeout(() => {
      if (this.asking && this.kernel === kernel && this.state === 'asking') this.set('without');
    }, ANSWERS);
    client
      .request<SyncReply>({ type: 'sync' }, STARTS)
      .then(
        (reply) => this.answered(client, reply),
        (error: unknown) => this.unanswered(client, error),
      )
      .finally(() => clearTimeout(late));
  }

  /** Look once more whether a kernel that didn't know us does now. */
  notice(): void {
    if (this.state === 'open') return;
    if (this.asking) {
      // What was asked before we were loaded is never answered.
      if (Date.now() - this.askedAt < 500) return;
      this.close();
      this.connectTo(this.kernel);
    } else {
      this.probe();
    }
  }

  /** Let go of everything. */
  dispose(): void {
    if (this.isDisposed) return;
    this.isDisposed = true;
    this.close();
    Signal.clearData(this);
  }

  private get kernel(): Kernel.IKernelConnection | null {
    return this.panel.sessionContext.session?.kernel ?? null;
  }

  private isPython(kernel: Kernel.IKernelConnection): boolean {
    const specs = this.panel.sessionContext.specsManager.specs?.kernelspecs;
    const language = specs?.[kernel.name]?.language;
    return language === undefined || language.toLowerCase() === 'python';
  }

  private connect(): void {
    this.lost = false;
    this.close();
    this.connectTo(this.kernel);
  }

  private connectTo(kernel: Kernel.IKernelConnection | null): void {
    this.wire = kernel ? new KernelWire(kernel) : null;
    if (!this.wire || !kernel) return this.set('none');
    // A push of ours before an answer: `%load_ext rlm` was run just now.
    this.unhear = this.wire.onPush(() => {
      if (this.state !== 'open') this.notice();
    });
    kernel.iopubMessage.connect(this.onOpen, this);
    if (kernel.connectionStatus === 'connected') this.probe();
    else this.set(kernel.status === 'dead' ? 'dead' : 'asking');
  }

  private onOpen(_: Kernel.IKernelConnection, message: { header: { msg_type: string } }): void {
    if (message.header.msg_type !== 'comm_open') return;
    const { content } = message as unknown as { content: { comm_id?: string } };
    if (content.comm_id === COMM_ID) this.notice();
  }

  private onStatus(_: unknown, status: Kernel.Status): void {
    if (status === 'dead') {
      this.close();
      this.set('dead');
    } else if (status === 'restarting' || status === 'autorestarting') {
      if (this.store?.runs.some((info) => !info.ended && info.phase !== 'session'))
        this.lost = true;
      this.close();
      this.restarted = true;
      this.set('asking');
    } else if (this.restarted && this.kernel?.connectionStatus === 'connected') {
      // The first word after a restart; its id is new and all its runs are gone.
      this.restarted = false;
      this.connectTo(this.kernel);
    } else if (this.state === 'without' && this.ours && status === 'idle') {
      this.notice();
    }
  }

  private onConnection(_: unknown, status: Kernel.ConnectionStatus): void {
    if (status === 'connected') {
      if (this.store) {
        this.set('open');
        this.store.sync().catch(() => this.set('lost'));
      } else if (this.wire === null) this.connectTo(this.kernel);
      else this.probe();
    } else if (this.store) {
      this.set('lost');
    }
  }

  private newClient(kernel: Kernel.IKernelConnection): Client {
    this.wire ??= new KernelWire(kernel);
    const client = new Client(this.wire, { client: this.name });
    client.onSlow((slow) => {
      this.slow = slow;
      this.signal.emit();
    });
    this.client = client;
    return client;
  }

  private answered(client: Client, reply: SyncReply): void {
    if (this.client !== client || this.isDisposed) return;
    this.asking = false;
    if (!reply.ok) return this.set('without');
    const store = new Store(client, { schedule: (flush) => void setTimeout(flush, 16) });
    this.store = store;
    store.subscribe(() => {
      if (store.connection === 'gone' && this.store === store) {
        this.close();
        this.set('without');
        // Unloaded: it may be loaded again.
        this.connectTo(this.kernel);
      } else {
        if (store.runs.length > 0 && store.connection === 'open') this.lost = false;
        this.signal.emit();
      }
    });
    this.set('open');
    store.sync().catch(() => this.set('lost'));
  }

  private unanswered(client: Client, error: unknown): void {
    if (this.client !== client || this.isDisposed) return;
    this.asking = false;
    client.dispose();
    this.client = null;
    if (error instanceof NoReply || this.state === 'asking') this.set('without');
  }

  private close(): void {
    this.asking = false;
    this.slow = false;
    this.unhear?.();
    this.unhear = null;
    this.kernel?.iopubMessage.disconnect(this.onOpen, this);
    this.store?.dispose();
    this.store = null;
    this.client?.dispose();
    this.client = null;
    this.wire = null;
  }

  private set(state: LinkState): void {
    if (this.isDisposed) return;
    this.state = state;
    this.signal.emit();
  }

  private asking = false;
  private askedAt = 0;
  private restarted = false;
  private wire: KernelWire | null = null;
  private unhear: (() => void) | null = null;
  private readonly signal = new Signal<this, void>(this);
}
