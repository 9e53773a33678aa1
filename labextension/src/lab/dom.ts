/** Small pieces of page, made by hand. */

/** Attributes, `on…` listeners and `text` of an element. */
export interface Props {
  class?: string;
  text?: string;
  title?: string;
  [attribute: string]: string | number | boolean | undefined | ((event: Event) => void);
}

/** Make an element. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(name.replace(/^on/, ''), value);
    else if (name === 'text') node.textContent = String(value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children);
  return node;
}

/** A button with a word on it, and a listener. */
export function button(
  label: string,
  title: string,
  press: () => void,
  kind = '',
): HTMLButtonElement {
  return el('button', {
    type: 'button',
    class: `rlm-Button ${kind}`.trim(),
    text: label,
    title,
    onclick: (event) => {
      event.stopPropagation();
      press();
    },
  });
}

/** Set what differs only, so that nothing flickers and no reader speaks twice. */
export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** Show or hide. */
export function show(node: HTMLElement, on: boolean): void {
  if (node.hidden === on) node.hidden = !on;
}

/** A function that does its work at once, and then at most every `ms`, never leaving out the last. */
export function throttled(work: () => void, ms: number): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let again = false;
  const run = (): void => {
    timer = setTimeout(() => {
      timer = null;
      if (again) {
        again = false;
        run();
      }
    }, ms);
    work();
  };
  return () => {
    if (timer === null) run();
    else again = true;
  };
}

/** Wait for something, whatever comes of it, but no longer than `ms`. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const late = new Promise((resolve) => setTimeout(resolve, ms));
  await Promise.race([work.catch(() => undefined), late]);
}
