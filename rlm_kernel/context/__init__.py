"""What ``context`` can be: loading it, describing it to the model, text that stays in its file."""

from ._files import decode
from .load import TEXT_LIMIT, Several, load, load_all, load_path, load_paths, several
from .loaded import Kind, Loaded, kind_of
from .text import Text

__all__ = [
    "TEXT_LIMIT", "Kind", "Loaded", "Several", "Text", "decode", "kind_of", "load", "load_all",
    "load_path", "load_paths", "several",
]  # fmt: skip
