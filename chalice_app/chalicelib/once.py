"""Telling a thing once, however often its event comes.

The ledger serves us and not the other way round: when it cannot be reached a message is told anyway, perhaps twice,
because a doubled alarm is a nuisance and a lost one is an outage.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from chalicelib.again import TryAgain
from chalicelib.operations import Count, Time

Entry = Literal["new", "done", "busy"]

log = logging.getLogger("operations.once")


class StillInProgress(TryAgain):
    """Another invocation is telling this now, or died of it."""


class Ledger(Protocol):
    """What has been told, by key. Any error that it raises means that it cannot be reached.

    `seconds` are those after which an unfinished entry is that of a dead invocation.
    """

    def begin(self, key: str, seconds: float) -> Entry: ...
    def finish(self, key: str) -> None: ...
    def abandon(self, key: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """`ledger` opens it, and is None where there is no table: then everything is told as often as it comes."""

    ledger: Callable[[], Ledger] | None
    time: Time
    count: Count

    def tell(self, key: str, telling: Callable[[], object]) -> bool:
        """Run it, unless that has been done under this key. True when it ran.

        Raises StillInProgress, and what `telling` raises; the key is free again then.
        """
        name = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
        entry = self._begin(name)
        if entry == "busy":
            raise StillInProgress("another invocation is at it")
        if entry == "done":
            self.count("Repeated")
            return False
        try:
            telling()
        except BaseException:
            self._note(name, "abandon")
            raise
        self._note(name, "finish")
        return True

    def _begin(self, name: str) -> Entry:
        try:
            return self.ledger().begin(name, self.time.remaining()) if self.ledger else "new"
        except Exception as error:  # noqa: BLE001 # whatever it is, the message goes out
            self._unreachable(error)
            return "new"

    def _note(self, name: str, what: Literal["finish", "abandon"]) -> None:
        try:
            if self.ledger:
                getattr(self.ledger(), what)(name)
        except Exception as error:  # noqa: BLE001 # it has been told, or will be raised; neither changes by this
            self._unreachable(error)

    def _unreachable(self, error: Exception) -> None:
        self.count("StoreUnavailable")
        log.warning("the ledger cannot be reached", extra={"error": type(error).__name__})
