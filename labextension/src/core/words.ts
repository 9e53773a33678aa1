/**
 * Texts as Python counts and splits them: by code points, with its white space and line ends.
 * Titles and positions then mean the same on both sides.
 */

const SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
const PAIRED = /[\ud800-\udfff]/;

/** How many characters (code points) a text has. */
export function length(text: string): number {
  if (!PAIRED.test(text)) {
    return text.length;
  }
  let count = 0;
  for (const _ of text) {
    count += 1;
  }
  return count;
}

/** The first `count` characters of a text. */
export function head(text: string, count: number): string {
  if (text.length <= count) {
    return text;
  }
  const piece = text.slice(0, 2 * count);
  return PAIRED.test(piece) ? Array.from(piece).slice(0, count).join('') : piece.slice(0, count);
}

/** The words of a text. */
export function split(text: string): string[] {
  return text.split(SPACE).filter((word) => word !== '');
}

/** The lines of a text, without their ends. */
export function lines(text: string): string[] {
  const found = text.split(LINE_END);
  if (found[found.length - 1] === '') {
    found.pop();
  }
  return found;
}

/** A text without the white space around it. */
export function strip(text: string): string {
  return text.replace(START, '').replace(END, '');
}

const START = new RegExp(`^${SPACE.source}`);
const END = new RegExp(`${SPACE.source}$`);
