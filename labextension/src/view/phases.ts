import type { RunInfo } from '../protocol.js';

/** How a run stands, for a person. */
export interface Standing {
  /** The words beside the question. */
  words: string;
  /** The status whose shape and colour say the same. */
  status: string;
  /** Whether nothing goes on until the person does something. */
  waits: boolean;
}

/** Say in words how a run stands. */
export function standing(info: RunInfo): Standing {
  if (!info.ended) {
    if (info.pending?.asks && !info.pending.decided && !info.pending.executing) {
      return { words: 'waiting for you', status: 'proposed', waits: true };
    }
    if (info.asking !== null) {
      return { words: 'waiting for you', status: 'asking', waits: true };
    }
  }
  switch (info.phase) {
    case 'paused':
      return { words: 'paused', status: 'paused', waits: true };
    case 'taken over':
      return { words: 'taken over', status: 'taken over', waits: true };
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
