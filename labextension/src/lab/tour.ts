/** A notebook that shows a run without a key: three cells, scripted models, real code. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { TranslationBundle } from '@jupyterlab/translation';

const SETUP = `%load_ext rlm
from rlm_kernel import ScriptedModel
from rlm_kernel.evals.demo import demo_task

task = demo_task(seed=1)
chronicle = task.context
print(f"{len(chronicle):,} characters")`;

const MODELS = `import re

root = ScriptedModel(name="scripted-root", latency=0.5, replies=[
"""First a look: how much is there, and what is it like?
\`\`\`repl
print(type(context).__name__, f"{len(context):,}")
print(context[600_000:600_300])
\`\`\`""",
"""Which sentences are about the ship, or about turning back, code can tell.
\`\`\`repl
import re

sentences = re.split(r"(?<=[.!?])\\\\s+", context)
passages = [s for s in sentences if "Petrel" in s or "turned back" in s]
print(f"{len(sentences):,} sentences, {len(passages)} to read")
\`\`\`""",
"""Whether a passage says why the Petrel turned back is a matter of reading: one sub-model each.
\`\`\`repl
question = "Why did the Petrel turn back? Give the reason this passage states, or NO.\\\\n\\\\n"
replies = llm_query_batched([question + passage for passage in passages])
for reply, passage in zip(replies, passages):
    print(f"{reply:<60} <- {passage[:50]}…")
\`\`\`""",
"""One passage says it.
\`\`\`repl
FINAL(next(reply for reply in replies if reply != "NO"))
\`\`\`""",
])


def read(messages):
    passage = messages[-1]["content"].split("\\n\\n", 1)[1]
    said = re.search(r"the Petrel turned back.*?because (.+?)\\.", passage)
    return said.group(1) if said else "NO"


reader = ScriptedModel(read, name="scripted-reader", latency=0.8)`;

const QUESTION = `%%rlm why --context chronicle --model root --sub-model reader --mode step
Why did the Petrel turn back?`;

/** Open the tour in a new notebook.
 *
 * Without the kernel \`rlm\` on this server the cells load the extension in a plain one.
 */
export async function openTour(
  app: JupyterFrontEnd,
  trans: TranslationBundle,
  cwd: string,
): Promise<void> {
  const specs = app.serviceManager.kernelspecs;
  await specs.ready;
  const kernel = specs.specs?.kernelspecs['rlm'] ? 'rlm' : (specs.specs?.default ?? 'python3');
  const text = [
    trans.__('# A tour'),
    trans.__(
      'A text of more than a million characters, and a question about it. The models are **scripted**, so that this needs no key and goes the same way every time; everything else is real. Run the three cells below. Each cell that the root model proposes then appears under the last one and **waits for you**: run it with Shift+Enter, change it first, reject it with a reason, or take over.',
    ),
  ].join('\n\n');
  const { contents } = app.serviceManager;
  const model = await contents.newUntitled({ type: 'notebook', path: cwd });
  const content = {
    cells: [
      { cell_type: 'markdown', id: 'tour', metadata: {}, source: text },
      ...[SETUP, MODELS, QUESTION].map((source, number) => ({
        cell_type: 'code',
        id: `tour-${number}`,
        execution_count: null,
        metadata: {},
        outputs: [],
        source,
      })),
    ],
    metadata: {
      kernelspec: {
        name: kernel,
        display_name: specs.specs?.kernelspecs[kernel]?.display_name ?? kernel,
        language: 'python',
      },
    },
    nbformat: 4,
    nbformat_minor: 5,
  };
  await contents.save(model.path, { type: 'notebook', format: 'json', content });
  await app.commands.execute('docmanager:open', { path: model.path, factory: 'Notebook' });
}
