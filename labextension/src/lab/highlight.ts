/** Python code in the colours of the notebook's own editors. */

import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { Piece } from '../view/host.js';

/** Give what cuts code into pieces with JupyterLab's classes. */
export function highlighter(
  languages: IEditorLanguageRegistry,
): (code: string) => Promise<readonly Piece[]> {
  return async (code) => {
    const box = document.createElement('div');
    await languages.highlight(code, languages.findByMIME('text/x-python'), box);
    return Array.from(box.childNodes, (node) => [
      node instanceof Element ? node.className : '',
      node.textContent ?? '',
    ]);
  };
}
