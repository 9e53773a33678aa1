/** The extension for JupyterLab (4.2 and newer) and Notebook 7. */

import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin,
} from '@jupyterlab/application';
import { ICommandPalette, IToolbarWidgetRegistry, MainAreaWidget } from '@jupyterlab/apputils';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { PageConfig } from '@jupyterlab/coreutils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { DisposableSet } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import { setLanguage } from '../core/say.js';
import { addCommands } from './commands.js';
import { Desk, type Seat } from './desk.js';
import { RunPanel } from './panel.js';
import { Settings } from './settings.js';
import { RunStatus } from './status.js';
import { TOOLBAR } from './toolbar.js';
import { openTour } from './tour.js';

const ID = 'rlm-kernel:plugin';

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'A live recursion tree, and a person in the loop.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [
    ITranslator,
    ISettingRegistry,
    ICommandPalette,
    ILauncher,
    IStatusBar,
    IToolbarWidgetRegistry,
    ILayoutRestorer,
    ILabShell,
    IEditorLanguageRegistry,
  ],
  activate,
};

function activate(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  translator: ITranslator | null,
  registry: ISettingRegistry | null,
  palette: ICommandPalette | null,
  launcher: ILauncher | null,
  statusBar: IStatusBar | null,
  toolbars: IToolbarWidgetRegistry | null,
  restorer: ILayoutRestorer | null,
  labShell: ILabShell | null,
  languages: IEditorLanguageRegistry | null,
): void {
  const translation = translator ?? nullTranslator;
  const trans = translation.load('rlm_kernel');
  setLanguage(trans);
  const settings = new Settings();
  if (registry) settings.load(registry, ID).catch(() => undefined);
  const desk = new Desk(app, tracker, settings, trans, translation);

  const panel = new RunPanel(desk, { tab: labShell !== null, languages });
  app.shell.add(panel, 'right', { rank: 600, type: 'RLM' });
  restorer?.add(panel, panel.id);
  let tab: MainAreaWidget<RunPanel> | null = null;

  const showPanel = (): void => app.shell.activateById(panel.id);
  /** The tree that a person looks at; the panel comes forward where it isn't there. */
  const target = (): RunPanel => {
    if (tab && !tab.isDisposed && tab.isVisible) return tab.content;
    showPanel();
    return panel;
  };
  const showNode = (seat: Seat, run: string, node: string): void =>
    target().focusNode(seat, run, node);
  desk.showNode = showNode;
  desk.started.connect(() => {
    if (!settings.values.openPanel || opened || panel.isVisible) return;
    opened = true;
    // Shown, not activated: the person may be typing.
    const focus = document.activeElement;
    showPanel();
    if (focus instanceof HTMLElement) requestAnimationFrame(() => focus.focus());
  });
  let opened = false;

  addCommands(
    desk,
    {
      showPanel,
      showNode,
      play: () => target().play(),
      forkAt: (seat, run, node) => target().forkAt(seat, run, node),
      // Notebook 7 has one main area, and that is the notebook's.
      showTab:
        labShell &&
        (() => {
          if (!tab || tab.isDisposed) {
            tab = new MainAreaWidget({ content: new RunPanel(desk, { main: true, languages }) });
            tab.id = 'rlm-tab-area';
            app.shell.add(tab, 'main', { mode: 'split-right' });
          }
          app.shell.activateById(tab.id);
        }),
      tour: (cwd) => openTour(app, trans, cwd),
    },
    palette,
  );
  launcher?.add({
    command: 'rlm:first-tour',
    category: 'Other',
    rank: 99,
    args: { launcher: true },
  });

  if (toolbars) {
    for (const [name, make] of Object.entries(TOOLBAR)) {
      toolbars.addFactory<NotebookPanel>('Notebook', name, (notebook) => make(desk, notebook));
    }
  } else {
    app.docRegistry.addWidgetExtension('Notebook', {
      createNew: (widget) => {
        const notebook = widget as NotebookPanel;
        const items = new DisposableSet();
        for (const [name, make] of Object.entries(TOOLBAR)) {
          const item = make(desk, notebook);
          notebook.toolbar.addItem(name, item);
          items.add(item);
        }
        return items;
      },
    });
  }

  if (statusBar) {
    const item = new RunStatus(desk);
    const changes = new Signal<RunStatus, void>(item);
    desk.changed.connect(() => changes.emit());
    statusBar.registerStatusItem('rlm-kernel:status', {
      item,
      align: 'left',
      rank: 5,
      isActive: () => item.isActive,
      activeStateChanged: changes,
    });
  }

  // For tests of the page; nothing in it can do more than the person can.
  const asked = new URLSearchParams(window.location.search).has('rlm-test');
  if (asked || PageConfig.getOption('rlmTest') === 'true') {
    Object.assign(window, { rlmTest: { desk, panel, settings } });
  }
}

export default [plugin];
