"""What a cell's code reaches for outside of its namespace, as far as its syntax shows it.

This is for a person who wants to be asked, not a guard (the box is that): code can hide what it
does. What can do anything, such as another program or ``exec``, counts as all of it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

#: What a rule can ask about, and how its reason begins.
REACHES: Mapping[str, str] = {
    "net": "uses the network", "reads": "reads files", "writes": "writes files",
}  # fmt: skip
EVERYTHING = frozenset(REACHES)

# Modules and what is in them, by dotted name: of an import, or of a use ("os.remove").
_NET = frozenset((
    "socket", "ssl", "socketserver", "http.client", "http.server", "urllib.request", "urllib3",
    "requests", "httpx", "aiohttp", "websocket", "websockets", "ftplib", "smtplib", "imaplib",
    "poplib", "xmlrpc", "webbrowser", "pycurl", "paramiko", "zmq", "grpc", "tornado", "twisted",
    "boto3", "botocore", "s3fs", "gcsfs", "huggingface_hub", "openai", "anthropic", "litellm",
    "pymongo", "psycopg", "psycopg2", "redis", "selenium", "playwright", "asyncio.open_connection",
    "asyncio.start_server",
))  # fmt: skip
_READS = frozenset((
    "os.open", "os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.readlink", "glob",
    "linecache", "fileinput", "shutil", "sqlite3", "shelve", "dbm", "numpy.load", "np.load",
    "joblib.load", "mmap",
))  # fmt: skip
_WRITES = frozenset((
    "os.open", "os.remove", "os.unlink", "os.rename", "os.renames", "os.replace", "os.mkdir",
    "os.makedirs", "os.rmdir", "os.removedirs", "os.link", "os.symlink", "os.chmod", "os.chown",
    "os.truncate", "os.utime", "os.mkfifo", "os.mknod", "shutil", "sqlite3", "shelve", "dbm",
    "tempfile", "joblib.dump",
))  # fmt: skip
_ANYTHING = frozenset((
    "subprocess", "ctypes", "cffi", "builtins", "importlib", "runpy", "pty", "sys.modules",
    "os.system", "os.popen", "os.startfile", "asyncio.create_subprocess_exec",
    "asyncio.create_subprocess_shell",
    *(f"os.{how}" for how in (
        "execl", "execle", "execlp", "execlpe", "execv", "execve", "execvp", "execvpe", "spawnl",
        "spawnle", "spawnlp", "spawnlpe", "spawnv", "spawnve", "spawnvp", "spawnvpe",
        "posix_spawn", "posix_spawnp",
    )),
))  # fmt: skip

# Names, of a function or of a method of whatever it is called on.
_NET_NAMES = frozenset((
    "urlopen", "urlretrieve", "create_connection", "create_server", "from_pretrained",
    "load_dataset",
))  # fmt: skip
_READ_NAMES = frozenset((
    "read_text", "read_bytes", "read_csv", "read_table", "read_fwf", "read_json", "read_excel",
    "read_parquet", "read_feather", "read_pickle", "read_hdf", "read_html", "read_xml", "read_orc",
    "read_sql", "scan_csv", "scan_parquet", "loadtxt", "genfromtxt", "fromfile", "memmap", "imread",
    "iterdir", "glob", "rglob", "iglob", "load_workbook", "ZipFile", "TarFile",
))  # fmt: skip
_WRITE_NAMES = frozenset((
    "write_text", "write_bytes", "write_csv", "write_parquet", "savefig", "imsave", "imwrite",
    "save", "savez", "savez_compressed", "savetxt", "tofile", "mkdir", "makedirs", "touch",
    "unlink", "rmdir", "rmtree", "copyfile", "copytree", "symlink_to", "hardlink_to", "extractall",
    "make_archive", "unpack_archive", "ZipFile", "TarFile", "urlretrieve",
))  # fmt: skip
# IPython makes calls of these from lines that begin with "!" or "%".
_ANY_NAMES = frozenset(("run_line_magic", "run_cell_magic", "getoutput"))
_ANY_FUNCTIONS = frozenset(("exec", "eval", "__import__", "__builtins__"))
_PATHS = frozenset((
    "path_or_buf", "path_or_buffer", "buf", "path", "excel_writer", "name", "con", "fname",
))  # fmt: skip
_TO_FILE = re.compile(r"to_(csv|json|parquet|excel|pickle|feather|hdf|sql|orc|stata|xml|html)")
_ADDRESS = re.compile(r"(https?|ftps?|s3|gs|az|sftp)://", re.IGNORECASE)
_MODE = re.compile(r"[rwaxbtU+]{1,4}")


@dataclass(frozen=True, slots=True)
class _Use:
    fact: str
    what: str  # as the code names it


def reached(nodes: Iterable[ast.AST]) -> dict[str, list[str]]:
    """Find what code reaches for: of each of ``REACHES``, by which names, in order.

    Args:
        nodes: all of its syntax tree.
    """
    nodes = sorted(nodes, key=_where)
    found: dict[str, list[str]] = {fact: [] for fact in REACHES}
    for use in _uses(nodes):
        if use.what not in found[use.fact]:
            found[use.fact].append(use.what)
    return found


def _where(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _uses(nodes: list[ast.AST]) -> Iterator[_Use]:
    aliases = dict(_aliases(nodes))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _dotted(alias.name)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                yield from _dotted(f"{node.module}.{alias.name}", alias.name)
        elif isinstance(node, ast.Name):
            yield from _named(node.id)
            if node.id in _ANY_FUNCTIONS:
                yield from (_Use(fact, node.id) for fact in REACHES)
            if node.id == "open" and id(node) not in called:  # it is handed on
                yield from _both("open")
        elif isinstance(node, ast.Attribute):
            yield from _named(node.attr)
            if path := _path(node, aliases):
                yield from _dotted(path)
        elif isinstance(node, ast.Call):
            yield from _call(node)


def _aliases(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((one.asname, one.name) for one in node.names if one.asname)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((one.asname or one.name, f"{node.module}.{one.name}") for one in node.names)


def _path(node: ast.Attribute, aliases: Mapping[str, str]) -> str:
    """Give the dotted name of ``a.b.c``; ``""`` where it begins with something else."""
    parts = [node.attr]
    value = node.value
    while isinstance(value, ast.Attribute):
        parts.append(value.attr)
        value = value.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        # get_ipython().system(…): what "!" becomes
        return "os.system" if (value.func.id, node.attr) == ("get_ipython", "system") else ""
    if not isinstance(value, ast.Name):
        return ""
    return ".".join([aliases.get(value.id, value.id), *reversed(parts)])


def _dotted(path: str, said: str = "") -> Iterator[_Use]:
    parts = path.split(".")
    for facts, names in (
        (("net",), _NET), (("reads",), _READS), (("writes",), _WRITES), (EVERYTHING, _ANYTHING),
    ):  # fmt: skip
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            if name in names:
                yield from (_Use(fact, name) for fact in facts)
    if said:  # from x import y: what y is wherever it comes from
        yield from _named(said)


def _named(name: str) -> Iterator[_Use]:
    if name in _NET_NAMES:
        yield _Use("net", name)
    if name in _READ_NAMES:
        yield _Use("reads", name)
    if name in _WRITE_NAMES:
        yield _Use("writes", name)
    if name in _ANY_NAMES:
        yield from (_Use(fact, name) for fact in REACHES)


def _both(name: str) -> Iterator[_Use]:
    yield _Use("reads", name)
    yield _Use("writes", name)


def _call(node: ast.Call) -> Iterator[_Use]:
    """What depends on how something is called."""
    method = isinstance(node.func, ast.Attribute)
    name = str(getattr(node.func, "attr" if method else "id", ""))
    if name == "open":
        yield from _opened(node, method)
    elif (_TO_FILE.fullmatch(name) and _has_path(node)) or (
        method and name in ("rename", "replace") and _is_of_path(node)
    ):
        yield _Use("writes", name)
    first = node.args[0] if node.args else None
    if name == "open" or name.startswith(("read_", "scan_", "load")):
        text = first.values[0] if isinstance(first, ast.JoinedStr) and first.values else first
        if isinstance(text, ast.Constant) and _ADDRESS.match(str(text.value)):
            yield _Use("net", name)


def _has_path(node: ast.Call) -> bool:
    """Whether a table is put into a file: without a path, it is given as a text."""
    return bool(node.args) or any(word.arg in _PATHS for word in node.keywords)


def _is_of_path(node: ast.Call) -> bool:
    """Whether a call has what a path's takes: texts take two, tables a dict or keywords."""
    return len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Dict)


def _opened(node: ast.Call, method: bool) -> Iterator[_Use]:
    """``open``, or a method of that name: of a path, a module, an archive."""
    modes = [word.value for word in node.keywords if word.arg == "mode"] + node.args[1:2]
    hidden = any(not isinstance(mode, ast.Constant) for mode in modes)
    hidden = hidden or any(word.arg is None for word in node.keywords)
    hidden = hidden or any(isinstance(one, ast.Starred) for one in node.args)
    # A method's first place is a mode (of a path) or a path (of a module), which looks different.
    modes += node.args[:1] if method else []
    known = [str(mode.value) for mode in modes if isinstance(mode, ast.Constant)]
    known = [mode for mode in known if _MODE.fullmatch(mode)]
    if hidden or any(set(mode) & set("wax+") for mode in known):
        yield _Use("writes", "open")
    if hidden or not known or any(set(mode) & set("r+") for mode in known):
        yield _Use("reads", "open")
