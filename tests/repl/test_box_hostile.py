"""Hostile code in a boxed kernel: what it tries, and what it gets.

Everything that it aims at was planted by the test. Each attempt is a cell; it prints what it could
do, and the test looks at that and at what it left outside.
"""

import asyncio
import os
import socket
import subprocess
import sys
import textwrap

import pytest
from boxes import need

from rlm_kernel.protocol import Limits, Setup
from rlm_kernel.repl import KernelPool, KernelRepl
from rlm_kernel.repl.box import Policy

KEY = "sk-planted-0123456789abcdef"


@pytest.fixture(scope="module", params=["bubblewrap", "landlock"])
def method(request):
    need(request.param)
    return request.param


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A home folder with keys, another run's log, and a socket that something listens on."""
    home = tmp_path_factory.mktemp("home")
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id_ed25519").write_text(KEY)
    (home / "key.txt").write_text(KEY)
    (home / "run").mkdir()
    (home / "run" / "log.jsonl").write_text("{}\n")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(home / "s"))
    listener.listen()
    letters = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    letters.bind(str(home / "d"))
    letters.setblocking(False)
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0rlm-test-{os.getpid()}")
    abstract.listen()
    yield home
    with pytest.raises(BlockingIOError):  # nothing has come
        letters.recv(1)
    letters.close()
    listener.close()
    abstract.close()


@pytest.fixture(scope="module")
def victim():
    """A process of the same user, with a key in its environment and in its memory."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import os, sys; key = os.environ['KEY']; sys.stdin.read()"],
        env={**os.environ, "KEY": KEY}, stdin=subprocess.PIPE,
    )  # fmt: skip
    yield process
    process.stdin.close()
    process.wait(10)


@pytest.fixture(scope="module")
def boxed(engine, method):
    os.environ["PLANTED_PASSWORD"] = os.environ["PLANTED"] = KEY

    async def make():
        return KernelPool(Policy(method), size=0)

    pool = engine.run(make())
    yield pool
    engine.run(pool.close())
    del os.environ["PLANTED_PASSWORD"], os.environ["PLANTED"]


@pytest.fixture(scope="module")
def kernel(engine, boxed):
    repl = KernelRepl(boxed, grace=0.5)
    yield repl
    engine.run(repl.close())


@pytest.fixture
def run(engine, kernel, services):
    """Run a cell in the module's kernel; give what it printed."""
    engine.run(kernel.open(Setup(services=services, contexts={"context": "x" * 100_000})))
    count = iter(range(1, 100))

    def go(code, **limits):
        result = engine.run(
            kernel.execute("cell", textwrap.dedent(code), limits=Limits(**limits),
                           number=next(count))
        )  # fmt: skip
        said = result.output.head + result.output.tail
        error = result.error
        return said if error is None else f"{said}{error.name}: {error.message}"

    return go


TRY = """
def tried(what):
    try:
        got = what()
    except BaseException as error:
        print("refused", type(error).__name__)
    else:
        print("got", repr(got)[:200])
"""


def refused(said, times=1):
    lines = said.strip().splitlines()
    return len(lines) == times and all(line.startswith("refused") for line in lines)


# -- keys and files -----------------------------------------------------------------------------


def test_no_key_is_in_its_environment_or_its_memory(run):
    said = run(f"""
        import os, gc, pathlib
        key = {KEY[:9]!r} + {KEY[9:]!r}
        print(sorted(n for n in os.environ if key in os.environ[n]))
        print(key.encode() in pathlib.Path('/proc/self/environ').read_bytes())
        print(sum(isinstance(o, str) and o == key and o is not key for o in gc.get_objects()))
        import rlm_kernel
        modules = __import__('sys').modules
        print([m for m in modules if 'litellm' in m or 'rlm_kernel.lm.gateway' in m])
    """)
    assert said.split() == ["[]", "False", "0", "[]"]


def test_files_of_the_home_folder_cannot_be_read_or_listed(run, planted):
    said = run(TRY + f"""
import pathlib, os
home = pathlib.Path({str(planted)!r})
tried(lambda: (home / 'key.txt').read_text())
tried(lambda: (home / '.ssh' / 'id_ed25519').read_text())
tried(lambda: os.listdir(home))
tried(lambda: os.listdir({os.path.expanduser('~')!r} + '/.ssh') or 1/0)
os.symlink(home / 'key.txt', 'link')
tried(lambda: open('link').read())
tried(lambda: os.link(home / 'key.txt', 'hard'))
import subprocess
tried(lambda: subprocess.run(['cat', str(home / 'key.txt')], check=True, capture_output=True))
""")
    assert refused(said, 7), said


def test_nothing_outside_of_its_scratch_can_be_changed(run, planted, method):
    said = run(TRY + f"""
import os, pathlib, shutil
home = pathlib.Path({str(planted)!r})
tried(lambda: (home / 'new.txt').write_text('x'))
tried(lambda: open(home / 'run' / 'log.jsonl', 'a').write('forged'))
tried(lambda: os.remove(home / 'key.txt'))
tried(lambda: os.rename(home / 'key.txt', home / 'moved'))
tried(lambda: os.chmod(home / 'key.txt', 0o777) if {method == "bubblewrap"} else 1 / 0)
tried(lambda: open({__file__!r}, 'a').write('#'))
import rlm_kernel
tried(lambda: open(rlm_kernel.__file__, 'a').write('# '))
""")
    assert refused(said, 7), said
    assert (planted / "key.txt").read_text() == KEY
    assert (planted / "run" / "log.jsonl").read_text() == "{}\n"


def test_other_processes_cannot_be_looked_into_or_signalled(run, victim):
    said = run(TRY + f"""
import ctypes, os, signal, resource
pid = {victim.pid}
tried(lambda: open(f'/proc/{{pid}}/environ', 'rb').read())
tried(lambda: open(f'/proc/{{pid}}/mem', 'rb').read(1))
tried(lambda: os.kill(pid, signal.SIGTERM))
tried(lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, 3)))
libc = ctypes.CDLL(None, use_errno=True)
def call(*args):
    if libc.syscall(*args) < 0:
        raise OSError(ctypes.get_errno(), 'refused')
PTRACE, READV = (101, 310) if os.uname().machine == 'x86_64' else (117, 270)
tried(lambda: call(PTRACE, 16, pid, 0, 0))
tried(lambda: call(READV, pid, 0, 0, 0, 0, 0))
""")
    assert refused(said, 6), said
    assert victim.poll() is None


def test_the_engine_is_out_of_reach(run):
    said = run(TRY + f"""
import os, signal
engine = {os.getpid()}
tried(lambda: open(f'/proc/{{engine}}/environ', 'rb').read())
tried(lambda: os.kill(engine, signal.SIGUSR1))
tried(lambda: os.listdir(f'/proc/{{engine}}/fd'))
""")
    assert refused(said, 3), said


# -- the network --------------------------------------------------------------------------------


def test_there_is_no_new_socket_of_any_kind(run, planted, openai_server):
    said = run(TRY + f"""
import socket
tried(lambda: socket.create_connection(('127.0.0.1', {openai_server.port}), 2))
tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9)))
tried(lambda: socket.socket(socket.AF_UNIX).connect({str(planted / 's')!r}))
tried(lambda: socket.socket(socket.AF_UNIX).connect('\\0rlm-test-{os.getpid()}'))
tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
import urllib.request, subprocess, sys
tried(lambda: urllib.request.urlopen('http://127.0.0.1:{openai_server.port}/v1/models', timeout=2))
program = 'import socket; socket.socket()'
tried(lambda: subprocess.run([sys.executable, '-c', program], check=True, capture_output=True))
""")
    assert refused(said, 8), said
    assert openai_server.requests == []


def test_a_pair_of_sockets_reaches_nobody_else(run, planted):
    said = run(TRY + f"""
import socket
for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
    tried(lambda: socket.socketpair(socket.AF_UNIX, kind)[0].sendto(
        b'x', {str(planted / 'd')!r}))
one, other = socket.socketpair()
tried(lambda: one.sendto(b'x', {str(planted / 'd')!r}))
one.sendall(b'ours')
print(other.recv(4))
""")
    assert refused(said.rsplit("\n", 2)[0], 4), said
    assert said.endswith("b'ours'\n")


def test_the_channel_takes_no_other_kernels_words(run, services):
    """What it has is its own connection: at worst it breaks that, and its kernel with it."""
    said = run("""
        import os, re
        print([n for n in os.environ if n.startswith('RLM_') and n != 'RLM_SCRATCH'])
        import subprocess, sys
        program = "import os; print(sorted(os.listdir('/proc/self/fd'), key=int)[:9])"
        try:
            print(subprocess.run([sys.executable, '-c', program], capture_output=True,
                                 text=True).stdout.count(','))
        except Exception as error:
            print(error)
    """)
    assert said.splitlines()[0] == "[]"
    assert int(said.splitlines()[1] or 0) <= 3  # 0, 1, 2 and the listing itself


# -- ways out -----------------------------------------------------------------------------------


def test_system_calls_that_change_the_box_are_refused(run):
    said = run(TRY + """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*args):
    if libc.syscall(*args) < 0:
        raise OSError(ctypes.get_errno(), 'refused')
x86 = os.uname().machine == 'x86_64'
tried(lambda: libc.unshare(0x10000000) and 1 / 0)
tried(lambda: libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) and 1 / 0)
tried(lambda: libc.chroot(b'.') and 1 / 0)
tried(lambda: call(425, 8, ctypes.create_string_buffer(200)))             # io_uring_setup
tried(lambda: call(321 if x86 else 280, 0, 0, 0))                        # bpf
tried(lambda: call(323 if x86 else 282, 0))                              # userfaultfd
tried(lambda: call(56 if x86 else 220, 0x10000000 | 17, 0, 0, 0, 0))     # clone, new user
tried(lambda: call(434, os.getppid(), 0) or call(438, 3, 1, 0))          # pidfd_getfd
tried(lambda: call(250 if x86 else 219, 0, -3, 0, 0, 0))                 # keyctl
import fcntl, termios
tried(lambda: fcntl.ioctl(0, termios.TIOCSTI, b'x'))
""")
    assert refused(said, 10), said


def test_devices_and_the_kernels_own_settings_are_closed(run):
    said = run(TRY + """
import os
for path in ('/dev/mem', '/dev/kmsg', '/proc/kcore', '/dev/sda', '/dev/vda', '/etc/shadow',
             '/proc/kmsg', '/proc/1/environ' if os.getpid() > 9 else '/etc/gshadow'):
    tried(lambda: open(path, 'rb', buffering=0).read(1)[0])
tried(lambda: open('/proc/sys/kernel/core_pattern', 'a'))  # opened, never written
tried(lambda: os.mknod('null', 0o600 | 0o020000, os.makedev(1, 3)))
""")
    assert refused(said, 10), said


def test_a_setuid_program_gives_nothing(run):
    said = run("""
        status = dict(line.split(':', 1) for line in open('/proc/self/status'))
        print(status['NoNewPrivs'].strip(), status['Seccomp'].strip())
    """)
    assert said.split() == ["1", "2"]


def test_a_context_is_handed_over_to_be_read_only(run):
    said = run(TRY + """
import os, fcntl
readable = []
for name in os.listdir('/proc/self/fd'):
    try:
        if fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR \\
                and os.path.isfile(f'/proc/self/fd/{name}'):
            readable.append(os.readlink(f'/proc/self/fd/{name}'))
    except OSError:
        pass
print(readable)
""")
    assert said.strip() == "[]"


# -- using up the machine -----------------------------------------------------------------------


def test_memory_is_limited_also_for_code_that_lifts_the_cells_limit(run, method):
    said = run(TRY + """
import resource
tried(lambda: bytearray(40 << 30))
tried(lambda: resource.setrlimit(resource.RLIMIT_DATA, (1 << 50, 1 << 50)))
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
tried(lambda: bytearray(40 << 30))
""")
    assert refused(said, 3), said


def test_files_and_processes_are_limited_and_no_memory_is_dumped(run):
    said = run("""
        import resource as r
        print(*(r.getrlimit(w)[1] for w in (r.RLIMIT_FSIZE, r.RLIMIT_CORE, r.RLIMIT_CPU)))
        print(0 < r.getrlimit(r.RLIMIT_NPROC)[1] < 100_000)
    """)
    policy = Policy()
    assert said.split() == [str(policy.file_size), "0", str(policy.cpu), "True"]


# -- and what work needs, works -------------------------------------------------------------------


def test_usual_work_goes_on_as_without_a_box(run):
    said = run("""
        import numpy, pandas, subprocess, sys, tempfile, threading, re, os, json, sqlite3
        open('note.txt', 'w').write('kept')
        with tempfile.TemporaryDirectory() as folder:
            open(folder + '/x', 'w').write('x')
        done = subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True,
                              text=True)
        worker = threading.Thread(target=lambda: print('thread'))
        worker.start(); worker.join()
        print(open('note.txt').read(), done.stdout.strip(), numpy.arange(4).sum(), len(context),
              pandas.DataFrame({'a': [1, 2]}).a.sum(), os.getcwd() == os.environ['RLM_SCRATCH'],
              sqlite3.connect(':memory:').execute('select 1').fetchone())
        print(llm_query('hi'))
    """)
    assert said.splitlines() == ["thread", "kept 42 6 100000 3 True (1,)", "re: hi"]


def test_a_loop_is_interrupted_and_its_variables_are_kept(run):
    said = run("kept = 5\nwhile True:\n    pass", seconds=0.3)
    assert "was interrupted" in said
    assert run("print(kept)").strip() == "5"


def test_outputs_of_earlier_cells_can_be_paged(run):
    run("print('a' * 50_000 + 'needle')")
    assert run("show_output(1, 49_998, 50_006)").strip() == "aaneedle"


def test_a_file_of_any_size_is_read_where_its_path_is_closed(engine, boxed, services, tmp_path):
    from rlm_kernel.context.text import Text

    path = tmp_path / "big.txt"
    path.write_text("line ü\n" * 50_000 + "the needle\n")
    repl = KernelRepl(boxed, grace=0.5)

    async def go():
        contexts = {"context": Text(path), "more": {"x": Text(path)}}
        await repl.open(Setup(services=services, contexts=contexts))
        result = await repl.execute("cell", textwrap.dedent("""
            print(len(context), context.find('needle'), context[-7:-1], len(more['x']))
            print(type(rlm_query('q', context=context)).__name__)
            try:
                open(context.path)
            except OSError as error:
                print(type(error).__name__)
        """))  # fmt: skip
        return result.output.head

    said = engine.run(go()).split()
    engine.run(repl.close())
    assert said[:4] == ["350011", "350004", "needle", "350011"]
    assert said[4:] in (["Text", "PermissionError"], ["Text", "FileNotFoundError"])


def test_a_file_that_was_handed_over_cannot_be_opened_again_to_be_written(
    engine, boxed, services, tmp_path
):
    from rlm_kernel.context.text import Text
    from rlm_kernel.repl.box import look

    if not look().landlock:
        pytest.skip("Linux here has no Landlock")
    path = tmp_path / "mine.txt"
    path.write_text("mine\n" * 50_000)
    repl = KernelRepl(boxed, grace=0.5)

    async def go():
        await repl.open(Setup(services=services, contexts={"context": Text(path)}))
        result = await repl.execute("cell", textwrap.dedent("""
            import os
            print(len(context))
            for name in os.listdir('/proc/self/fd'):
                link = f'/proc/self/fd/{name}'
                try:
                    if 'mine.txt' not in os.readlink(link):
                        continue
                except FileNotFoundError:  # the list's own
                    continue
                try:
                    os.close(os.open(link, os.O_RDWR))
                except OSError as error:
                    print(type(error).__name__)
                else:
                    print('opened')
        """))  # fmt: skip
        return result.output.head

    said = engine.run(go()).split()
    engine.run(repl.close())
    assert said[0] == "250000"
    assert set(said[1:]) == {"PermissionError"}


def test_a_path_is_not_read_outside_for_a_child_of_the_code(run, services, planted):
    said = run(f"""
from pathlib import Path
try:
    print(rlm_query('What is in there?', context=Path({str(planted / 'key.txt')!r})))
except Exception as error:
    print(type(error).__name__, error)
""")
    assert KEY not in said
    assert "Read the file in your code and give its text." in said


def test_a_kernel_that_dies_is_replaced_with_the_same_box(engine, boxed, services):
    repl = KernelRepl(boxed, grace=0.5)

    async def go():
        await repl.open(Setup(services=services, contexts={"context": "y" * 90_000}))
        died = await repl.execute("cell", "import os; os._exit(3)")
        segfault = await repl.execute("cell", "import ctypes; ctypes.string_at(0)")
        after = await repl.execute("cell", TRY + "print(len(context))\nimport socket\n"
                                   "tried(socket.socket)")  # fmt: skip
        return died, segfault, after

    died, segfault, after = engine.run(go())
    engine.run(repl.close())
    assert (died.status, segfault.status) == ("died", "died")
    assert "exit code 3" in died.error.message
    assert "SIGSEGV" in segfault.error.message
    assert after.output.head.splitlines() == ["90000", "refused PermissionError"]


def test_nothing_of_a_kernel_outlives_it(engine, boxed, services):
    repl = KernelRepl(boxed, grace=0.5)
    marker = f"rlm-outlives-{os.getpid()}"

    async def go():
        await repl.open(Setup(services=services))
        await repl.execute("cell", textwrap.dedent(f"""
            import subprocess, sys
            subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', {marker!r}],
                             start_new_session=True)
        """))  # fmt: skip
        await repl.close()

    engine.run(go())

    def left():
        found = subprocess.run(["pgrep", "-f", marker], capture_output=True, text=True, check=False)
        return found.stdout.split()

    async def wait():
        async with asyncio.timeout(10):
            while left():
                await asyncio.sleep(0.05)

    if boxed.policy.method == "bubblewrap":
        asyncio.run(wait())
    else:  # which holds what it may do, but not in which session it is
        subprocess.run(["pkill", "-f", marker], check=False)
