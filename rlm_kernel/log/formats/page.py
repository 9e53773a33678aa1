"""A recording as one page: tree, code and player, without a kernel and without a network.

Every text in it is data: the page has one script, ours, and its policy (CSP) lets no other run, nor
anything be fetched. Without scripts it shows the static tree.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from html import escape

from ...protocol import Logged, event_to_dict
from ...protocol.front import RunInfo
from ..format import clean, oneline
from ..html import tree_html
from ..node import Node
from ..tree import Tree

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'sha256-{hash}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
form-action 'none'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
html, body {{ height: 100%; margin: 0; }}
main {{ height: 100%; font: 14px/1.45 system-ui, sans-serif; }}
{style}
</style>
</head>
<body>
<main id="rlm-page">{static}</main>
<script type="application/json" id="rlm-recording">{data}</script>
<script>{script}</script>
</body>
</html>"""


def recorded_info(node: Node, key: str, seq: int) -> RunInfo:
    """Describe a recorded run as front ends show it.

    Args:
        node: of the run.
        key: what front ends know it by.
        seq: the number of its last event.
    """
    cut = node.ended is None
    return RunInfo(
        run=key, node=node.id, question=node.question, phase="stopped" if cut else node.status,
        reason="The recording ends here." if cut else node.reason, ended=True, answer=node.answer,
        mode=node.mode, where=node.where, model=node.model, sandbox=node.sandbox, seq=seq,
        started=node.started or 0.0, recorded=True,
    )  # fmt: skip


def to_page(
    events: Sequence[Logged], tree: Tree, run: str, script: str, style: str
) -> str:
    """Give the page.

    Args:
        events: of the run's log.
        tree: folded from them.
        run: its node.
        script: that shows and plays it (``rlm-page.js``).
        style: of the tree (``rlm-tree.css``).
    """
    node = tree[run]
    info = recorded_info(node, node.run_id or run, len(events))
    data = {"info": asdict(info), "events": [
        {"seq": i, "time": x.time, "event": event_to_dict(x.event)}
        for i, x in enumerate(events, 1)
    ]}  # fmt: skip
    # A script is compared as the page has it: its end must not stand in it, nor in the data.
    script = script.strip().replace("</script", "<\\/script")
    said = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    return _PAGE.format(
        hash=base64.b64encode(sha256(script.encode()).digest()).decode(),
        title=escape(oneline(clean(node.question), 100) or "A recorded run"),
        style=style, static=tree_html(tree), data=said, script=script,
    )  # fmt: skip
