import type { Push, Reply, Request } from '../protocol.js';

/**
 * How a front end reaches the kernel: a control channel, a comm, a widget's messages, a replay.
 *
 * It fills in `client` and `id` of a request and rejects only where no reply can come; a refusal
 * is a reply with `ok` false.
 */
export interface Transport {
  /** Ask for something; the reply to it. */
  request<T extends Reply>(request: Request): Promise<T>;
  /** Hear what the kernel pushes; the function that is given back ends it. */
  onPush(listener: (push: Push) => void): () => void;
}
