"""The run that the fault tests disturb, its models, and the counts of what they were asked."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from servers import Fault, OpenAIServer

TEXT = "\n".join(f"line {i} of the text" for i in range(4))
TURNS = [
    "lines = context.splitlines()\n"
    "seen = llm_query_batched([f'what of {line}' for line in lines])\n"
    "print(len(seen), seen[0])",
    "more = llm_query('one more: ' + seen[1])\n"
    "kid = rlm_query('the child: ' + more, context='kid ' + lines[2])\n"
    "try:\n"
    "    llm_query('refuse this')\n"
    "except Exception as error:\n"
    "    kept = type(error).__name__\n"
    "print(kid, kept)",
    "FINAL('|'.join([str(len(lines)), seen[3], more, kid, kept]))",
]
ANSWER = (
    "4|re: what of line 3 of the text|re: one more: re: what of line 1 of the text|"
    "KID LINE 2 OF THE TEXT|ProviderError"
)


def policy(request: dict[str, Any]) -> Any:
    """Be the root of ``TURNS``, its child, and the sub-model."""
    messages = request["messages"]
    said = sum(m["role"] == "assistant" for m in messages)
    if messages[0]["role"] != "system":
        prompt = messages[-1]["content"]
        if prompt == "refuse this":
            return Fault(status=400, body={"error": {"message": "no"}})
        return f"re: {prompt}"
    if "the child: " in messages[1]["content"]:
        return f"```python\n{['looked = context', 'FINAL(looked.upper())'][min(said, 1)]}\n```"
    return f"```python\n{TURNS[min(said, 2)]}\n```"


class Asked:
    """What a server was asked, by request."""

    def __init__(self, server: OpenAIServer) -> None:
        self.server = server

    @property
    def counts(self) -> Counter[str]:
        """How often each request came, but for those that were refused."""
        return Counter(
            json.dumps(seen.json["messages"]) for seen in self.server.requests
            if seen.prompt != "refuse this"
        )  # fmt: skip


def plain_sentence(text: str) -> bool:
    """Whether a person can read it: a sentence or two, no traceback."""
    return bool(re.match(r"[A-Z\"'`]", text)) and "Traceback" not in text and text.count("\n") == 0
