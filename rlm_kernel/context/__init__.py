"""What ``context`` can be: loading it, and describing it to the model."""

from .load import Several, decode, load, load_all, load_path, load_paths, several
from .loaded import Kind, Loaded, kind_of

__all__ = [
    "Kind", "Loaded", "Several", "decode", "kind_of", "load", "load_all", "load_path",
    "load_paths", "several",
]  # fmt: skip
