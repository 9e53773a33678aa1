/** A kernel connection of JupyterLab as the wire of a client. */

import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { KernelMessage as Message } from '@jupyterlab/services';
import type { Sending, Wire } from '../core/client.js';
import { COMM_ID, REQUEST } from '../protocol.js';

/** Ms after which a second way to a busy kernel is taken. */
const DETOUR = 250;
/** Ms for which that is kept; the first is free again long before. */
const KEPT = 10_000;

/**
 * Requests on the control channel, pushes from our comm's messages.
 *
 * Control messages are answered while a cell runs. The pushes are taken as they come from iopub,
 * whoever's request they belong to: a comm object would have to be opened, or made anew after each
 * restart, and nothing would come in between.
 *
 * After a reload JupyterLab's own connection keeps everything back that is sent after the first
 * message to wait for the kernel's info, which a busy shell doesn't give, for 3 s. A request that
 * isn't answered at once therefore goes over a second connection as well, with the same id: the
 * kernel does it once.
 */
export class KernelWire implements Wire {
  constructor(private readonly kernel: Kernel.IKernelConnection) {}

  send(content: Record<string, unknown>): Sending {
    const first = sendOver(this.kernel, content);
    let second: Sending | null = null;
    let over = false;
    const reply = new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        const detour = over ? null : this.detour();
        void detour?.then((kernel) => {
          if (over || kernel.isDisposed) return;
          second = sendOver(kernel, content);
          second.reply.then(resolve, () => undefined);
        });
      }, DETOUR);
      first.reply.then(resolve, reject).finally(() => clearTimeout(timer));
    });
    return {
      reply,
      cancel: () => {
        over = true;
        first.cancel();
        second?.cancel();
      },
    };
  }

  onPush(listener: (data: unknown) => void): () => void {
    const slot = (_: unknown, message: KernelMessage.IIOPubMessage): void => {
      if (!Message.isCommMsgMsg(message) || message.content.comm_id !== COMM_ID) return;
      listener(message.content.data);
    };
    this.kernel.iopubMessage.connect(slot);
    return () => this.kernel.iopubMessage.disconnect(slot);
  }

  /** A connection of our own, for some seconds; null where the first one can't be held up. */
  private detour(): Promise<Kernel.IKernelConnection> | null {
    const { kernel } = this;
    const held = kernel.status === 'busy' || kernel.status === 'unknown';
    if (kernel.isDisposed || !held) return null;
    this.second ??= new Promise((resolve) => {
      const clone = kernel.clone({ handleComms: false });
      setTimeout(() => {
        this.second = null;
        clone.dispose();
      }, KEPT);
      const ready = (): void => {
        if (clone.connectionStatus === 'connected') resolve(clone);
      };
      clone.connectionStatusChanged.connect(ready);
      ready();
    });
    return this.second;
  }

  private second: Promise<Kernel.IKernelConnection> | null = null;
}

function sendOver(kernel: Kernel.IKernelConnection, content: Record<string, unknown>): Sending {
  const message = Message.createMessage({
    // The types list Jupyter's own messages only; any type goes over this channel.
    msgType: REQUEST as 'interrupt_request',
    channel: 'control',
    session: kernel.clientId,
    username: kernel.username,
    content: content as KernelMessage.IInterruptRequestMsg['content'],
  });
  const future = kernel.sendControlMessage(
    message as unknown as KernelMessage.IDebugRequestMsg,
    true,
    false,
  );
  const reply = new Promise<unknown>((resolve, reject) => {
    future.onReply = (answer): void => resolve(answer.content);
    future.done.catch(reject);
  });
  // Nobody may be listening any more when the connection goes.
  reply.catch(() => undefined);
  return { reply, cancel: () => future.dispose() };
}
