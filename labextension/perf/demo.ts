import type { Event, Logged } from '../src/protocol.js';
import { type FakeRun, runInfo } from './replay.js';

/** Writes a log with times of its own. */
class Scribe {
  readonly log: Logged[] = [];
  readonly texts = new Map<string, string>();

  constructor(public time: number) {}

  write(event: Event, after = 0): void {
    this.time += after;
    this.log.push({ seq: this.log.length + 1, time: this.time, event });
  }

  at(time: number, event: Event): void {
    this.log.push({ seq: this.log.length + 1, time, event });
  }
}

const usage = (input: number, output: number, cost: number | null) => ({
  input_tokens: input,
  output_tokens: output,
  calls: 1,
  cost,
  known_cost: cost ?? 0,
});

const CHUNKS = `# Two editions of the same report: which figures differ?
parts = [context[i : i + 60_000] for i in range(0, len(context), 60_000)]
prompts = [f"List every figure on rainfall in this part.\\n\\n{part}" for part in parts]
found = llm_query_batched(prompts)

table = {}
for part, text in zip(parts, found):
    for line in text.splitlines():
        name, _, value = line.partition(":")
        table.setdefault(name.strip(), []).append(value.strip())
print(len(table), "figures,", sum(len(v) > 1 for v in table.values()), "told twice")`;

const LOOK = `print(type(context), len(context))
print(context[:400])`;

const CHILDREN = `stations = ["Kestrel Rock", "Halcyon Bay", "Corvina"]
reports = [rlm_query(f"Why does the figure for {s} differ?", evidence[s]) for s in stations]
check = llm_query("Do these three reports agree?\\n\\n" + "\\n\\n".join(reports))
if "no" in check.lower():
    worst = ask_human("Which station matters most?", choices=stations)
print(check)`;

const FINISH = `answer = f"""Rainfall at three of 41 stations was corrected
in the second edition: {', '.join(stations)}."""
FINAL(answer)`;

/** A run with children, a batch of `size` calls, an edit, an error; or one that waits. */
export function demoRun(kind: 'done' | 'waits' | 'asks', size: number, now: number): FakeRun {
  const start = now - 94;
  const s = new Scribe(start);
  const question = 'What changed between the two editions of the rainfall report, and why?';
  s.write({
    type: 'run.started',
    node: 'run1',
    run_id: 'demo',
    question,
    context: [
      { name: 'context', kind: 'text', size: '1,214,880 characters', path: 'rainfall.txt' },
    ],
    model: 'openai/gpt-5',
    sub_model: 'openai/gpt-5-mini',
    mode: 'step',
    where: 'shell',
  });
  const turn = (n: number, think: number, tokens: number) => {
    s.write({ type: 'turn.started', node: `turn${n}`, parent: 'run1', number: n, of: 30 }, 0.1);
    s.write({
      type: 'call.started',
      node: `root${n}`,
      parent: `turn${n}`,
      role: 'root',
      model: 'openai/gpt-5',
    });
    s.write(
      {
        type: 'call.ended',
        node: `root${n}`,
        text: 'I look at the text first, then ask for the figures part by part.\n\n```repl\n…\n```',
        usage: usage(tokens, 180, tokens * 2.3e-6),
        first_token: 1.1,
      },
      think,
    );
  };
  const cell = (n: number, code: string, more: object = {}) =>
    s.write({
      type: 'cell.proposed',
      node: `cell${n}`,
      parent: `turn${n}`,
      code,
      number: n,
      estimate: { calls: 1, loops: true, tokens: 15_400, cost: 0.0062 },
      ...more,
    });

  turn(1, 3.2, 1830);
  cell(1, LOOK);
  s.write({ type: 'cell.decided', node: 'cell1', decision: 'approve', by: 'auto' }, 0.1);
  s.write({ type: 'cell.started', node: 'cell1', where: 'shell' });
  const output = "<class 'str'> 1214880\nRAINFALL IN THE COASTAL DISTRICTS\nFirst edition";
  s.write(
    { type: 'cell.ended', node: 'cell1', output, output_chars: output.length, seconds: 0.04 },
    0.04,
  );
  s.write({ type: 'turn.ended', node: 'turn1', observation: output }, 0.02);

  turn(2, 4.6, 2410);
  cell(2, CHUNKS.replace('60_000', '200_000'));
  s.write({ type: 'cell.decided', node: 'cell2', decision: 'edit', by: 'you', code: CHUNKS }, 6.4);
  s.write({ type: 'cell.started', node: 'cell2', where: 'shell' });
  s.write(
    { type: 'batch.started', node: 'batch1', parent: 'cell2', kind: 'llm', size, line: 4 },
    0.1,
  );
  const from = s.time;
  const ends: [number, Event][] = [];
  for (let i = 0; i < size; i += 1) {
    const begin = from + Math.floor(i / 16) * 1.45 + (i % 16) * 0.02;
    const took = 0.7 + ((i * 7919) % 100) / 70;
    s.at(begin, {
      type: 'call.started',
      node: `call${i + 1}`,
      parent: 'batch1',
      role: 'sub',
      model: 'openai/gpt-5-mini',
      prompt: `List every figure on rainfall in this part.\n\nPart ${i + 1}. At the station of the outer cape the gauge stood at ${300 + i} mm …`,
      index: i,
      line: 4,
    });
    const bad = i % 67 === 41;
    ends.push([
      begin + took,
      bad
        ? {
            type: 'call.ended',
            node: `call${i + 1}`,
            status: 'error',
            error: 'The provider is overloaded (529); tried 4 times.',
            error_kind: 'overloaded',
          }
        : {
            type: 'call.ended',
            node: `call${i + 1}`,
            text: `Outer cape: ${300 + i} mm\nInner quay: ${210 + i} mm`,
            usage: usage(3900 + ((i * 31) % 400), 40 + (i % 30), 0.00021),
            first_token: 0.4,
          },
    ]);
  }
  ends.sort((a, b) => a[0] - b[0]).forEach(([time, event]) => s.at(time, event));
  s.time = Math.max(...ends.map(([time]) => time)) + 0.05;
  const failed = ends.filter(
    ([, event]) => (event as { status?: string }).status === 'error',
  ).length;
  s.write({ type: 'batch.ended', node: 'batch1', ok: size - failed, failed });
  s.write(
    {
      type: 'cell.ended',
      node: 'cell2',
      output: '41 figures, 3 told twice\n',
      output_chars: 25,
      seconds: 19.2,
      changed: ['parts', 'found', 'table'],
    },
    0.1,
  );
  s.write({ type: 'turn.ended', node: 'turn2', observation: '41 figures, 3 told twice' });

  turn(3, 2.9, 3120);
  cell(
    3,
    'evidence = {name: values for name, values in table.items() if len(values) > 1}\nprint(evidence[stations[0]])',
  );
  s.write({ type: 'cell.decided', node: 'cell3', decision: 'approve', by: 'you' }, 2.2);
  s.write({ type: 'cell.started', node: 'cell3', where: 'shell' });
  s.write(
    {
      type: 'cell.ended',
      node: 'cell3',
      status: 'error',
      error: "NameError: name 'stations' is not defined",
      traceback:
        "Traceback (most recent call last):\n  cell 3, line 2\nNameError: name 'stations' is not defined",
      seconds: 0.02,
    },
    0.02,
  );
  s.write({ type: 'turn.ended', node: 'turn3', status: 'error', observation: 'NameError' });

  s.write({ type: 'run.phase', node: 'run1', phase: 'taken over' });
  s.write(
    {
      type: 'cell.proposed',
      node: 'cell4',
      parent: 'run1',
      code: 'stations = [name for name, values in table.items() if len(values) > 1]',
      author: 'human',
      number: 4,
    },
    4,
  );
  s.write({ type: 'cell.decided', node: 'cell4', decision: 'approve', by: 'human' });
  s.write({ type: 'cell.started', node: 'cell4', where: 'shell' });
  s.write({ type: 'cell.ended', node: 'cell4', seconds: 0.01 }, 0.01);
  s.write({ type: 'run.phase', node: 'run1', phase: 'thinking' }, 2);

  turn(5, 5.1, 3650);
  cell(5, CHILDREN);
  const info = runInfo('demo', {
    question,
    model: 'openai/gpt-5',
    mode: 'step',
    started: start,
    budget: {
      money: { used: 0.093, limit: 1, refused: 0 },
      calls: { used: size + 9, limit: 1000, refused: 0 },
    },
  });
  if (kind === 'waits') {
    s.write({ type: 'run.phase', node: 'run1', phase: 'proposed' });
    info.phase = 'proposed';
    info.pending = {
      cell: 'cell5',
      code: CHILDREN,
      number: 5,
      turn: 5,
      asks: true,
      decided: false,
      held_by: '',
      leased_by: '',
      executing: false,
      estimate: { calls: 4, tokens: 22_000, cost: 0.041 },
    };
    return { info: { ...info, seq: s.log.length }, log: s.log, texts: s.texts };
  }
  s.write({ type: 'cell.decided', node: 'cell5', decision: 'approve', by: 'you' }, 1.4);
  s.write({ type: 'cell.started', node: 'cell5', where: 'shell' });
  ['Kestrel Rock', 'Halcyon Bay', 'Corvina'].forEach((station, i) => child(s, station, i));
  const long = `Do these three reports agree?\n\n${'Rain fell on the outer cape. '.repeat(9000)}`;
  s.texts.set('check prompt', long);
  s.log.push({
    seq: s.log.length + 1,
    time: (s.time += 0.1),
    event: {
      type: 'call.started',
      node: 'check',
      parent: 'cell5',
      role: 'sub',
      model: 'openai/gpt-5-mini',
      prompt: long.slice(0, 1000),
      line: 3,
    },
    cut: { prompt: long.length },
  });
  if (kind === 'asks') {
    s.write({ type: 'call.text', node: 'check', text: '' }, 0.6);
    info.in_flight = 1;
    return { info: { ...info, seq: s.log.length }, log: s.log, texts: s.texts };
  }
  s.write(
    {
      type: 'call.ended',
      node: 'check',
      text: 'Yes: all three name the same correction.',
      usage: usage(61_000, 20, null),
    },
    1.9,
  );
  s.write({
    type: 'cell.ended',
    node: 'cell5',
    output: 'Yes: all three name the same correction.\n',
    output_chars: 41,
    seconds: 9.4,
  });
  s.write({ type: 'turn.ended', node: 'turn5' });
  turn(6, 2.2, 4020);
  cell(6, FINISH);
  s.write({ type: 'cell.decided', node: 'cell6', decision: 'approve', by: 'you' }, 1);
  s.write({ type: 'cell.started', node: 'cell6', where: 'shell' });
  const answer =
    'Rainfall at three of 41 stations was corrected in the second edition: Kestrel Rock, Halcyon Bay, Corvina.';
  s.write({ type: 'answer.given', node: 'cell6', answer, via: 'FINAL' }, 0.01);
  s.write({ type: 'cell.ended', node: 'cell6', seconds: 0.01 });
  s.write({ type: 'turn.ended', node: 'turn6' });
  s.write({ type: 'run.ended', node: 'run1', status: 'done', answer, seconds: s.time - start });
  return {
    info: { ...info, phase: 'done', ended: true, answer, seq: s.log.length },
    log: s.log,
    texts: s.texts,
  };
}

function child(s: Scribe, station: string, i: number): void {
  const run = `run${i + 2}`;
  s.write({
    type: 'run.started',
    node: run,
    parent: 'cell5',
    run_id: run,
    question: `Why does the figure for ${station} differ?`,
    model: 'openai/gpt-5-mini',
    depth: 1,
    line: 2,
  });
  s.write({ type: 'turn.started', node: `turn${10 + i}`, parent: run, number: 1, of: 10 }, 0.05);
  s.write({
    type: 'call.started',
    node: `sub${i}`,
    parent: `turn${10 + i}`,
    role: 'root',
    model: 'openai/gpt-5-mini',
  });
  s.write(
    { type: 'call.ended', node: `sub${i}`, text: '```repl\n…```', usage: usage(1400, 120, 0.0011) },
    1.2,
  );
  s.write({
    type: 'cell.proposed',
    node: `cell${10 + i}`,
    parent: `turn${10 + i}`,
    code: 'for value in context:\n    print(llm_query(f"Explain {value}"))',
    number: 1,
  });
  s.write({ type: 'cell.decided', node: `cell${10 + i}`, decision: 'approve', by: 'auto' });
  s.write({ type: 'cell.started', node: `cell${10 + i}`, where: 'kernel' });
  for (let n = 0; n < 6; n += 1) {
    const id = `c${i}x${n}`;
    s.write({
      type: 'call.started',
      node: id,
      parent: `cell${10 + i}`,
      role: 'sub',
      model: 'openai/gpt-5-mini',
      prompt: `Explain ${310 + n} mm`,
      line: 2,
    });
    s.write(
      {
        type: 'call.ended',
        node: id,
        text: 'A gauge was moved.',
        usage: usage(300, 20, 0.0002),
        cached: n === 3,
      },
      0.14,
    );
  }
  s.write({
    type: 'cell.ended',
    node: `cell${10 + i}`,
    output: 'A gauge was moved.\n',
    output_chars: 19,
    seconds: 0.9,
  });
  s.write({ type: 'turn.ended', node: `turn${10 + i}` });
  s.write({
    type: 'run.ended',
    node: run,
    status: 'done',
    answer: `The gauge at ${station} was moved in May.`,
    seconds: 2.2,
  });
}
