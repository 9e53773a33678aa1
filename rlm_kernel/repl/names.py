"""Our names in a namespace that belongs to somebody else.

Guarantees:
- a value of the person's under one of our names is kept and put back when ours go;
- what a model's cell overwrote or deleted is bound again after that cell, and said;
- what a person rebinds is theirs from then on: it is neither put back nor taken away;
- what ``%reset`` dropped is bound again before the next cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from ..protocol.events import Author

_MISSING = object()


class Names:
    """A set of names bound together in a shell's namespace."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell: Any = shell  # IPython's own calls are untyped
        self.bound: dict[str, Any] = {}
        self._kept: dict[str, Any] = {}

    @property
    def _ns(self) -> dict[str, Any]:
        ns: dict[str, Any] = self._shell.user_ns
        return ns

    def bind(self, values: Mapping[str, Any], *, ours: Iterable[Any] = ()) -> list[str]:
        """Bind names; give those under which a value of the person's was kept.

        Args:
            values: what to bind.
            ours: values that are no person's, though they may be under one of the names.
        """
        mine = [*ours, *self.bound.values()]
        kept = []
        for name, value in values.items():
            old = self._ns.get(name, _MISSING)
            if old is _MISSING or name in self.bound:
                continue
            theirs = not any(old is own for own in mine)
            if theirs or old is not value:
                self._kept[name] = old  # also where it is the same object: `context` is theirs
            if theirs and old is not value:
                kept.append(name)
        self.bound.update(values)
        self._push(dict(values))
        return kept

    def rebind(self, name: str, value: Any) -> None:
        """Give one of our names a new value, unless the person has made it theirs."""
        if name in self.bound:
            self.bound[name] = value
            self._push({name: value})

    def owned(self, name: str) -> bool:
        """Whether a name is ours still."""
        return name in self.bound

    def before(self, *, spare: Iterable[str] = ()) -> None:
        """Before a cell: what differs now a person has changed, what is missing was reset."""
        missing = {}
        for name, value in list(self.bound.items()):
            now = self._ns.get(name, _MISSING)
            if now is _MISSING:
                missing[name] = value
            elif now is not value and name not in spare:
                del self.bound[name]
                self._kept.pop(name, None)
        if missing:
            self._push(missing)

    def after(self, author: Author, *, spare: Iterable[str] = ()) -> list[str]:
        """After a cell: bind again what a model's cell changed; give those names."""
        if author == "human":
            self.before(spare=spare)
            return []
        changed = [
            name
            for name, value in self.bound.items()
            if name not in spare and self._ns.get(name, _MISSING) is not value
        ]
        if changed:
            self._push({name: self.bound[name] for name in changed})
        return changed

    def unbind(self) -> list[str]:
        """Take our names away and put the person's values back; give the names put back."""
        back = []
        for name, value in self.bound.items():
            now = self._ns.get(name, _MISSING)
            if now is not value and now is not _MISSING:
                continue  # a person's rebinding
            self._ns.pop(name, None)
            self._shell.user_ns_hidden.pop(name, None)
            if name in self._kept:
                self._shell.push({name: self._kept[name]}, interactive=True)
                back.append(name)
        self.bound.clear()
        self._kept.clear()
        return back

    def _push(self, values: dict[str, Any]) -> None:
        self._shell.push(values, interactive=False)
