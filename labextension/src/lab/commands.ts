/** The commands of the palette, the toolbar and the shortcuts. */

import { type ICommandPalette, InputDialog } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';
import { enough, shortage, shortageText } from '../core/budget.js';
import type { Command, RunInfo } from '../protocol.js';
import type { Desk, Seat } from './desk.js';
import { cellOf } from './notebook.js';
import { rlmIcon } from './icons.js';

/** What the commands show and can't do alone. */
export interface Views {
  showPanel(): void;
  /** Null where there is no place for a tab. */
  showTab: (() => void) | null;
  showNode(seat: Seat, run: string, node: string): void;
  /** Play the run that is shown. */
  play(): void;
  /** Write what is otherwise in a branch, where a node is. */
  forkAt(seat: Seat, run: string, node: string): void;
  tour(cwd: string): Promise<void>;
}

type Meant = { seat: Seat; info: RunInfo };

/** Register every command; the names start with `rlm:`. */
export function addCommands(desk: Desk, views: Views, palette: ICommandPalette | null): void {
  const { app, trans: t } = desk;
  const { commands } = app;

  const meant = (): Meant | null => {
    const seat = desk.current;
    const info = desk.runOf(seat);
    return seat && info ? { seat, info } : null;
  };
  const live = ({ info }: Meant): boolean => !info.ended;
  const asks = ({ info }: Meant): boolean =>
    !info.ended && (info.asking !== null || info.pending?.asks === true);
  const proposes = ({ info }: Meant): boolean => !info.ended && info.pending?.asks === true;

  const add = (id: string, options: CommandRegistry.ICommandOptions, listed = true): void => {
    commands.addCommand(id, options);
    if (listed) palette?.addItem({ command: id, category: 'RLM' });
  };
  /** A command on the run that is meant, there while `when` holds. */
  const onRun = (
    id: string,
    label: string,
    when: (meant: Meant) => boolean,
    execute: (meant: Meant, args: Record<string, unknown>) => unknown,
  ): void =>
    add(id, {
      label,
      isEnabled: () => {
        const found = meant();
        return found !== null && when(found);
      },
      execute: (args) => {
        const found = meant();
        return found && when(found) ? execute(found, args) : undefined;
      },
    });
  const steer = ({ seat, info }: Meant, command: Command): Promise<boolean> =>
    desk.steer(seat, info.run, command);
  const given = (args: Record<string, unknown>, name: string): string | null =>
    typeof args[name] === 'string' ? (args[name] as string) : null;
  /** Ask for words; the button says what becomes of them. */
  const ask = async (
    title: string,
    label: string,
    okLabel: string,
    text = '',
  ): Promise<string | null> => (await InputDialog.getText({ title, label, text, okLabel })).value;
  const proposal = ({ info }: Meant): string => info.asking?.ask ?? info.pending?.cell ?? '';

  onRun('rlm:approve', t.__('Run the Proposed Cell'), asks, (m) =>
    m.info.asking
      ? steer(m, { type: 'approve', proposal: m.info.asking.ask })
      : m.seat.placer.approve(m.info),
  );
  onRun('rlm:reject', t.__('Reject the Proposed Cell…'), asks, async (m, args) => {
    const header = headerOf(m);
    if (given(args, 'reason') === null && header) return header.ask('reject');
    const reason =
      given(args, 'reason') ??
      (await ask(
        t.__('Reject the proposed cell'),
        t.__('Why not? The model reads this.'),
        t.__('Reject'),
      ));
    return reason === null
      ? undefined
      : steer(m, { type: 'reject', proposal: proposal(m), reason });
  });
  onRun(
    'rlm:respond',
    t.__('Respond in Place of the Proposed Cell…'),
    proposes,
    async (m, args) => {
      const header = headerOf(m);
      if (given(args, 'text') === null && header) return header.ask('respond');
      const text =
        given(args, 'text') ??
        (await ask(
          t.__('Respond in place of the proposed cell'),
          t.__('What should the model see as this cell’s outcome?'),
          t.__('Respond'),
        ));
      return text ? steer(m, { type: 'respond', proposal: proposal(m), text }) : undefined;
    },
  );
  onRun('rlm:step', t.__('Step: Run This Proposal, Wait at the Next'), live, (m) =>
    steer(m, { type: 'step' }),
  );
  onRun('rlm:run-to', t.__('Run to…'), live, async (m, args) => {
    const until = given(args, 'until') ?? (await askUntil());
    return until ? steer(m, { type: 'run to', until }) : undefined;
  });
  onRun(
    'rlm:pause',
    t.__('Pause the Run'),
    (m) => live(m) && m.info.phase !== 'paused',
    (m) => steer(m, { type: 'pause' }),
  );
  onRun(
    'rlm:resume',
    t.__('Resume the Run'),
    (m) => live(m) && m.info.phase === 'paused',
    (m) => steer(m, { type: 'resume' }),
  );
  onRun(
    'rlm:take-over',
    t.__('Take Over'),
    (m) => live(m) && m.info.phase !== 'taken over',
    (m) => steer(m, { type: 'take over' }),
  );
  onRun(
    'rlm:hand-back',
    t.__('Hand Back…'),
    (m) => live(m) && m.info.phase === 'taken over',
    async (m, args) => {
      const note =
        given(args, 'note') ??
        (await ask(
          t.__('Hand the run back to the model'),
          t.__('A note for the model, if you like; it sees your cells anyway.'),
          t.__('Hand back'),
        ));
      return note === null ? undefined : steer(m, { type: 'hand back', note });
    },
  );
  onRun('rlm:stop', t.__('Stop the Run'), live, (m) => desk.stop(m.seat, m.info.run));
  onRun('rlm:interrupt', t.__('Interrupt the Running Cell'), live, (m) =>
    steer(m, { type: 'interrupt' }),
  );
  onRun('rlm:set-mode', t.__('Set How Proposals Are Decided…'), live, async (m, args) => {
    const chosen = given(args, 'mode');
    const own = chosen === null || chosen === '…';
    return own ? writeMode(m) : steer(m, { type: 'mode', mode: chosen });
  });
  onRun('rlm:set-budget', t.__('Set the Budget…'), live, async (m, args) => {
    const budget = given(args, 'budget');
    return budget === null ? writeBudget(m) : steer(m, { type: 'budget', budget });
  });
  onRun(
    'rlm:jump-to-pending',
    t.__('Jump to the Cell That Waits'),
    (m) => anyCell(m) !== '',
    (m) => {
      const cell = anyCell(m);
      if (!desk.jump(m.seat, m.info.run, cell)) views.showNode(m.seat, m.info.run, cell);
    },
  );
  onRun(
    'rlm:show-in-tree',
    t.__('Show the Active Cell in the Tree'),
    (m) => activeMeta(m) !== null,
    (m) => {
      const meta = activeMeta(m);
      if (meta) views.showNode(m.seat, meta.run, meta.cell);
    },
  );
  onRun(
    'rlm:fork',
    t.__('Fork the Run at the Active Cell…'),
    (m) => activeMeta(m) !== null,
    (m) => {
      const meta = activeMeta(m);
      if (meta) views.forkAt(m.seat, meta.run, meta.cell);
    },
  );
  add('rlm:play', {
    label: t.__('Play the Run That Is Shown'),
    icon: rlmIcon,
    isEnabled: () => {
      const shown = desk.shownOf(desk.current);
      return shown !== null && shown.phase !== 'session';
    },
    execute: () => views.play(),
  });
  add('rlm:show-tree', {
    label: t.__('Show the Runs of the Notebook'),
    icon: rlmIcon,
    execute: () => views.showPanel(),
  });
  const { showTab } = views;
  if (showTab) {
    add('rlm:open-tab', {
      label: t.__('Open the Runs as a Main-Area Tab'),
      icon: rlmIcon,
      execute: () => showTab(),
    });
  }
  add('rlm:first-tour', {
    label: (args) => (args['launcher'] ? t.__('RLM tour') : t.__('Take the RLM Tour')),
    caption: t.__('A notebook that shows a run, without a key'),
    icon: rlmIcon,
    execute: (args) => views.tour(given(args, 'cwd') ?? ''),
  });

  // Palette and menus draw themselves anew each time they are told, so only where it matters.
  let before = '';
  desk.changed.connect(() => {
    const now = meant()?.info;
    const { run, phase, ended, asking, pending } = now ?? {};
    const shown = desk.shownOf(desk.current)?.run;
    const key = JSON.stringify([
      run,
      phase,
      ended,
      asking?.ask,
      pending?.cell,
      pending?.asks,
      shown,
    ]);
    if (key === before) return;
    before = key;
    commands.notifyCommandChanged();
  });

  function headerOf(m: Meant): ReturnType<Seat['headers']['of']> {
    const id = m.info.asking?.cell ?? m.info.pending?.cell;
    const cell = id ? cellOf(m.seat.panel, m.info.run, id) : null;
    if (cell) desk.jump(m.seat, m.info.run, id ?? '');
    return cell ? m.seat.headers.of(cell) : undefined;
  }
  function anyCell({ seat, info }: Meant): string {
    const waits = info.asking?.cell ?? info.pending?.cell;
    if (waits) return waits;
    const tree = seat.link.store?.tree(info.run);
    const cells = tree ? [...tree.all()].filter((node) => node.kind === 'cell') : [];
    return cells[cells.length - 1]?.id ?? '';
  }
  function activeMeta({ seat }: Meant): { run: string; cell: string } | null {
    const meta: unknown = seat.panel.content.activeCell?.model.getMetadata('rlm');
    const { run, cell } = (meta ?? {}) as { run?: unknown; cell?: unknown };
    return typeof run === 'string' && typeof cell === 'string' ? { run, cell } : null;
  }
  async function askUntil(): Promise<string | null> {
    const items = ['error', 'child', 'turn 5', '$0.50'];
    const title = t.__('Run without asking until…');
    const label = t.__('the next error, the next child, a turn (turn 5) or an amount ($0.50)');
    const okLabel = t.__('Run');
    return (await InputDialog.getItem({ title, label, items, editable: true, okLabel })).value;
  }
  /** Send a command; why it was refused, or the empty string. */
  async function refused({ seat, info }: Meant, command: Command): Promise<string> {
    const reply = await seat.link.store?.steer(info.run, command);
    if (reply?.ok) return '';
    return reply?.message || t.__('The kernel can’t be reached; nothing was changed.');
  }
  /** Asks again with the kernel's sentence where it refuses what was written. */
  async function writeBudget(m: Meant): Promise<void> {
    const short = shortage(m.info);
    const hint = t.__('For example $2, 500 calls, or $2 and 500 calls; what was used stays used.');
    let text = short ? enough(short) : '';
    let label = short ? `${shortageText(short)} ${hint}` : hint;
    for (;;) {
      const budget = await ask(t.__('Budget of the run'), label, t.__('Set the budget'), text);
      if (!budget?.trim()) return;
      label = await refused(m, { type: 'budget', budget });
      if (label === '') return;
      text = budget;
    }
  }
  /** The same of a mode. */
  async function writeMode(m: Meant): Promise<void> {
    const { info } = m;
    const items = [
      'step',
      'auto',
      'ask when calls > 20',
      'ask when cost > $0.10',
      'ask when answer',
    ];
    let now = info.mode;
    let label = t.__(
      'step: each waits; auto: all run; or “ask when” and facts joined by “or”: calls > 5, cost > $0.50, tokens > 100k, depth > 0, imports os, subprocess, names open, answer, net, reads, writes',
    );
    for (;;) {
      const mode = (
        await InputDialog.getItem({
          title: t.__('How proposals are decided'),
          label,
          items: items.includes(now) ? items : [now, ...items],
          editable: true,
          current: now,
          okLabel: t.__('Set the mode'),
        })
      ).value;
      if (!mode) return;
      label = await refused(m, { type: 'mode', mode });
      if (label === '') return;
      now = mode;
    }
  }
}
