"""What the log clean-up may do to a group or stream: rules over what CloudWatch Logs says about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

# What PutRetentionPolicy takes, in days; anything else is refused by AWS.
RETENTIONS = frozenset(
    (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
)
OPT_OUT = ("tandem:clean-up", "off")  # the tag of a group that is left alone


class Left(StrEnum):
    """Why a group is left alone."""

    DELIVERY = "delivery-class"  # its two days are fixed
    PROTECTED = "deletion-protection"
    OPTED_OUT = "opted-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    name: str
    arn: str
    retention: int | None  # days
    kind: str = "STANDARD"
    protected: bool = False

    @property
    def left(self) -> Left | None:
        if self.kind == "DELIVERY":
            return Left.DELIVERY
        return Left.PROTECTED if self.protected else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`days` for groups that have no end; with `override` for all. `floors` are least days by prefix of audit logs.

    Raises ValueError for days that CloudWatch Logs would refuse.
    """

    days: int = 7
    override: bool = False
    floors: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for days in (self.days, *self.floors.values()):
            if days not in RETENTIONS:
                raise ValueError(f"{days} days are none of the retentions of CloudWatch Logs")

    def retention(self, group: Group) -> int | None:
        """What to set, or None when it may stay."""
        floor = max((days for prefix, days in self.floors.items() if group.name.startswith(prefix)), default=0)
        wanted = max(self.days, floor)
        if group.retention is None:
            return wanted
        return wanted if self.override and group.retention != wanted else None


def group(described: Mapping[str, Any]) -> Group:
    arn = described.get("logGroupArn") or described["arn"].removesuffix(":*")
    return Group(
        name=described["logGroupName"],
        arn=arn,
        retention=described.get("retentionInDays"),
        kind=described.get("logGroupClass", "STANDARD"),
        protected=described.get("deletionProtectionEnabled", False),
    )


def expired(stream: Mapping[str, Any], retention: int, now: datetime) -> bool:
    """Nothing has happened for the retention and a day. `storedBytes` is 0 for every stream and says nothing."""
    limit = (now - timedelta(days=retention + 1)).timestamp() * 1000
    moments = [stream.get(key) for key in ("creationTime", "lastIngestionTime", "lastEventTimestamp")]
    return moments[0] is not None and all(moment is None or moment < limit for moment in moments)
