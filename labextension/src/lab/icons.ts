/** Our icon, as SVG text: an import of the file would need the builder in the tests' compiler. */

import { LabIcon } from '@jupyterlab/ui-components';

const LINES = 'M7.5 3.5H4v17h3.5M16.5 3.5H20v17h-3.5M10 7.5H8v9h2M14 7.5h2v9h-2';

/** Brackets in brackets around a dot: a run in a run. Lab paints it as its own icons. */
export const rlmIcon = new LabIcon({
  name: 'rlm-kernel:rlm',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="rlm-icon-lines" fill="none" stroke-width="1.9" stroke-linecap="round"
    stroke-linejoin="round" d="${LINES}"/>
  <circle class="jp-icon3 jp-icon-selectable" fill="#616161" cx="12" cy="12" r="1.8"/>
</svg>`,
});

const HAND =
  'M5 8V4.500a1 1 0 0 1 2 0V3.500a1 1 0 0 1 2 0v1a1 1 0 0 1 2 0V10a4 4 0 0 1-4 4c-2 0-3-1-4-3.5';

const paths = (name: string, d: string): LabIcon =>
  new LabIcon({
    name: `rlm-kernel:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3" fill="#616161" d="${d}"/>
</svg>`,
  });

export const pauseIcon = paths('pause', 'M7 5h3.5v14H7zM13.5 5H17v14h-3.5z');
export const resumeIcon = paths('resume', 'M8 5.2v13.6L18.5 12z');
export const stopIcon = paths('stop', 'M6.5 6.5h11v11h-11z');
/** The panel's hand. */
export const takeIcon = new LabIcon({
  name: 'rlm-kernel:take-over',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16">
  <path class="rlm-icon-lines" fill="none" stroke-width="1.3" stroke-linecap="round"
    stroke-linejoin="round" d="${HAND}"/>
</svg>`,
});
export const backIcon = paths(
  'hand-back',
  'M10.5 6V2.8L4.5 8.8l6 6v-3.3c4.2 0 7 1.3 9 4.3-.8-4.3-3.3-8.6-9-9.8z',
);
