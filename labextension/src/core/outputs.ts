/** A cell's outputs made of events, for where the real ones never reached the notebook. */

import { length } from './words.js';

/** What the events tell of what a cell gave. */
export interface CellOutput {
  /** Its output as kept in the log, or its beginning. */
  text: string;
  /** How long the kept output is; `text` may be shorter. */
  chars: number;
  result: string | null;
  error: string | null;
  traceback: string;
}

/** A notebook output, as far as we make them. */
export type Output =
  | { output_type: 'stream'; name: 'stdout'; text: string }
  | {
      output_type: 'execute_result';
      execution_count: null;
      data: { 'text/plain': string };
      metadata: Record<string, never>;
    }
  | { output_type: 'error'; ename: string; evalue: string; traceback: string[] };

/**
 * Whether the events know more than the cell shows, and nothing real would be lost by showing it:
 * the cell has no output, or streams only that are a part of the beginning of what the log has.
 */
export function patched(
  cell: { outputs: number; text: string | null },
  output: CellOutput,
): boolean {
  const nothing = output.text === '' && output.result === null && output.error === null;
  if (nothing || cell.text === null) return false;
  if (cell.outputs === 0) return true;
  const shown = cell.text;
  const chars = Math.max(output.chars, length(output.text));
  if (shown.length <= output.text.length) {
    if (!output.text.startsWith(shown)) return false;
  } else if (!shown.startsWith(output.text)) return false;
  return length(shown) < chars;
}

/** Give the outputs of a cell; `text` is its whole output. */
export function outputsOf(output: CellOutput, text: string): Output[] {
  const outputs: Output[] = [];
  if (text !== '') outputs.push({ output_type: 'stream', name: 'stdout', text });
  if (output.error !== null) {
    const [ename = 'Error', ...rest] = output.error.split(': ');
    outputs.push({
      output_type: 'error',
      ename,
      evalue: rest.join(': '),
      traceback: (output.traceback || output.error).split('\n'),
    });
  } else if (output.result !== null) {
    outputs.push({
      output_type: 'execute_result',
      execution_count: null,
      data: { 'text/plain': output.result },
      metadata: {},
    });
  }
  return outputs;
}
