/** The widget of a solve: what anywidget asks of a module. */
import { render } from 'preact';
import { UNPACKS, unpack } from '../core/packed.js';
import { type MountModel, mountInPlace } from '../mount.js';
import { type Solve, isSolve } from './data.js';
import { SolveView } from './view.js';

const played = new WeakSet<object>();

/** The solve of a model; null where it can't be read here. */
export async function solveOf(model: MountModel): Promise<Solve | null> {
  const data = model.get('solve') as DataView | null;
  if (!UNPACKS || !data?.byteLength) return null;
  const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  const found = await unpack(bytes).catch(() => null);
  return isSolve(found) ? found : null;
}

/** Show a solve in an element; in sight it plays once by itself, if a person doesn't mind motion. */
function show(model: MountModel, solve: Solve, el: HTMLElement): () => void {
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const top = el.getBoundingClientRect().top;
  const plays = !still && !played.has(model) && top >= 0 && top < innerHeight;
  render(<SolveView solve={solve} plays={plays} />, el);
  played.add(model);
  return () => render(null, el);
}

/** Do something with a model's solve when it is read, unless that is over by then. */
function withSolve(model: MountModel, use: (solve: Solve) => () => void): () => void {
  let over = false;
  let end = (): void => undefined;
  void solveOf(model).then((solve) => {
    if (solve && !over) end = use(solve);
  });
  return () => {
    over = true;
    end();
  };
}

export default {
  initialize: ({ model }: { model: MountModel }): (() => void) =>
    withSolve(model, (solve) => mountInPlace(model, (el) => show(model, solve, el), false)),
  render: ({ model, el }: { model: MountModel; el: HTMLElement }): (() => void) =>
    withSolve(model, (solve) => {
      model.send({ kind: 'shown' });
      return show(model, solve, el);
    }),
};
