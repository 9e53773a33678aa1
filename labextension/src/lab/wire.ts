/** A kernel connection of JupyterLab as the wire of a client. */

import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { KernelMessage as Message } from '@jupyterlab/services';
import type { Sending, Wire } from '../core/client.js';
import { COMM_ID, REQUEST } from '../protocol.js';

/**
 * Requests on the control channel, pushes from our comm's messages.
 *
 * Control messages are answered while a cell runs. The pushes are taken as they come from iopub,
 * whoever's request they belong to: a comm object would have to be opened, or made anew after each
 * restart, and nothing would come in between.
 */
export class KernelWire implements Wire {
  constructor(private readonly kernel: Kernel.IKernelConnection) {}

  send(content: Record<string, unknown>): Sending {
    const message = Message.createMessage({
      // The types list Jupyter's own messages only; any type goes over this channel.
      msgType: REQUEST as 'interrupt_request',
      channel: 'control',
      session: this.kernel.clientId,
      username: this.kernel.username,
      content: content as KernelMessage.IInterruptRequestMsg['content'],
    });
    const future = this.kernel.sendControlMessage(
      message as unknown as KernelMessage.IDebugRequestMsg,
      true,
      false,
    );
    const reply = new Promise<unknown>((resolve, reject) => {
      future.onReply = (answer): void => resolve(answer.content);
      future.done.catch(reject);
    });
    return { reply, cancel: () => future.dispose() };
  }

  onPush(listener: (data: unknown) => void): () => void {
    const slot = (_: unknown, message: KernelMessage.IIOPubMessage): void => {
      if (!Message.isCommMsgMsg(message) || message.content.comm_id !== COMM_ID) return;
      listener(message.content.data);
    };
    this.kernel.iopubMessage.connect(slot);
    return () => this.kernel.iopubMessage.disconnect(slot);
  }
}
