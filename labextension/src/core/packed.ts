/** What comes packed: JSON by gzip. */

/** Bytes that something unpacked may have: a little can be packed that fills the memory. */
const MOST = 256e6;

/** Whether this browser can unpack. */
export const UNPACKS = typeof DecompressionStream !== 'undefined';

/** Unpack what is in bytes; rejects what isn't packed, and what is too much. */
export async function unpack(bytes: Uint8Array, most = MOST): Promise<unknown> {
  const reader = new Blob([bytes])
    .stream()
    .pipeThrough(new DecompressionStream('gzip'))
    .getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > most) {
      void reader.cancel();
      throw new Error('What came packed is too large.');
    }
    parts.push(value);
  }
  return JSON.parse(await new Blob(parts).text());
}

/** Unpack what is in bytes written as base64. */
export function unpackText(base64: string): Promise<unknown> {
  return unpack(Uint8Array.from(atob(base64), (one) => one.charCodeAt(0)));
}
