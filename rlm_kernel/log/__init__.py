"""The append-only log of a run, the tree folded from it, and their plain views."""

from .log import Events, Log
from .node import Node
from .paths import new_run_folder, runs_dir
from .read import read_log
from .tree import Tree

__all__ = ["Events", "Log", "Node", "Tree", "new_run_folder", "read_log", "runs_dir"]
