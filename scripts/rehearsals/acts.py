"""The acts of a rehearsal, each through the code that deploys, and each with what has to be true at its end."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from cfn.boxes.registry import repository_name
from cfn.doctor.expectations import ENVIRONMENTS as EXPECTED
from cfn.doctor.expectations import Expectations
from cfn.environments import Environment, environment
from cfn.names import stack_name
from cfn.stacks import Stack
from scripts import destroy
from scripts.deploy import names
from scripts.rehearsals import cloud, gaps, readback
from scripts.rehearsals.deployed import Account
from scripts.rehearsals.shop import Shop
from scripts.releases.asked import Asked
from scripts.releases.clock import Clock
from scripts.releases.live import Live, look, resources
from scripts.releases.preflight import problems
from scripts.releases.release import Plan, Release, planned
from scripts.releases.traffic import RULE, traffic
from scripts.terminal import Problem, Terminal

QUICK = Clock(pause=0.05)  # what takes AWS minutes takes the emulator milliseconds
NOWHERE = "Z0000000000000NOWHERE"
Act = Callable[[], str]


@dataclass(slots=True, kw_only=True)
class Stage:
    """`asked` and `expected` are what is wanted by now; `quiet` takes what the deployments say."""

    account: Account
    shop: Shop
    asked: Asked
    expected: Expectations
    quiet: Terminal

    @property
    def acts(self) -> Iterator[tuple[str, Act]]:
        """What each shows, and itself."""
        yield "from an empty account", self.opening
        yield "the same again", self.again
        yield "read back", self.read_back
        yield "another version", self.update
        yield "while failed over", self.failed_over
        yield "an update that fails", self.failing
        yield "a database in danger", self.danger
        if self.asked.environment.name == "dev":
            yield "dev becomes prod", self.grown
        yield "the end", self.end

    def opening(self) -> str:
        """The registry, then a stop until there are images, then everything."""
        self.refused("There is no image", lambda: self.deploy("v1"))
        self.push("v1")
        self.deploy("v1")
        return f"{len(self.plan('v1').live)} stacks, order {self.shop.purchase()}"

    def again(self) -> str:
        hold(not self.deploy("v1"), "A second deployment of the same found something to do.")
        return "nothing had to be done"

    def read_back(self) -> str:
        world = self.account.world()
        lost, given = readback.dropped(self.account, world), readback.given(world)
        for sentence in gaps.wrong(lost, given):
            raise Problem(sentence)
        return f"{len(given - lost)} kinds of fields are what the templates say, {len(lost)} the emulator drops"

    def update(self) -> str:
        """In containers and functions; the data stays."""
        before = self.shop.purchase()
        self.push("v2")
        self.deploy("v2")
        found = {one.parameters["Version"] for one in self.live() if "Version" in one.parameters}
        hold(found == {"v2"}, f"After the update there are the versions {', '.join(sorted(found))}.")
        self.shop.ask("GET", f"/orders/{before}", self.shop.staff)
        return f"order {before} is still there, and so is {self.shop.purchase()}"

    def failed_over(self) -> str:
        """Nobody deploys over a failover by accident, and who means it does not undo it."""
        self.weigh("product", 0, 100)
        self.asked = replace(self.asked, environment=scaled(self.asked.environment))
        self.refused("--while-failed-over", lambda: self.deploy("v2"))
        hold(self.deploy("v2", while_failed_over=True), "There was nothing to deploy.")
        hold(self.weights("product") == (0, 100), "A deployment moved traffic back.")
        self.weigh("product", 100, 0)
        return "refused, then deployed without moving anything"

    def failing(self) -> str:
        """It is rolled back, and its first cause is named."""
        name = stack_name(self.asked.environment, "product")
        before = look(self.account.aws.cloudformation, name)
        words = f"failed at Broken (AWS::Route53::RecordSet): No hosted zone with id '{NOWHERE}'"
        self.refused(words, lambda: self.carry_out(self.plan_with("product", broken)))
        after = look(self.account.aws.cloudformation, name)
        hold(after and after.status == "UPDATE_ROLLBACK_COMPLETE", "There was no rollback.")
        hold(before and after and before.template == after.template, "The rollback left something else.")
        hold(self.weights("product") == (100, 0), "The rollback moved traffic as it was moved once.")
        hold(not self.deploy("v2"), "The rollback left something to do.")
        return "rolled back"

    def danger(self) -> str:
        """What would lose the database is refused before anything is done."""
        self.refused("--replace-stateful Database", lambda: self.carry_out(self.plan_with("data", renamed)))
        return "its replacement was refused"

    def grown(self) -> str:
        """In place: nothing that holds data is made anew."""
        prod, small = environment("prod"), self.asked.environment
        addresses = replace(small.addresses, nat=prod.addresses.nat)
        larger = replace(prod, name=small.name, site=small.site, addresses=addresses)
        self.asked = replace(self.asked, environment=larger)
        self.expected = replace(EXPECTED["prod"], environment=small.name)
        self.deploy("v2")
        found = self.account.client("rds").describe_db_instances()["DBInstances"]
        (main,) = (one for one in found if one["DBInstanceIdentifier"] == f"tandem-{small.name}")
        hold(main["MultiAZ"], "The database stands in one zone only.")
        protected = {one.name for one in self.live() if one.protected}
        hold(len(protected) == 3, f"Protected against deletion are {', '.join(sorted(protected)) or 'none'}.")
        return f"{main['DBInstanceClass']}, Multi-AZ, {len(protected)} stacks protected"

    def end(self) -> str:
        """As docs/operations.md has it: protection off, then destroy; what is listed survives."""
        environment = self.asked.environment
        database = replace(environment.database, deletion_protection=False)
        self.asked = replace(self.asked, environment=replace(environment, protected=False, database=database))
        self.expected = replace(self.expected, deletion_protection=False)
        self.deploy("v2")
        aws, live = self.account.aws, destroy.present(self.account.aws, environment)
        lines = destroy.balance(aws, environment, live)
        destroy.destroy(aws, live, self.quiet, QUICK)
        hold(not destroy.present(aws, environment), "Not every stack has gone.")
        hold(self.account.client("rds").describe_db_snapshots()["DBSnapshots"], "The database left no snapshot.")
        return next(line for line in lines if "$" in line).rpartition(",")[0]

    # --- what they are made of --------------------------------------------------------------------------------------

    def plan(self, tag: str, *, while_failed_over: bool = False) -> Plan:
        asked = replace(self.asked, tag=tag, while_failed_over=while_failed_over)
        return planned(self.account.aws, asked, names(asked.environment))

    def deploy(self, tag: str, *, while_failed_over: bool = False) -> bool:
        """As the verb does it. Raises Problem."""
        plan = self.plan(tag, while_failed_over=while_failed_over)
        refusals = [*problems(plan.asked.environment, plan.stacks, expectations=self.expected), *plan.refusals]
        if refusals:
            raise Problem("\n".join(refusals))
        if any(one.parameters.get("Version", ("", ""))[1] for one in plan.differences):
            self.shop.close()  # opened again, with what is deployed by then, when it is tried
        return self.carry_out(plan)

    def carry_out(self, plan: Plan) -> bool:
        release = Release(aws=self.account.aws, plan=plan, terminal=self.quiet, clock=QUICK, fetch=self.shop.fetch)
        return release.carry_out()

    def plan_with(self, row: str, change: Callable[[Stack], Stack]) -> Plan:
        plan = self.plan("v2")
        stacks = [change(stack) if stack.row.name == row else stack for stack in plan.stacks]
        return replace(plan, stacks=stacks)

    def push(self, tag: str) -> None:
        environment = self.asked.environment
        for service in environment.services:
            cloud.push(self.account.aws.ecr, repository_name(environment, service.name), tag)

    def live(self) -> list[Live]:
        return destroy.present(self.account.aws, self.asked.environment)

    def weigh(self, service: str, fargate: int, fallback: int) -> None:
        """As the operations app does it: one rule, two weights."""
        name, elbv2 = stack_name(self.asked.environment, service), self.account.aws.elbv2
        there = resources(self.account.aws.cloudformation, name).values()
        (arn,) = (one["PhysicalResourceId"] for one in there if one["ResourceType"] == RULE)
        (rule,) = elbv2.describe_rules(RuleArns=[arn])["Rules"]
        groups = [one["TargetGroupArn"] for one in rule["Actions"][0]["ForwardConfig"]["TargetGroups"]]
        shares = zip(sorted(groups, key=lambda group: "-lambda/" in group), (fargate, fallback), strict=True)
        tuples = [{"TargetGroupArn": group, "Weight": weight} for group, weight in shares]
        elbv2.modify_rule(RuleArn=arn, Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": tuples}}])

    def weights(self, service: str) -> tuple[int, int]:
        live = {one.name: one for one in self.live()}
        found = traffic(self.account.aws, self.asked.environment, live)[service]
        return found.fargate, found.fallback

    def refused(self, words: str, attempt: Callable[[], object]) -> None:
        """Raises Problem unless the attempt does, with these words."""
        try:
            attempt()
        except Problem as refusal:
            if words not in str(refusal):
                raise
            return
        raise Problem(f"This was not refused: {words}")


def hold(holds: object, sentence: str) -> None:
    if not holds:
        raise Problem(sentence)


def scaled(environment: Environment) -> Environment:
    return replace(environment, scaling=replace(environment.scaling, requests=1000))


def broken(stack: Stack) -> Stack:
    """With a record in a zone that is not there, after everything else has been updated."""
    body = json.loads(stack.body)
    others = [name for name in body["Resources"] if name != "Broken"]
    body["Resources"]["Broken"] = {
        "Type": "AWS::Route53::RecordSet",
        "DependsOn": others,
        "Properties": {
            "HostedZoneId": NOWHERE,
            "Name": "broken.example.com",
            "Type": "A",
            "TTL": "60",
            "ResourceRecords": ["192.0.2.1"],
        },
    }
    body["Resources"]["TaskDefinition"]["Properties"]["Cpu"] = "1024"
    return replace(stack, body=json.dumps(body))


def renamed(stack: Stack) -> Stack:
    body = json.loads(stack.body)
    body["Resources"]["Database"]["Properties"]["DBInstanceIdentifier"] += "-2"
    return replace(stack, body=json.dumps(body))
