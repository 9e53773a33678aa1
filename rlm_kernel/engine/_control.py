"""The commands as methods: short forms of ``send`` for the keyboard and for scripts."""

from __future__ import annotations

from ..protocol import Ack, Command
from ..protocol import control as commands


class Steering:
    """What a person can do to a run; each method sends one command and gives the answer."""

    def send(self, command: Command) -> Ack:
        """Take a command."""
        raise TypeError("a Steering has no run to send to")

    def approve(self, proposal: str = "") -> Ack:
        """Run the proposal that waits, or let the calls be made that wait to be allowed."""
        return self.send(commands.Approve(proposal=proposal))

    def edit(self, code: str, proposal: str = "") -> Ack:
        """Run this code instead of the proposal."""
        return self.send(commands.Edit(proposal=proposal, code=code))

    def reject(self, reason: str = "", proposal: str = "") -> Ack:
        """Don't run the proposal, or don't make the calls; the model is told why."""
        return self.send(commands.Reject(proposal=proposal, reason=reason))

    def respond(self, text: str, proposal: str = "") -> Ack:
        """Give the observation by hand, without running the proposal."""
        return self.send(commands.Respond(proposal=proposal, text=text))

    def pause(self) -> Ack:
        """Pause at the next boundary."""
        return self.send(commands.Pause())

    def resume(self) -> Ack:
        """Go on with the same proposal."""
        return self.send(commands.Resume())

    def step(self) -> Ack:
        """Run the waiting proposal and wait again at the next one."""
        return self.send(commands.Step())

    def run_to(self, until: str) -> Ack:
        """Go on without asking until ``"error"``, ``"child"``, ``"turn 5"`` or ``"$0.50"``."""
        return self.send(commands.RunTo(until=until))

    def stop(self) -> Ack:
        """End the run at once."""
        return self.send(commands.Stop())

    def interrupt(self) -> Ack:
        """Interrupt the running cell and pause; twice within 3 s stops the run."""
        return self.send(commands.Interrupt())

    def cancel(self, node: str) -> Ack:
        """Cancel one node and what is below it."""
        return self.send(commands.Cancel(node=node))

    def retry(self, node: str) -> Ack:
        """Try a call in flight again."""
        return self.send(commands.Retry(node=node))

    def answer_call(self, node: str, text: str) -> Ack:
        """Answer a call in flight, or a question to a person, by hand."""
        return self.send(commands.AnswerCall(node=node, text=text))

    def take_over(self) -> Ack:
        """Write the cells yourself from here on."""
        return self.send(commands.TakeOver())

    def hand_back(self, note: str = "") -> Ack:
        """Let the model go on; it is told what you did, and the note."""
        return self.send(commands.HandBack(note=note))

    def set_mode(self, mode: str) -> Ack:
        """Change how proposals are decided."""
        return self.send(commands.SetMode(mode=mode))

    def set_budget(self, budget: str) -> Ack:
        """Set the budget anew; what was used stays used."""
        return self.send(commands.SetBudget(budget=budget))
