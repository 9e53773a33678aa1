/** A recording that is held here: it answers as a kernel would. */

import {
  FRONT_VERSION,
  type Logged,
  type Push,
  type Reply,
  type Request,
  type RunInfo,
} from '../protocol.js';
import type { Transport } from './transport.js';

/** What a store knows a recording by, in the place of a kernel. */
const KERNEL = 'recording';

/** A recording as a page or a widget holds it. */
export interface Recorded {
  /** What is known of the run in the end. */
  info: RunInfo;
  /** Its events. */
  events: Logged[];
}

/**
 * The one run of a recording, for a store.
 *
 * Guarantees: what is asked of the recording's run is answered from here, but for the rest of a
 * text that was cut, and for what was put into it since; it takes no commands. All else, where there
 * is a kernel, goes there.
 */
export class Held implements Transport {
  /** How far the kernel is with each run: of what has more by now the events are asked for there. */
  private readonly latest = new Map<string, number>();

  /**
   * @param recorded the recording, or what brings it.
   * @param kernel that holds it too, where there is one.
   */
  constructor(
    private readonly recorded: Recorded | Promise<Recorded>,
    private readonly kernel: Transport | null = null,
  ) {}

  async request<T extends Reply>(request: Request): Promise<T> {
    const { info, events } = await this.recorded;
    const said = { v: FRONT_VERSION, ok: true, message: '', to: '' };
    const give = (more: object): T => ({ ...said, ...more }) as unknown as T;
    if (request.type === 'sync') {
      return give({ kernel: KERNEL, version: '', notice: '', runs: [info] });
    }
    const own = request.run === info.run;
    if (own && request.type === 'events' && (this.latest.get(info.run) ?? 0) <= info.seq) {
      const since = request.since ?? 0;
      const after = since > 0 ? events.filter((one) => one.seq > since) : events;
      return give({ run: info.run, events: after, seq: info.seq, more: false });
    }
    if (own && request.type === 'watch') {
      return give({});
    }
    if (own && request.type === 'steer') {
      return give({ ok: false, message: 'This is a recording: nothing can be changed in it.' });
    }
    if (this.kernel !== null) {
      return this.kernel.request<T>(request);
    }
    return give({ ok: false, message: 'That takes a kernel, and this page has none.' });
  }

  onPush(listener: (push: Push) => void): () => void {
    const hear = (push: Push): void => {
      if (push.kind === 'run') this.latest.set(push.info.run, push.info.seq);
      listener(push);
    };
    return this.kernel?.onPush(hear) ?? (() => undefined);
  }
}
