/** What this needs of an anywidget model. */
export interface MountModel {
  get(name: string): unknown;
  send(content: unknown): void;
  on(event: 'msg:custom', listener: (content: unknown) => void): void;
  off(event: 'msg:custom', listener: (content: unknown) => void): void;
}

/** Shows the tree in an element; what it gives back takes it out again. */
export type Render = (element: HTMLElement) => () => void;

const MOUNTED = 'rlm-mounted';
const LOOK = 150; // ms between two looks for places
const FORGET = 60_000; // ms that a view out of the page is kept

interface View {
  element: HTMLElement;
  dispose: () => void;
  gone: number; // since when it is out of the page, 0: it is in
}

/**
 * Put the tree in the place of static HTML that is in the page already.
 *
 * An output of a notebook that is a widget shows an error once its kernel is gone. So the output is
 * the static tree, in an element of the class that the model names, and as long as the kernel is
 * there and answers, the live tree stands in its place. The kernel may publish the output again and
 * the notebook may take a cell out of the page and put it back: the same view moves along.
 *
 * @param asks Whether what is rendered needs the kernel's answers; else it stands there at once.
 */
export function mountInPlace(model: MountModel, render: Render, asks = true): () => void {
  const name = String(model.get('mount') ?? '');
  if (!name) {
    return () => undefined;
  }
  const places = document.getElementsByClassName(name); // it is live
  let views: View[] = [];
  let timer: ReturnType<typeof setInterval> | undefined;

  const look = (): void => {
    const now = Date.now();
    for (const place of Array.from(places)) {
      if (place instanceof HTMLElement && !views.some((v) => v.element.parentElement === place)) {
        put(place);
      }
    }
    for (const view of views) {
      view.gone = view.element.isConnected ? 0 : view.gone || now;
    }
    const old = views.filter((view) => view.gone && now - view.gone > FORGET);
    views = views.filter((view) => !old.includes(view));
    old.forEach(take);
  };

  const put = (place: HTMLElement): void => {
    const view = views.find((v) => !v.element.isConnected);
    if (!view) {
      const element = document.createElement('div');
      // JupyterLab typesets what stands between two dollars in an output's HTML.
      element.className = `${MOUNTED} tex2jax_ignore mathjax_ignore`;
      show(place, 'none');
      place.append(element); // its size counts
      views.push({ element, dispose: render(element), gone: 0 });
    } else {
      show(view.element.parentElement, '');
      show(place, 'none');
      place.append(view.element);
    }
  };

  const take = (view: View): void => {
    view.dispose();
    show(view.element.parentElement, '');
    view.element.remove();
  };

  const begin = (): void => {
    look();
    timer = setInterval(look, LOOK);
  };

  // The static tree stays until the kernel has answered: it may be busy, or gone.
  const id = `mount-${Math.random().toString(36).slice(2)}`;
  const hear = (content: unknown): void => {
    const reply = content as { kind?: unknown; to?: unknown } | null;
    if (reply?.kind === 'reply' && reply.to === id) {
      model.off('msg:custom', hear);
      begin();
    }
  };
  if (asks) {
    model.on('msg:custom', hear);
    model.send({ v: 1, type: 'sync', client: id, id });
  } else {
    begin();
  }

  return () => {
    model.off('msg:custom', hear);
    clearInterval(timer);
    views.forEach(take);
    views = [];
  };
}

/** Show or hide the static children of a place. */
function show(place: HTMLElement | null, display: '' | 'none'): void {
  for (const child of Array.from(place?.children ?? [])) {
    if (child instanceof HTMLElement && !child.classList.contains(MOUNTED)) {
      child.style.display = display;
    }
  }
}
