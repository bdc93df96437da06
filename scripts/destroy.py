"""Delete an environment, from the last stack to the first. Says before what survives, and what that goes on costing."""

import argparse
from collections.abc import Sequence

from cfn.costs.table import Unpriced
from cfn.environments import ENVIRONMENTS, Environment
from scripts.deploy import confirm, names
from scripts.releases.applying import Applier
from scripts.releases.aws import Aws, connected, in_sentences
from scripts.releases.clock import Clock
from scripts.releases.live import Live, look
from scripts.releases.survivors import survivors
from scripts.synth import selected, tailoring
from scripts.terminal import Problem, Terminal

SUMMARY = "delete an environment"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", metavar="E", required=True, help=f"one of {', '.join(ENVIRONMENTS)}")
    parser.add_argument("--really", metavar="E", help="the environment's name once more, instead of being asked for it")
    parser.add_argument("--list", action="store_true", help="only say what would go and what would stay")
    parser.add_argument("--endpoint", metavar="URL", help="of AWS; for an emulator")
    tailoring(parser)
    parser.set_defaults(weights=None, version=None)


def run(options: argparse.Namespace) -> int:
    (environment,) = selected(options)
    with in_sentences():
        aws, terminal = connected(environment.region, endpoint=options.endpoint), Terminal()
        live = present(aws, environment)
        for line in balance(aws, environment, live):
            terminal.say(f"  {line}")
        if options.list or not live:
            return 0
        if options.really != environment.name:
            confirm(
                f"To delete all of it, type {environment.name}:", [environment.name], f"--really {environment.name}"
            )
        destroy(aws, live, terminal, Clock())
    return 0


def present(aws: Aws, environment: Environment) -> list[Live]:
    """In the order of deployment."""
    found = [look(aws.cloudformation, name) for name in names(environment)]
    return [one for one in found if one is not None]


def balance(aws: Aws, environment: Environment, live: Sequence[Live]) -> list[str]:
    """What goes and what stays, as lines."""
    if not live:
        return [f"There is no stack of {environment.name} in this account."]
    lines = [f"{len(live)} stacks of {environment.name} would go: {', '.join(one.name for one in reversed(live))}."]
    try:
        staying = survivors(aws.cloudformation, environment, live)
    except Unpriced as error:
        raise Problem(f"What survives cannot be priced: {error}") from None
    if not staying:
        return [*lines, "Nothing survives them."]
    total = sum(one.usd for one in staying)
    lines += [f"What survives them costs up to ${total:,.2f} a month, until somebody deletes it:", ""]
    return lines + [f"{one.usd:>8,.2f}  {one}" for one in staying]


def destroy(aws: Aws, live: Sequence[Live], terminal: Terminal, clock: Clock) -> None:
    """Run again, it goes on where it stopped. Raises Problem."""
    applier = Applier(aws=aws, terminal=terminal, clock=clock)
    for one in reversed(live):
        terminal.say(f"  ..  {one.name}")
        if one.protected:
            aws.cloudformation.update_termination_protection(StackName=one.name, EnableTerminationProtection=False)
        if applier.settled(one.name) is not None:
            applier.delete(one)
