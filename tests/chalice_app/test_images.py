"""The clean-up of images: exactly what nothing runs and nobody goes back to, and nothing when anything is unknown."""

import json
from typing import Any

import pytest

from chalicelib import images
from chalicelib.config import Cleanup, Config, ConfigError
from chalicelib.images_plan import family
from tests.chalice_app.calls import CALLS
from tests.chalice_app.registry import HOST, Ecs, Events, ImageFunctions, Registry, Scheduler, digest_of
from tests.chalice_app.stage import Stage
from tests.chalice_app.wire import Wire

SHOP, OTHER = "tandem-dev/product", "tandem-dev/order"
EVERYTHING = {"most_images": 5000, "most_percent": 100, "protected": ["latest", "release-*"]}


class Account:
    """A registry and what uses it. `kept` and `gone` are what a test expects to be left and deleted."""

    def __init__(self, *, delete: bool = True, **options: Any) -> None:
        self.registry, self.ecs, self.functions = Registry(), Ecs(definitions={"first": "nginx:1"}), ImageFunctions()
        self.events, self.scheduler = Events(), Scheduler()
        self.registry.repositories = {SHOP: {}, OTHER: {}}
        self.wire = Wire(
            {
                "ecr": self.registry,
                "ecs": self.ecs,
                "lambda": self.functions,
                "events": self.events,
                "scheduler": self.scheduler,
            }
        )
        cleanup = Cleanup(repositories=(SHOP, OTHER), delete=delete, options={**EVERYTHING, **options})
        self.stage = Stage(Config(environment="dev", cleanup=cleanup), self.wire.client)
        self.kept: set[str] = set()
        self.gone: set[str] = set()

    def keep(self, name: str, *, days: float, **more: Any) -> str:
        digest = self.registry.put(SHOP, name, days=days, **more)
        self.kept.add(digest)
        return digest

    def lose(self, name: str, *, days: float, **more: Any) -> str:
        digest = self.registry.put(SHOP, name, days=days, **more)
        self.gone.add(digest)
        return digest

    def clean(self) -> dict[str, Any]:
        return images.clean(self.stage.operations)

    @property
    def left(self) -> set[str]:
        return set(self.registry.repositories[SHOP])


def crowded(**options: Any) -> Account:
    """2,000 images of every kind, and everything that may use one."""
    account = Account(**options)
    versions(account)
    used(account)
    indexes(account)
    companions(account)
    odd_ones(account)
    return account


def versions(account: Account) -> None:
    for number in range(1, 1201):
        act = account.keep if number <= 10 else account.lose
        act(f"main {number}", days=10 + number, tags=[f"main-{digest_of(str(number))[7:19]}"])


def used(account: Account) -> None:
    """Old ones, each in use in a way of its own."""

    def tagged(way: str) -> str:
        account.keep(way, days=2000, tags=[f"main-0{digest_of(way)[7:19]}"])
        return f"{HOST}/{SHOP}:main-0{digest_of(way)[7:19]}"

    def pinned(way: str) -> str:
        return f"{HOST}/{SHOP}@{account.keep(way, days=2000)}"

    ecs = account.ecs
    ecs.tasks = [{"image": "nginx:1", "imageDigest": account.keep(f"task {n}", days=2000)} for n in range(120)]
    ecs.tasks += [{"image": tagged("pending task")}, {"image": pinned("pending pinned task")}]
    ecs.definitions |= {"second": tagged("deployment"), "third": pinned("deployment by digest")}
    ecs.definitions |= {"rule": pinned("rule"), "family": tagged("schedule")}
    ecs.deployed = ["first", "second", "third"]
    account.events.targets, account.scheduler.targets = {"nightly": "rule"}, {"weekly": "family"}
    ecs.revisions = {
        name: {"image": "nginx:1", "imageDigest": account.keep(f"revision {name}", days=2000)}
        for name in ("now", "before", "back", "earlier")
    }
    ecs.revisions |= {
        name: {"image": "nginx:1", "imageDigest": account.lose(f"revision {name}", days=2000)}
        for name in ("old", "older")
    }
    ecs.deploy(1, "IN_PROGRESS", source="before", target="now", rollback="back")
    ecs.deploy(2, "SUCCESSFUL", source="before", target="now")
    ecs.deploy(3, "ROLLBACK_SUCCESSFUL", source="earlier", target="before")
    ecs.deploy(4, "SUCCESSFUL", source="older", target="old")
    function = "arn:aws:lambda:us-east-1:123456789012:function:tandem"
    account.functions.versions = {
        f"{function}:$LATEST": pinned("function"),
        f"{function}:1": pinned("first version"),
        f"{function}:2": pinned("version of an alias"),
        f"{function}-zip": None,
    }


def indexes(account: Account) -> None:
    for number in range(1, 101):
        keep = number <= 10 or number in {50, 60}
        act = account.keep if keep else account.lose
        parts = [act(f"index {number} {part}", days=30 + number) for part in ("amd64", "arm64", "attestation")]
        act(f"index {number}", days=30 + number, tags=[f"multi-{number}"], children=parts)
    running = (digest_of("index 50 arm64"), digest_of("index 60"))
    account.ecs.tasks += [{"image": "nginx:1", "imageDigest": digest} for digest in running]
    inner = account.lose("inner index", days=99, children=[account.lose("innermost", days=99)])
    account.lose("outer index", days=99, children=[inner])
    account.keep("young index", days=1, children=[account.keep("old part of a young index", days=300)])


def companions(account: Account) -> None:
    for number in range(5, 25):
        act, subject = (account.keep if number <= 10 else account.lose), digest_of(f"main {number}")
        act(f"referrer {number}", days=40, subject=subject)
        signed = act(f"signature {number}", days=40, tags=[f"{subject.replace(':', '-')}.sig"])
        act(f"signature of the signature {number}", days=40, subject=signed)
    account.lose("signature of nothing", days=40, tags=[f"sha256-{'0' * 64}.sig"])


def odd_ones(account: Account) -> None:
    account.keep("latest", days=900, tags=["latest", "main-00000001"])
    account.lose("not latest", days=900, tags=["main-0-not-latest"])
    account.keep("release", days=900, tags=["release-1", "main-00000003"])
    account.keep("archived", days=900, tags=["main-00000004"], status="ARCHIVED")
    account.keep("only one of its family", days=900, tags=["hotfix-1"])
    account.keep("young signature of nothing", days=1, tags=[f"sha256-{'1' * 64}.sig"])
    for number in range(12):
        act = account.keep if number < 10 else account.lose
        act(f"busy {number}", days=number / 10, tags=[f"busy-{number}"])
    for number in range(50):
        account.keep(f"young {number}", days=number / 10)
    left = 2000 - len(account.kept) - len(account.gone)
    for number in range(left):
        account.lose(f"untagged {number}", days=8 + number)


@pytest.fixture(scope="module")
def cleaned() -> tuple[Account, dict[str, Any]]:
    account = crowded()
    return account, account.clean()


def test_of_two_thousand_images_exactly_the_unused_are_deleted(cleaned: tuple[Account, dict[str, Any]]) -> None:
    account, report = cleaned
    assert len(account.kept) + len(account.gone) == 2000
    assert (account.left - account.kept, account.kept - account.left) == (set(), set())
    assert {one["digest"] for one in report["repositories"][0]["images"]} == account.gone
    assert report["repositories"][0]["failed"] == {}
    assert max(account.registry.batches) == 100


def test_what_was_done_is_counted_and_told(cleaned: tuple[Account, dict[str, Any]]) -> None:
    account, report = cleaned
    shop = report["repositories"][0]
    assert account.stage.counted["ImagesDeleted"] == len(account.gone)
    assert account.stage.counted["ImagesScanned"] == 2000
    assert account.stage.counted["ImagesBytesAtMost"] == 1000 * len(account.gone)
    assert sum(shop["kept"].values()) == len(account.kept)
    assert {"in-use", "protected-tag", "newest-of-family", "young", "archived"} < shop["kept"].keys()
    (message,) = account.stage.told
    assert message.fields["Deleted"] == str(len(account.gone))


def test_the_calls_are_those_that_the_policy_allows(cleaned: tuple[Account, dict[str, Any]]) -> None:
    account, _ = cleaned
    assert account.wire.actions == CALLS["clean_images"]


def test_a_second_run_finds_nothing(cleaned: tuple[Account, dict[str, Any]]) -> None:
    account, _ = cleaned
    again = account.clean()
    assert again["repositories"][0]["images"] == []
    assert account.left == account.kept


def test_a_rehearsal_says_the_same_in_another_verb(cleaned: tuple[Account, dict[str, Any]]) -> None:
    _, report = cleaned
    account = crowded(delete=False)
    rehearsed = account.clean()
    assert "ecr:BatchDeleteImage" not in account.wire.actions
    assert json.loads(json.dumps(rehearsed).replace("would be deleted", "deleted")) == report | {"verb": "deleted"}
    assert account.stage.counted["ImagesDeleted"] == 0


@pytest.mark.parametrize("consent", [{}, {"tandem:clean-up": "off"}], ids=str)
def test_a_repository_without_the_tag_is_only_rehearsed(consent: dict[str, str]) -> None:
    account = small()
    account.registry.consent = consent
    assert account.clean()["repositories"][0]["verb"] == "would be deleted"
    assert account.gone <= account.left


LOOK_UPS = sorted(CALLS["clean_images"] - {"ecr:BatchDeleteImage"})


@pytest.mark.parametrize("call", LOOK_UPS)
def test_one_look_up_that_fails_and_nothing_is_deleted(call: str) -> None:
    account = small()
    account.wire.broken = {call}
    with pytest.raises(images.CleaningFailed):
        account.clean()
    assert "ecr:BatchDeleteImage" not in account.wire.actions
    assert account.gone <= account.left
    (message,) = account.stage.told
    assert message.title == "Images: given up, nothing was touched"
    assert account.stage.counted["ImagesFailed"] == 1


def test_an_index_that_cannot_be_read_and_nothing_is_deleted() -> None:
    account = small()
    account.registry.unreadable = {digest_of("index")}
    with pytest.raises(images.CleaningFailed, match="cannot be read"):
        account.clean()
    assert account.gone <= account.left


@pytest.mark.parametrize(("reason", "fails"), [("MISSING", False), ("ACCESS", True)])
def test_a_task_that_ended_meanwhile_is_no_failed_look_up(reason: str, fails: bool) -> None:
    account = small()
    account.ecs.failures = [{"arn": "task/0", "reason": reason}]
    if fails:
        with pytest.raises(images.CleaningFailed, match=reason):
            account.clean()
    else:
        account.clean()
    assert (account.gone <= account.left) is fails


def test_failures_are_read_and_what_an_index_still_names_is_kept() -> None:
    account = small()
    stubborn = digest_of("index")
    account.registry.stubborn = {stubborn}
    entry = account.clean()["repositories"][0]
    assert entry["failed"] == {stubborn: "KmsError"}
    assert entry["kept"]["named-by-an-index"] == 1
    assert account.left == account.kept | {stubborn, digest_of("part")}


def test_a_call_that_fails_while_deleting_ends_in_the_report() -> None:
    account = small()
    account.wire.broken = {"ecr:BatchDeleteImage"}
    entry = account.clean()["repositories"][0]
    assert entry["images"] == []
    assert set(entry["failed"]) == account.gone


def test_a_run_without_time_deletes_no_more() -> None:
    account = small()
    account.stage.remaining = lambda: 9.0
    entry = account.clean()["repositories"][0]
    assert set(entry["failed"].values()) == {"out of time"}
    assert account.gone <= account.left


@pytest.mark.parametrize(
    ("options", "most"), [({"most_percent": 10}, 10), ({"most_images": 3}, 3), ({"most_images": 0}, 0)]
)
def test_a_run_deletes_no_more_than_its_share_oldest_first(options: dict[str, Any], most: int) -> None:
    account = Account(**options)
    for number in range(100):
        account.lose(f"untagged {number}", days=100 + number)
    entry = account.clean()["repositories"][0]
    oldest = {digest_of(f"untagged {number}") for number in range(100 - most, 100)}
    assert account.gone - account.left == oldest
    assert entry["kept"] == {"over-the-limit-of-a-run": 100 - most}


def test_the_limit_is_one_of_the_run_and_not_of_each_repository() -> None:
    account = Account(most_images=3)
    for number in range(2):
        account.lose(f"untagged {number}", days=100)
        account.registry.put(OTHER, f"other {number}", days=100)
    report = account.clean()
    assert [len(entry["images"]) for entry in report["repositories"]] == [2, 1]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("main-3f2a91c", "main"),
        ("release-2026.06.01", "release"),
        ("v1.2.3", "v"),
        ("3f2a91cdeadbeef", ""),
        ("1.2.3", ""),
        ("hot-fix-7", "hot-fix"),
        ("main-deadbeef", "main"),
        ("latest", "latest"),
    ],
)
def test_tags_of_one_kind_are_a_family(tag: str, expected: str) -> None:
    assert family(tag) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"keep_newest": "ten"},
        {"keep_newest": -1},
        {"protected": "latest"},
        {"most_percent": 101},
        {"untagged_days": True},
    ],
    ids=str,
)
def test_rules_that_are_none_are_refused_before_anything_is_looked_up(options: dict[str, Any]) -> None:
    account = Account(**options)
    with pytest.raises(ConfigError):
        account.clean()
    assert account.wire.calls == []


def small() -> Account:
    """A few images, each of another kind, and one of everything that has to be looked up."""
    account = Account()
    account.lose("index", days=100, children=[account.lose("part", days=100)])
    account.lose("old", days=100)
    account.keep("young", days=1)
    running = account.keep("running", days=100)
    account.ecs.tasks = [{"image": "nginx:1", "imageDigest": running}]
    account.ecs.revisions = {"now": {"image": "nginx:1", "imageDigest": running}}
    account.ecs.deploy(1, "SUCCESSFUL", source="now", target="now")
    account.events.targets, account.scheduler.targets = {"nightly": "first"}, {"weekly": "first"}
    account.functions.versions = {"arn:aws:lambda:us-east-1:123456789012:function:f": f"{HOST}/{SHOP}@{running}"}
    return account
