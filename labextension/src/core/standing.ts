import type { RunInfo } from '../protocol.js';
import type { TreeNode } from './node.js';
import { isModel } from './waiting.js';

/** How a run stands, for a person. */
export interface Standing {
  /** The words beside the question. */
  words: string;
  /** The status whose shape and colour say the same. */
  status: string;
  /** Whether nothing goes on until the person does something. */
  waits: boolean;
}

/** What the kernel says of a proposal that waits; a colon and what asks come after it. */
const ASKED = 'This cell waits for your decision';

/** Why a run stands as it does, as far as its words don't say that already. */
export function whyOf(info: RunInfo): string {
  const { reason } = info;
  if (!reason.startsWith(ASKED)) return reason;
  return reason
    .slice(ASKED.length)
    .replace(/^[:.]\s*/, '')
    .replace(/\.$/, '');
}

/**
 * Say in words how a run stands.
 *
 * @param wanting what waits for the person, as far as the tree tells.
 * @param taking the phase in which the person asked to take over, which lasts.
 */
export function standing(info: RunInfo, wanting?: TreeNode, taking = ''): Standing {
  if (info.phase === 'taken over' && !info.ended) {
    return { words: 'you write', status: 'taken over', waits: true };
  }
  if (!info.ended) {
    if (info.pending?.asks && !info.pending.decided && !info.pending.executing) {
      return { words: 'waits for you', status: 'proposed', waits: true };
    }
    if (info.asking !== null) {
      return { words: 'waits for you', status: 'asking', waits: true };
    }
    if (wanting !== undefined) {
      const words = isModel(wanting) ? 'you are the model' : 'waits for you';
      return { words, status: 'asking', waits: true };
    }
    if (taking !== '' && taking === info.phase) {
      const words =
        taking === 'running'
          ? 'you take over after this cell'
          : 'you take over after the model’s reply';
      return { words, status: 'taken over', waits: false };
    }
  }
  switch (info.phase) {
    case 'paused':
      return { words: 'paused', status: 'paused', waits: true };
    case 'asking':
      return { words: 'waits for you', status: 'asking', waits: true };
    case 'done':
    case 'failed':
    case 'stopped':
      return { words: info.phase, status: info.phase, waits: false };
    case 'partial':
      return { words: 'partial answer', status: 'partial', waits: false };
    case 'session':
      return info.in_flight > 0
        ? { words: 'running', status: 'running', waits: false }
        : { words: 'ready', status: 'open', waits: false };
    case 'starting':
      return { words: 'starting', status: 'running', waits: false };
    case 'proposed':
      return { words: 'about to run', status: 'running', waits: false };
    case 'thinking':
      return { words: 'the model thinks', status: 'running', waits: false };
    default:
      return {
        words: info.interrupting ? 'being interrupted' : 'running',
        status: 'running',
        waits: false,
      };
  }
}
