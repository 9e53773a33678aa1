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
