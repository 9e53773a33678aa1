import type { TreeNode } from '../core/node.js';
import type { RunInfo } from '../protocol.js';
import { isModel } from './person.js';

/** How a run stands, for a person. */
export interface Standing {
  /** The words beside the question. */
  words: string;
  /** The status whose shape and colour say the same. */
  status: string;
  /** Whether nothing goes on until the person does something. */
  waits: boolean;
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
      return { words: 'waiting for you', status: 'proposed', waits: true };
    }
    if (info.asking !== null) {
      return { words: 'waiting for you', status: 'asking', waits: true };
    }
    if (wanting !== undefined) {
      const words = isModel(wanting) ? 'waiting for you: you are the model' : 'waiting for you';
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
      return { words: 'waiting for you', status: 'asking', waits: true };
    case 'done':
    case 'failed':
    case 'stopped':
      return { words: info.phase, status: info.phase, waits: false };
    case 'partial':
      return { words: 'done, in part', status: 'partial', waits: false };
    case 'thinking':
      return { words: 'running · the model thinks', status: 'running', waits: false };
    default:
      return {
        words: info.interrupting ? 'being interrupted' : 'running',
        status: 'running',
        waits: false,
      };
  }
}
