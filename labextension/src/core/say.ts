/**
 * The language of the page: every sentence of a view goes through `say` or `sayN`.
 *
 * There is one per page, as JupyterLab has it; a page that gives none speaks English.
 */

/** What says a text in a person's language: JupyterLab's translation bundles are such. */
export interface Language {
  /** A text; `%1`, `%2` … stand for the values. */
  __(text: string, ...values: unknown[]): string;
  /** One of two texts by a number, which is `%1`. */
  _n(one: string, many: string, count: number, ...values: unknown[]): string;
}

/** Put values in the places of a text. */
export function fill(text: string, values: readonly unknown[]): string {
  return text.replace(/%(\d+)/g, (place, at) =>
    Number(at) > values.length ? place : String(values[Number(at) - 1]),
  );
}

const ENGLISH: Language = {
  __: (text, ...values) => fill(text, values),
  _n: (one, many, count, ...values) => fill(count === 1 ? one : many, [count, ...values]),
};

let language = ENGLISH;

/** Speak this from now on; undefined: English. */
export function setLanguage(spoken: Language | undefined): void {
  language = spoken ?? ENGLISH;
}

/** Say a text; `%1`, `%2` … stand for the values. */
export function say(text: string, ...values: (string | number)[]): string {
  return language.__(text, ...values);
}

/** Say a number of things: one of two texts, in which `%1` is the number, with commas. */
export function sayN(one: string, many: string, count: number): string {
  const text = language._n(one, many, count);
  return count < 1000
    ? text
    : text.replace(String(count), count.toLocaleString('en-US', { maximumFractionDigits: 0 }));
}
