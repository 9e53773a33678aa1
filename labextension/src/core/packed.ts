/** What comes packed: JSON by gzip. */

/** Whether this browser can unpack. */
export const UNPACKS = typeof DecompressionStream !== 'undefined';

/** Unpack what is in bytes. */
export function unpack(bytes: Uint8Array): Promise<unknown> {
  const json = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(json).json();
}

/** Unpack what is in bytes written as base64. */
export function unpackText(base64: string): Promise<unknown> {
  return unpack(Uint8Array.from(atob(base64), (one) => one.charCodeAt(0)));
}
