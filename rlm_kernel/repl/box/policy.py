"""What a kernel in a box may do: plain data that crosses to its process."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

Method = Literal["bubblewrap", "landlock", "inherited", "none"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds a kernel, and what it may reach on top of what Python itself needs.

    Args:
        method: what holds it; ``"inherited"``: what holds the process that starts it; ``"none"``:
            nothing does.
        read: files and folders that it may read.
        write: files and folders that it may read and change.
        net: whether it may use the network.
        local: whether it may make sockets, which reach no further than the box (bubblewrap, whose
            network is its own): a notebook's kernel starts kernels for children.
        memory: bytes of memory of each of its processes, at most; files that are mapped to be
            read don't count.
        cpu: seconds of processor time of each of its processes, at most.
        processes: processes and threads, at most (of its own in bubblewrap; of the user's, beyond
            those that there are, else; not for root).
        file_size: bytes of a file that it writes, at most.
    """

    method: Method = "none"
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    net: bool = False
    local: bool = False
    memory: int = 16 << 30
    cpu: int = 6 * 3600
    processes: int = 1024
    file_size: int = 8 << 30

    def to_json(self) -> str:
        """Give it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Policy:
        """Rebuild it from its line."""
        data = json.loads(text)
        return cls(**{**data, "read": tuple(data["read"]), "write": tuple(data["write"])})
