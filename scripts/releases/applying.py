"""One stack brought to what is wanted, from whatever state somebody left it in."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from cfn.stacks import Stack
from scripts.releases import change_sets
from scripts.releases.aws import Aws
from scripts.releases.changes import Change
from scripts.releases.clock import Clock
from scripts.releases.differences import difference
from scripts.releases.events import Event, Outcome, Told, first_cause, follow
from scripts.releases.live import Can, Live, look
from scripts.terminal import Problem, Terminal

WIDTH = 44
WELL = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Applier:
    """`allowed` are the logical ids of stateful resources that may go; `role` is what CloudFormation acts as."""

    aws: Aws
    terminal: Terminal
    clock: Clock
    allowed: frozenset[str] = frozenset()
    role: str | None = None
    token: Callable[[], str] = lambda: secrets.token_hex(16)

    def apply(self, stack: Stack, *, protect: bool) -> bool:
        """Whether there was anything to do. Raises Problem."""
        live = self.ready(stack.name)
        if difference(stack, live).nothing:
            self._protected(stack.name, live, protect)
            return self._idle(stack)
        new = live is None or live.can is Can.CREATE
        made = change_sets.make(self.aws.cloudformation, stack, new=new, role=self.role, clock=self.clock)
        if made is None:
            return self._idle(stack)
        self.terminal.say(f"  ..  {stack.name}: {stack.row.purpose}")
        if not new:
            self._show(made)
        outcome = self._carried_out(made)
        if outcome.status not in WELL:
            raise Problem(self._failure(stack.name, outcome))
        after = look(self.aws.cloudformation, stack.name)
        if not difference(stack, after).nothing:
            raise Problem(
                f"Somebody else changed {stack.name} at the same time; look what is there, and run this again."
            )
        self._protected(stack.name, after, protect)
        return True

    def ready(self, name: str) -> Live | None:
        """The stack once it can be changed: what is under way is waited for, what failed at first is cleared away, and
        a rollback that got stuck is tried once more. Raises Problem when that does not help."""
        live = self.settled(name)
        if live is not None and live.can is Can.MEND:
            live = self._mended(live)
        if live is not None and live.can is Can.CLEAR:
            self._clear(live)
            live = None
        if live is not None and live.can is Can.NOTHING:
            raise Problem(f"{name} is {live.status}: {live.reason} End the deletion first: scripts/tandem destroy.")
        return live

    def settled(self, name: str) -> Live | None:
        """The stack once CloudFormation rests."""
        live = look(self.aws.cloudformation, name)
        if live is None or live.can is not Can.WAIT:
            return live
        self.terminal.say(f"  ..  {name} is {live.status}; following what is under way")
        self.follow(live.id)
        return look(self.aws.cloudformation, name)

    def _clear(self, live: Live) -> None:
        self.terminal.say(f"  ..  {live.name} is {live.status}: its first creation failed, so it is cleared away")
        self.delete(live)

    def delete(self, live: Live) -> None:
        """Raises Problem."""
        token = self.token()
        self.aws.cloudformation.delete_stack(StackName=live.id, ClientRequestToken=token)
        outcome = self.follow(live.id, token)
        if outcome.status != "DELETE_COMPLETE":
            raise Problem(
                f"{live.name} could not be deleted: {self._cause(outcome)}. Put that right and run this again."
            )

    def _mended(self, live: Live) -> Live | None:
        self.terminal.say(f"  ..  {live.name} is {live.status}: {live.reason} Trying the rollback once more")
        token = self.token()
        self.aws.cloudformation.continue_update_rollback(StackName=live.name, ClientRequestToken=token)
        outcome = self.follow(live.id, token)
        if outcome.status != "UPDATE_ROLLBACK_COMPLETE":
            cause = self._cause(outcome)
            raise Problem(
                f"The rollback of {live.name} is stuck again: {cause}. Put right by hand what it complains of, or leave"
                f" that resource out: aws cloudformation continue-update-rollback --stack-name {live.name}"
                f" --resources-to-skip {cause.split(' ')[0]}. Then run this again."
            )
        return look(self.aws.cloudformation, live.name)

    def _idle(self, stack: Stack) -> bool:
        self.terminal.say(f"  ok  {stack.name}: nothing to do")
        return False

    def _show(self, made: change_sets.ChangeSet) -> None:
        for change in made.changes:
            self.terminal.say(f"      {self.terminal.paint(str(change), 'red' if change.endangers else 'dim')}")
        for change in made.changes:
            if change.endangers and change.resource not in self.allowed:
                change_sets.discard(self.aws.cloudformation, made.stack.name, made.name)
                raise Problem(endangered(change))

    def _carried_out(self, made: change_sets.ChangeSet) -> Outcome:
        token = self.token()
        change_sets.carry_out(self.aws.cloudformation, made, token)
        return self.follow(made.stack.name, token)

    def follow(self, stack: str, token: str | None = None) -> Outcome:
        """To the end of what was begun with the token, or of what is under way. `stack` is a name or an id."""
        try:
            return follow(self.aws.cloudformation, stack, token=token, tell=self._tell, clock=self.clock)
        except KeyboardInterrupt:
            name = stack.split("/")[1] if stack.startswith("arn:") else stack
            self.terminal.say(
                f"\n  CloudFormation goes on with {name}; run the same command again to follow it."
                f" To take an update back: aws cloudformation cancel-update-stack --stack-name {name}"
            )
            raise

    def _tell(self, told: Told) -> None:
        event = told.event
        sign, colour = ("no", "red") if event.status.endswith("_FAILED") else ("ok", "green")
        what = f"{event.resource} ({event.type.removeprefix('AWS::')})"
        verb = event.status.removesuffix("_COMPLETE").lower().replace("_", " ")
        self.terminal.say(f"      {self.terminal.paint(sign, colour)}  {what:<{WIDTH}}{told.seconds:7.1f} s  {verb}")

    def _cause(self, outcome: Outcome) -> str:
        cause: Event | None = first_cause(self.aws.cloudformation, outcome)
        return f"{cause.resource} ({cause.type}): {cause.reason}" if cause else "CloudFormation does not say why"

    def _failure(self, name: str, outcome: Outcome) -> str:
        return f"{name} failed at {self._cause(outcome)} {AFTERWARDS.get(outcome.status, f'It is {outcome.status}.')}"

    def _protected(self, name: str, live: Live | None, protect: bool) -> None:
        if protect and live is not None and not live.protected:
            self.aws.cloudformation.update_termination_protection(StackName=name, EnableTerminationProtection=True)


AFTERWARDS = {
    "ROLLBACK_COMPLETE": "What it had made is gone again; put that right and run this again.",
    "UPDATE_ROLLBACK_COMPLETE": "The stack is back at what ran before; put that right and run this again.",
    "UPDATE_ROLLBACK_FAILED": "The way back failed, too; run this again, and the rollback is tried once more.",
    "DELETE_COMPLETE": "Somebody has deleted it meanwhile.",
}


def endangered(change: Change) -> str:
    what = "replace" if change.action == "replace" else "delete"
    why = f" because of {', '.join(change.properties)}" if change.properties else ""
    return (
        f"This would {what} {change.resource} ({change.type}) of {change.stack}{why}, and what it holds cannot be made"
        f" again. If you mean it: --replace-stateful {change.resource}."
    )
