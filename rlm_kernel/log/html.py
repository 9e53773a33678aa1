"""The tree as static HTML that needs nothing: for saved notebooks, nbviewer, nbconvert, GitHub.

Guarantees
- no script, no style sheet, no outside resource; inline styles only, and it still reads well
  where they are stripped (GitHub) or where ``details`` don't fold;
- all foreign text is escaped, its control characters made visible, and capped with a count;
- money isn't taken for a formula by MathJax;
- the size of the page is bounded, whatever the size of the tree; what is left out is counted.
"""

from __future__ import annotations

from ._highlight import highlighted
from ._html import (
    BOX,
    LIST,
    PRE,
    aside,
    bar,
    dim,
    dim_span,
    esc,
    folded,
    mark,
    note,
    pre,
    progress,
)  # fmt: skip
from .format import (
    capped,
    clean,
    context_text,
    cost_text,
    duration_text,
    estimate_text,
    icon,
    label,
    oneline,
    plural,
    sandbox_text,
    state_text,
    sum_text,
    tokens_text,
)
from .groups import Group, grouped, tally
from .node import Node
from .text import tally_text
from .tree import Tree

CODE = 8_000  # characters of a cell that are shown
OUTPUT = 8_000
TEXT = 2_000  # of a prompt, a reply, a reason
ANSWER = 20_000
ITEMS = 20  # calls of a group that are listed
PAGE = 1_000_000  # characters after which nodes are left out
DEEPEST = 24  # nodes within nodes


def tree_html(tree: Tree) -> str:
    """Give the tree as one self-contained piece of HTML, the answer last."""
    root = tree.root
    if root is None:
        return f'<div style="{BOX}">Nothing happened yet.</div>'
    return _Page(tree, root).whole()


class _Page:
    def __init__(self, tree: Tree, root: Node) -> None:
        self.tree = tree
        self.root = root
        self.over = root.ended is not None
        self.chars = 0
        self.left_out = 0

    def whole(self) -> str:
        parts = [self._header(), self._below(self.root, 0)]
        if self.left_out:
            parts.append(
                dim(f"{plural(self.left_out, 'more node')} left out here; all is in the log.")
            )
        parts += [note(level, text) for level, text in self.root.notes]
        parts.append(_answer(self.root, self.over))
        # MathJax would take "$0.01 … $0.02" for a formula
        kind = "rlm-run tex2jax_ignore mathjax_ignore"
        return f'<div class="{kind}" style="{BOX}">{"".join(parts)}</div>'

    def _header(self) -> str:
        root = self.root
        said = [f"<strong>{esc(root.status)}</strong>"]
        if root.model:
            said.append(f"model <code>{esc(oneline(root.model, 80))}</code>")
        if root.sub_model not in ("", root.model):
            said.append(f"sub-model <code>{esc(oneline(root.sub_model, 80))}</code>")
        used = sum_text(root, tokens=True)
        said += [esc(used)] if used else []
        said += [esc(duration_text(root.seconds))] if root.seconds is not None else []
        said += [esc(boxed)] if (boxed := sandbox_text(oneline(root.sandbox, 40))) else []
        title = esc(capped(root.question or root.title, TEXT))
        parts = [
            f'<div style="font-size:1.1em;white-space:pre-wrap"><strong>{title}</strong></div>',
            f"<div>{mark(icon(root.status))} {' · '.join(said)}</div>",
        ]
        for context in root.context:
            parts.append(dim(oneline(context_text(context), 300)))
        return "".join(parts)

    # -- nodes --------------------------------------------------------------------------------

    def _below(self, node: Node, depth: int) -> str:
        if not node.children:
            return ""
        if depth >= DEEPEST:
            self.left_out += len(node.children)
            return ""
        items = []
        for item in grouped(self.tree.children(node)):
            if self.chars > PAGE:
                self.left_out += len(item.nodes) if isinstance(item, Group) else 1
                continue
            html = self._group(item) if isinstance(item, Group) else self._node(item, depth + 1)
            self.chars += len(html)
            items.append(f'<li style="margin:3px 0">{html}</li>')
        return f'<ul style="{LIST}">{"".join(items)}</ul>' if items else ""

    def _node(self, node: Node, depth: int) -> str:
        if node.kind == "call":
            return self._call(node) + self._below(node, depth)
        if node.kind == "batch":
            return self._batch(node, depth)
        if node.kind == "cell":
            return self._cell(node, depth)
        if node.kind == "turn":
            return f"<div>{self._line(node)}</div>" + self._below(node, depth)
        if node.kind in ("solve", "step"):
            return self._solve(node, depth)
        inside = self._below(node, depth) + _answer(node, node.ended is not None)
        return folded(self._line(node), inside, open_=node.live and not self.over)

    def _line(self, node: Node) -> str:
        name = label(node)
        title = "" if node.kind == "cell" else node.title
        words = f"<strong>{esc(name)}</strong>" if name else ""
        if title:
            text = esc(oneline(title, 120))
            words += f" {text}" if name else f"<strong>{text}</strong>"
        said = [state_text(node, over=self.over)]
        if node.kind == "cell" and node.decision:
            said = [_decided(node)]
            said.append("" if node.status in ("ok", "rejected", "responded") else node.status)
        if node.kind != "call":
            said.append(sum_text(node))
        said.append(duration_text(node.seconds))
        return f"{mark(icon(node.status))} {words}{aside(said)}"

    def _cell(self, node: Node, depth: int) -> str:
        parts = [f"<div>{self._line(node)}</div>"]
        if node.code:
            code = highlighted(clean(node.code[:CODE])) + esc(capped(node.code, CODE)[CODE:])
            parts.append(
                f'<pre style="{PRE}"><code style="background:none;padding:0">{code}</code></pre>'
            )
        if node.decision == "edit" and node.proposed_code not in ("", node.code):
            parts.append(folded(dim_span("what the model proposed"), pre(node.proposed_code, CODE)))
        if node.status == "proposed" and (said := estimate_text(node.estimate)):
            parts.append(dim(f"its calls: {said}"))
        if node.asking:
            parts.append(dim(f"calls wait to be allowed: {capped(node.reason, TEXT)}"))
        elif node.reason:
            parts.append(dim(f"reason: {capped(node.reason, TEXT)}"))
        parts.append(self._below(node, depth))
        if node.output:
            chars = max(node.output_chars, len(node.output))
            parts.append(
                folded(dim_span(f"output · {plural(chars, 'character')}"), pre(node.output, OUTPUT))
            )
        if node.result and node.result not in node.output:
            parts.append(pre(node.result, TEXT))
        if node.error:
            words = f"<strong>{esc(oneline(node.error, 300))}</strong>"
            parts.append(
                folded(words, pre(node.traceback, OUTPUT))
                if node.traceback
                else f"<div>{words}</div>"
            )
        if node.note:
            parts.append(note("info", node.note))
        return "".join(parts)

    def _call(self, node: Node) -> str:
        said = [state_text(node, over=self.over), tokens_text(node.own)]
        said.append(cost_text(node.own) if node.own.calls else "")
        said += ["cached" if node.cached else "", duration_text(node.seconds)]
        name = label(node) + (f" (line {node.line})" if node.line is not None else "")
        title = oneline(node.name or ("" if node.role == "root" else node.title), 90)
        head = f"{mark(icon(node.status))} {esc(name)} <em>{esc(title)}</em>{aside(said)}"
        inside = ""
        if node.prompt and node.role != "root":
            inside += dim("prompt") + pre(node.prompt, TEXT)
        if node.text:
            inside += dim("reply") + pre(node.text, TEXT)
        if node.error:
            inside += f"<div>{esc(capped(node.error, TEXT))}</div>"
        if node.note:
            inside += dim(capped(node.note, TEXT))
        return folded(head, inside) if inside else f"<div>{head}</div>"

    def _solve(self, node: Node, depth: int) -> str:
        inside = ""
        if node.prompt:
            inside += dim("puzzle") + pre(node.prompt, TEXT)
        if node.text:
            inside += (dim("answer") if node.kind == "solve" else "") + pre(node.text, TEXT)
        if node.note:
            inside += dim(capped(node.note, TEXT))
        return folded(self._line(node), inside + self._below(node, depth))

    def _batch(self, node: Node, depth: int) -> str:
        children = self.tree.children(node)
        counts = tally(children)
        size = max(node.size, len(children))
        where = f" (line {node.line})" if node.line is not None else ""
        head = (
            f"{mark(icon(node.status))} <strong>{esc(node.title or label(node))}</strong>"
            f"{esc(where)} {bar(counts, size)}"
            f"{aside([progress(counts, size), tally_text(counts)])}"
        )
        if any(child.kind != "call" for child in children):
            return folded(head, self._below(node, depth))
        return folded(head, self._listed(children), open_=False)

    def _group(self, group: Group) -> str:
        counts = group.tally
        status = "running" if counts.open else "ok" if not counts.failed else "partial"
        head = (
            f"{mark(icon(status))} <strong>{esc(group.title)}</strong> "
            f"{bar(counts, len(group.nodes))}{aside([tally_text(counts)])}"
        )
        return folded(head, self._listed(list(group.nodes)))

    def _listed(self, calls: list[Node]) -> str:
        """List calls, what failed first of all, and count the rest."""
        if not calls:
            return ""
        bad = [call for call in calls if call.status in ("error", "cancelled")]
        shown = (bad + [call for call in calls if call not in bad[:ITEMS]])[:ITEMS] if (
            len(calls) > ITEMS
        ) else calls  # fmt: skip
        items = "".join(f'<li style="margin:2px 0">{self._call(call)}</li>' for call in shown)
        if len(calls) > len(shown):
            items += f"<li>{dim_span(f'… {len(calls) - len(shown):,} more')}</li>"
        return f'<ul style="{LIST}">{items}</ul>'


def _decided(node: Node) -> str:
    words = {"approve": "approved", "edit": "edited", "reject": "rejected", "respond": "answered"}
    word = words.get(node.decision, node.decision)
    if node.by == "auto":
        return "" if node.decision == "approve" else word
    return f"{word} by {oneline(node.by, 40)}" if node.by else word


def _answer(node: Node, over: bool) -> str:
    reason = ""
    if node.reason and node.status != "done":
        reason = f"<div><strong>{esc(node.status)}</strong>: {esc(capped(node.reason, TEXT))}</div>"
    if over and node.answer is not None:
        word = "Partial answer" if node.status == "partial" else "Answer"
        forced = " (asked for at the end of the turns)" if node.forced else ""
        return reason + (
            f'<div style="border-left:3px solid #2a9d5c;padding:2px 0 2px 10px;margin:8px 0 2px">'
            f"<div><strong>{word}</strong>{dim_span(forced)}</div>"
            f'<div style="white-space:pre-wrap;overflow-wrap:anywhere">'
            f"{esc(capped(node.answer, ANSWER))}</div></div>"
        )
    return reason
