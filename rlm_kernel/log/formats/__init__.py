"""A recorded run in other programs' forms: written, and of one of them read."""

from .chat import Exchange, chat
from .notebook import to_notebook
from .official import from_official, is_official, to_official
from .page import to_page
from .training import to_pairs, to_rollout

__all__ = [
    "Exchange", "chat", "from_official", "is_official", "to_notebook", "to_official", "to_page",
    "to_pairs", "to_rollout",
]  # fmt: skip
