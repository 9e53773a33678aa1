"""The append-only log of a run, the tree folded from it, and their plain views."""

from .format import count_text, duration_text, icon, money_text, oneline, size_text
from .html import tree_html
from .log import Events, Log
from .node import Node
from .paths import new_run_folder, runs_dir
from .read import read_log
from .text import tree_text
from .tree import Tree

__all__ = [
    "Events", "Log", "Node", "Tree", "count_text", "duration_text", "icon", "money_text",
    "new_run_folder", "oneline", "read_log", "runs_dir", "size_text", "tree_html", "tree_text",
]  # fmt: skip
