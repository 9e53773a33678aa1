"""Asking a person what becomes of a proposal, by ``input()``, where there is no better way.

Guarantees:
- Asking gives one command or ``None``; nothing is sent from here, so that a question that was
  broken off (an interrupt, the end of the input) has decided nothing.
- The end of the input (Ctrl-D) is ``Pause``: the proposal waits.
- Only a letter decides: an empty line asks again, so that no cell runs by a stray Enter.
"""

from __future__ import annotations

from collections.abc import Callable

from ..protocol import Command
from ..protocol.control import Approve, Edit, Pause, Reject, Respond, SetMode, Stop, TakeOver

CHOICES = "[a]pprove  [e]dit  [r]eject  re[s]pond  [t]ake over  a[u]to  [q]uit "

HELP = """\
a  approve: run the cell as it is
e  edit: run your version of it; the model is shown the difference
r  reject: don't run it; the model is told your reason
s  respond: don't run it; your text is what the model gets as its output
t  take over: you write cells; `%rlm handback` lets the model go on
u  auto: run this and all that follow without asking
q  quit: leave the run waiting; `%rlm approve`, `%rlm edit` … go on, `%rlm stop` ends it"""

CLIENT = "notebook"

_WORDS = {
    "approve": "a", "edit": "e", "reject": "r", "respond": "s", "take over": "t",
    "takeover": "t", "auto": "u", "quit": "q",
}  # fmt: skip

Read = Callable[[str], str]
Write = Callable[[str], None]


def ask(
    proposal: str, code: str, *, read: Read, write: Write, insert: Callable[[], None] | None
) -> list[Command] | None:
    """Ask what becomes of a proposal.

    Args:
        proposal: its id.
        code: the code that is proposed.
        read: ``input``.
        write: prints a line.
        insert: puts the proposal into a new cell to be edited there, or None where the front
            end can't; then an edit is typed line by line.

    Returns:
        The commands to send, in order, or None when the person goes on in the new cell.

    Raises:
        StdinNotImplementedError: the front end can't ask.
        KeyboardInterrupt: the person interrupted the question.
    """
    while True:
        try:
            word = read(CHOICES).strip().lower()
            choice = _WORDS.get(word, word)
            if choice == "a":
                return [Approve(proposal=proposal, client=CLIENT)]
            if choice == "u":
                return [SetMode(mode="auto", client=CLIENT)]  # which also runs what waits
            if choice == "t":
                return [TakeOver(client=CLIENT)]
            if choice == "q":
                return [Pause(client=CLIENT)]
            if choice == "r":
                reason = read("Reason, the model is told: ").strip()
                return [Reject(proposal=proposal, reason=reason, client=CLIENT)]
            if choice == "s":
                text = read("What the model gets in its place: ")
                return [Respond(proposal=proposal, text=text, client=CLIENT)]
            if choice == "e":
                if insert is not None:
                    insert()
                    return None
                edited = read_cell(read, write)
                if edited is not None and edited.strip() != code.strip():
                    return [Edit(proposal=proposal, code=edited, client=CLIENT)]
                write("Unchanged.")
                continue
        except EOFError:
            return [Pause(client=CLIENT)]
        write(HELP)


def ask_calls(
    ask: str, sentence: str, reason: str, choose: Callable[[str, list[str] | None], str]
) -> Command:
    """Ask whether calls may be made, while the cell that wants them runs.

    Args:
        ask: their id.
        sentence: what they are and may cost.
        reason: why they are asked about.
        choose: asks a question with choices (or None: any text) and gives the answer.

    Returns:
        The command to send.
    """
    shown = f"{sentence}\n({reason})" if reason else sentence
    word = choose(shown, ["allow", "refuse", "auto (ask no more)", "stop the run"])
    if word == "refuse":
        said = choose("Reason, the model is told:", None)
        return Reject(proposal=ask, reason=said.strip(), client=CLIENT)
    if word.startswith("auto"):
        return SetMode(mode="auto", client=CLIENT)  # which also allows what waits
    if word.startswith("stop"):
        return Stop(client=CLIENT)
    return Approve(proposal=ask, client=CLIENT)


def read_cell(read: Read, write: Write) -> str | None:
    """Read a cell line by line, to a line that is a single dot; None where nothing was typed."""
    write("Type the cell; a line with a single dot ends it, a dot alone keeps the proposal.")
    lines: list[str] = []
    while (line := read("... ")) != ".":
        lines.append(line)
    return "\n".join(lines) if any(line.strip() for line in lines) else None
