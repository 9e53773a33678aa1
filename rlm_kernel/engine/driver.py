"""The turns of a run: ask the root, run what it proposes, tell it what came of it.

Guarantees: every reply is in the log before anything is done with it; a reply without code gets
an observation that says what was wrong; an answer is accepted only from a cell that ran and ended
well; what ends without one is ``partial`` (a draft or a forced closing turn) or ``failed``, never
``done``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ..errors import AnswerError, BudgetExceeded, Cancelled, ModelError, ReplError
from ..lm.tokens import upper_messages
from ..protocol import (
    AnswerState,
    CallRequest,
    CellResult,
    Constraint,
    Limits,
    Message,
    Origin,
    Reply,
)
from ..protocol.events import (
    AnswerGiven,
    CellDecided,
    CellEnded,
    CellProposed,
    CellStarted,
    Folded,
    TurnEnded,
    TurnStarted,
)
from ..repl.answer import text_form
from . import folding, prompts
from ._closing import Draft, Outcome, close, full
from .doubts import Looks
from .gate import Decision, Gate, Proposal
from .modes import Proposed
from .observe import cell_ended, observe
from .parse import ParsedReply, parse_reply

if TYPE_CHECKING:
    from .run import Run

NO_CODE_LIMIT = 3  # replies in a row without code, after which an answer is asked for once
REPEAT_LIMIT = 5  # times that a cell may be run again unchanged, with nothing new to see
DEFAULT_REPLY = 4096  # output tokens kept free for a reply where the window is known


class Driver:
    """Drives one run to its end.

    Args:
        run: whose question, settings, gate, log, ledger and repl are used.
        system: the system prompt.
        first: the first user message.
    """

    def __init__(self, run: Run, system: str, first: str) -> None:
        self.run = run
        self.settings = run.settings
        self.gate: Gate = run.gate
        self.messages: list[Message] = [
            {"role": "system", "content": system}, {"role": "user", "content": first},
        ]  # fmt: skip
        self.history: list[Message] = []  # all that was said, whole, whatever was folded
        self.draft = Draft()
        self.cells = 0  # cells run so far
        self.proposals = 0  # cells proposed so far: the number of the newest, run or not
        self.looked = not run.has_context
        self._small = self.settings.style == "small"
        self._looks = Looks(run.question, self._small)
        self._human: list[str] = []
        self.first = 1  # the number of the turn to begin with
        self.standing: list[tuple[str, Decision]] = []  # decisions taken before, by the proposal
        window = run.gateway.info(self.settings.model).window
        self._room = folding.room(window, self.settings.max_tokens or DEFAULT_REPLY)
        self.shown = self.settings.limits.output
        if self._small:  # what a small model reads costs it more than its window
            self.shown = min(self.shown, prompts.SMALL_OUTPUT)
        if self._room is not None:  # one output never takes more than a quarter of the room
            self.shown = max(400, min(self.shown, int(self._room * 3 / 4)))

    # -- turns ------------------------------------------------------------------------------

    async def drive(self) -> Outcome:
        """Make turns until there is an answer, or no way on."""
        silent = 0
        for number in range(self.first, self.settings.max_turns + 1):
            await self.gate.boundary()
            with self._turn_node(number, self._told_of_person()) as turn:
                reply = await self._ask(turn, "root")
                if isinstance(reply, Outcome):
                    self.run.emit(TurnEnded(node=turn, status="error", observation=reply.reason))
                    return reply
                parsed = parse_reply(reply.text)
                self._say("assistant", reply.text or "(empty)")
                blocks = _blocks(parsed)
                silent = 0 if blocks else silent + 1
                told, outcome = await self._turn(turn, number, parsed, blocks)
                header = ""
                if outcome is None and number < self.settings.max_turns:
                    header = prompts.turn_header(number + 1, self.settings.max_turns)
                    if self._small and blocks:
                        header += " " + prompts.next_step(self._looks.shown)
                self.run.emit(TurnEnded(node=turn, status="ok" if blocks else "error",
                                        observation=told, header=header))  # fmt: skip
                if outcome is not None:
                    return outcome
                self.say_observation(told, header)
                if self._looks.repeats >= REPEAT_LIMIT:
                    times = REPEAT_LIMIT + 1
                    why = f"The same cell with the same output came {times} times in a row."
                    if not self.settings.attended:
                        return await self.close(why)
                    self._looks.repeats = 0
                    self.gate.paused = True
                    self.gate.reason = f"{why} Take over, resume, or stop."
                if silent >= NO_CODE_LIMIT:
                    why = f"{NO_CODE_LIMIT} replies in a row held no code to run"
                    return await self.close(why, unseen=True)
        turns = self.settings.max_turns
        return await self.close(
            "The one turn is used up." if turns == 1 else f"The {turns} turns are used up."
        )

    @contextmanager
    def _turn_node(self, number: int, told: str) -> Iterator[str]:
        """The node of a turn; whatever ends the run in it also ends the node."""
        turn = self.run.log.new_id("turn")
        self.run.turn = number
        self.run.emit(TurnStarted(node=turn, parent=self.run.node, number=number,
                                  of=self.settings.max_turns, told=told))  # fmt: skip
        try:
            yield turn
        except BaseException as error:
            stopped = isinstance(error, asyncio.CancelledError)
            self.run.emit(TurnEnded(node=turn, status="cancelled" if stopped else "error"))
            raise

    def say_observation(self, told: str, header: str) -> None:
        """Tell the root what came of its turn."""
        self._say("user", f"{told}\n\n{header}" if header else told)

    def _say(self, role: Literal["user", "assistant"], content: str) -> None:
        self.messages.append({"role": role, "content": content})
        self.history.append({"role": role, "content": content})

    async def _turn(
        self, turn: str, number: int, parsed: ParsedReply, blocks: Sequence[str]
    ) -> tuple[str, Outcome | None]:
        if not blocks:
            return parsed.problem or prompts.no_code(), None
        told: list[str] = []
        chosen = blocks[:1] if self.settings.blocks == "first" else blocks
        for code in chosen:
            text, outcome, go_on = await self._cell(turn, number, code)
            told.append(text)
            if outcome is not None or not go_on:
                return "\n\n".join(told), outcome
        if len(blocks) > len(chosen):
            told.append(prompts.later_blocks_dropped(len(blocks) - len(chosen)))
        return "\n\n".join(told), None

    # -- one cell ---------------------------------------------------------------------------

    async def _cell(self, turn: str, number: int, code: str) -> tuple[str, Outcome | None, bool]:
        """Propose, decide and run a cell; give the observation, an end, and whether to go on."""
        cell = self.run.log.new_id("cell")
        self.proposals += 1
        proposal = Proposal(cell, code, self.proposals, number)
        estimate = self.run.estimator.of_code(code)
        self.run.emit(CellProposed(node=cell, parent=turn, code=code, number=proposal.number,
                                   estimate=estimate.as_dict()))  # fmt: skip
        proposed = Proposed(
            code, number, self.settings.depth, estimate, self.settings.allowed_here
        )
        decision = await self._decide(proposal, proposed)
        edited = decision.code if decision.kind == "edit" else None
        self.run.emit(CellDecided(node=cell, decision=decision.kind, by=decision.by, code=edited,
                                  reason=decision.reason, text=decision.text))  # fmt: skip
        if decision.kind == "reject":
            return prompts.rejected(decision.reason), None, False
        if decision.kind == "respond":
            self.looked = True
            return prompts.observation(proposal.number, decision.text), None, True
        ran = edited if edited is not None else code
        if self.gate.asked:  # so a person has allowed what they were told of
            estimate = estimate if edited is None else self.run.estimator.of_code(edited)
        self.run.permission.begin(cell, estimate if self.gate.asked else None)
        result = await self.run_cell(cell, ran, proposal.number)
        self.run.estimator.ran(ran)
        text = observe(result, proposal.number, self.shown)
        again = self.saw(ran, result)
        if edited is not None and edited != code:
            text = prompts.edited(edited) + "\n" + text
        if refused := self.run.permission.told(cell):
            text += "\n" + refused
        if again and result.status == "ok" and not result.answer.ready:
            text += "\n" + prompts.repeated_cell()
        persons = edited is not None  # an answer that a person wrote is theirs to stand by
        refusal, outcome = self._answer(cell, ran, result, persons=persons)
        self._looks.seen.append(text)
        if refusal:
            text += "\n" + refusal
        return text, outcome, result.status == "ok" and not refusal

    def saw(self, code: str, result: CellResult) -> bool:
        """Take in a cell that ran; tell whether it only did what the one before it did."""
        self.looked = self.looked or "context" in code
        return self._looks.again(code, result)

    async def _decide(self, proposal: Proposal, proposed: Proposed) -> Decision:
        run = self.run
        self.gate.asked = False
        if run.until is not None and (why := run.until.reached(proposal.turn, run.used)):
            run.set_until(None)
            self.gate.stepping = why

        if self.standing:
            code, decision = self.standing.pop(0)
            if code == proposal.code:
                return decision
            self.standing.clear()

        def asks() -> str | bool:
            if run.until is not None:
                return ""
            return run.mode.why(proposed) or run.mode.asks(proposed)

        nobody = not (self.settings.attended or self.gate.stepping or self.gate.placed)
        if nobody and self.settings.headless != "error" and asks():
            if self.settings.headless == "approve":
                return Decision("approve", "headless")
            return Decision("reject", "headless", reason="nobody is there to approve it")
        try:
            return await self.gate.decide(proposal, asks)
        except asyncio.CancelledError:
            self.run.emit(CellDecided(node=proposal.id, decision="reject", by="stop",
                                      reason="the run was stopped"))  # fmt: skip
            raise

    async def run_cell(self, cell: str, code: str, number: int) -> CellResult:
        """Run a decided cell and log what came of it."""
        self.cells += 1
        self.run.cell = cell
        self.run.phase_is("running")
        self.run.emit(CellStarted(node=cell, where=self.settings.where))
        try:
            result = await self.run.repl.execute(
                cell, code, limits=self._limits(), number=number
            )
        except asyncio.CancelledError:
            self.run.emit(CellEnded(node=cell, status="interrupted", note="The run was stopped."))
            raise
        except ReplError as error:
            self.run.emit(CellEnded(node=cell, status="died", error=str(error)))
            raise
        finally:
            self.run.cell = ""
        self.run.emit(cell_ended(cell, result, self.run.permission.refusals(cell)))
        self.keep_draft(result)
        if result.status == "interrupted" and self.run.by_a_person():
            self.gate.paused = True
            self.gate.reason = "Interrupted; variables are kept. Resume goes on from here."
        if result.stuck:
            self.gate.paused = True
            self.gate.reason = (
                "The cell could not be stopped and still runs in your kernel, which is yours: "
                "interrupt or restart it, then resume."
            )
        return result

    def keep_draft(self, result: CellResult) -> None:
        """Keep what a cell left in ``answer``."""
        if not result.answer.empty and not result.answer.problem:
            self.draft = Draft(result.answer.content, result.answer.text)

    def _limits(self) -> Limits:
        """The limits of a cell: its own, and what is left of the run's time."""
        limits, left = self.settings.limits, self.run.ledger.seconds_left()
        if left is None or (limits.seconds is not None and limits.seconds <= left):
            return limits
        return replace(limits, seconds=max(0.1, left))

    # -- the answer -------------------------------------------------------------------------

    def _answer(
        self, cell: str, code: str, result: CellResult, *, persons: bool
    ) -> tuple[str, Outcome | None]:
        state = result.answer
        if not state.ready:
            return "", None
        self.looked = self.looked or persons
        reason, detail = self._why_not(code, result, state)
        value: Any = state.content
        if not reason:
            try:
                value = self.settings.answer_type(state.content)
            except AnswerError as error:
                reason, detail = "type", str(error)
        if not (reason or persons) and (second := self._looks.doubt(value)):
            reason, detail = second, f"The value was {text_form(value)[:80]!r}."
        if reason:
            if reason == "problem" and detail in result.output.head:
                detail = ""  # FINAL_VAR has printed it
            refusal = prompts.answer_refused(reason, detail)
            self.run.emit(AnswerGiven(node=cell, accepted=False, answer=state.text, via=state.via,
                                      reason=refusal))  # fmt: skip
            return refusal, None
        text = value if isinstance(value, str) else state.text
        self.run.emit(AnswerGiven(node=cell, answer=text, via=state.via))
        return "", Outcome("done", value, text)

    def _why_not(
        self, code: str, result: CellResult, state: AnswerState
    ) -> tuple[prompts.Refusal | Literal[""], str]:
        if state.problem:
            return "problem", state.problem
        if result.status != "ok":
            return "failed", ""
        if state.empty:
            return "empty", ""
        if not self.looked and self.cells == 1 and "context" not in code:
            return "unseen", ""
        return "", ""

    # -- the root model ---------------------------------------------------------------------

    async def _ask(self, parent: str, role: str) -> Reply | Outcome:
        """Ask the root; on trouble wait for a person where there is one, else close."""
        while True:
            try:
                await self._fold_if_full()
                self.run.phase_is("thinking")
                return await self._in_time(self.complete(tuple(self.messages), parent, role))
            except Cancelled as error:
                self.gate.paused = True
                self.gate.reason = f"{full(error)} Resume asks again."
                await self.gate.boundary()
            except ModelError as error:
                if not self.settings.attended:
                    return await self.close(str(error))
                self.gate.paused = True
                self.gate.short = isinstance(error, BudgetExceeded)
                self.gate.reason = (
                    f"{full(error)} Nothing is lost: resume tries again, stop ends it."
                )
                await self.gate.boundary()

    async def _in_time(self, reply: Coroutine[Any, Any, Reply]) -> Reply:
        """Await a reply, at most as long as the run's time lasts."""
        left = self.run.ledger.seconds_left()
        try:
            async with asyncio.timeout(left):
                return await reply
        except TimeoutError:
            raise BudgetExceeded("The run's time is used up.") from None

    async def complete(self, messages: tuple[Message, ...], parent: str, role: str) -> Reply:
        """Make one call of the root model under ``parent``."""
        settings = self.settings
        options: dict[str, Any] = {
            "max_tokens": settings.max_tokens, "temperature": settings.temperature,
        }  # fmt: skip
        if settings.style == "small":
            small = prompts.small_model_options(self._looks.repeats)
            options["max_tokens"] = settings.max_tokens or small["max_tokens"]
            if options["temperature"] is None:
                options["temperature"] = small["temperature"]
            info = self.run.gateway.info(settings.model)
            if role == "root" and info.local and small.get("grammar"):
                options["constraint"] = Constraint(grammar=small["grammar"])
        request = CallRequest(messages, settings.model, cache=role == "root", **options)
        origin = Origin(self.run.node, parent, role, settings.depth)
        return await self.run.gateway.call(request, origin, self.run.ledger, self.run.log)

    async def close(self, reason: str, *, unseen: bool = False) -> Outcome:
        """End without an accepted answer: the draft, else one forced turn, else failed.

        Args:
            reason: why there was no way on.
            unseen: whether the forced turn is also asked for where no cell ran (said then).
        """
        return await close(self, reason, unseen)

    # -- folding, and what a person did ------------------------------------------------------

    async def _fold_if_full(self) -> None:
        if self._room is None or upper_messages(self.messages) <= self._room:
            return
        if len(self.messages) <= folding.FIXED:
            return
        before = upper_messages(self.messages)

        async def summarize(messages: tuple[Message, ...]) -> str:
            return (await self.complete(messages, self.run.node, "fold")).text

        old = self.messages
        summary = await self.fold(summarize)
        self.run.emit(Folded(node=self.run.node, messages=len(old) - len(self.messages),
                             tokens_before=before, tokens_after=upper_messages(self.messages),
                             summary=summary))  # fmt: skip
        await self.run.repl.set_history([*self.run.earlier, *map(dict, self.history)])

    async def fold(self, summarize: folding.Summarize) -> str:
        """Fold the older messages; give the summary that stands in their place."""
        assert self._room is not None
        self.messages, summary = await folding.fold(
            self.messages, self.run.question, int(self._room * 0.7), summarize
        )
        return summary

    def person_ran(self, text: str) -> None:
        """Remember what a person did, to be told to the model at the next turn."""
        self._human.append(text)
        self.looked = True  # by whatever name: it is a person's work that is submitted now

    def _told_of_person(self) -> str:
        """Tell the root what a person did meanwhile; give what it was told."""
        note = self.gate.handed_back
        self.gate.handed_back = None
        told, self._human = self._human, []
        if note:
            told.append("The person says: " + note)
        if told:
            text = "While a person was at the keyboard:\n" + "\n".join(told)
            self.append(text)
            return text
        return ""

    def append(self, text: str) -> None:
        """Put a text below what the root was told last."""
        for said in (self.messages, self.history):
            last = said[-1]["content"] + "\n\n" if said else ""
            said[-1:] = [{"role": "user", "content": last + text}]


def _blocks(parsed: ParsedReply) -> list[str]:
    """Give the code to run; a final answer in prose becomes the cell that says the same."""
    blocks = [block.code for block in parsed.code_blocks]
    if not blocks and parsed.final is not None:
        final = parsed.final
        blocks = [f"{final.kind}({final.value!r})"]
    return blocks
