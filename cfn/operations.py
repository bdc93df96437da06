"""The functions of the operations app (`chalice_app/app.py`), as the templates and the twin know them."""

from dataclasses import dataclass

HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """One without a schedule gets every message of the alarm topic."""

    name: str
    what: str
    schedule: str | None = None
    timeout: int = 55  # seconds; a minute later Lambda tries a failed event again, and the schedule comes round
    memory: int = 512  # MB, which is also how much of a processor: with 256 the first event loads for seconds
    concurrency: int = 1
    retries: int = 2  # by Lambda, after the first failure
    patience: int = HOUR  # seconds after which an event is too old to be worth handling

    @property
    def entry(self) -> str:
        return f"app.{self.name}"


HANDLERS = (
    Handler(name="notify", what="Posts alarms to Slack", concurrency=5, patience=6 * HOUR),
    # Moves are taken one at a time: two at once could both find that nobody has moved yet.
    Handler(name="failover", what="Moves a service to its other runtime when an alarm says so"),
    Handler(
        name="reconcile",
        what="Decides again, should the message of an alarm have been lost; moves back",
        schedule="rate(1 minute)",
        retries=0,  # the next one is a minute away
        patience=60,
    ),
    Handler(name="clean_images", what="Deletes images that nothing runs", schedule="rate(1 day)", timeout=600),
    Handler(name="clean_logs", what="Gives logs an end, and drops empty streams", schedule="rate(1 day)", timeout=600),
)
