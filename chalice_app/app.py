"""The operations app as Lambda sees it: five functions in one zip.

Each hands its event to one module, and loads it only then: what cleans logs need not start with what moves traffic.

Chalice reads an SNS event before the handler sees it: the first record of a batch, which must have a `Subject`. Either
would lose alarms, so events pass through as they came.
"""

from typing import Any

from chalice.app import BaseLambdaEvent, Chalice, ConvertToMiddleware, Rate

from chalicelib import telemetry

TOPIC = "alarms"  # the `ops` stack subscribes both functions to the topic that the foundation makes


class Event(BaseLambdaEvent):
    """An event that may have any form."""

    def _extract_attributes(self, event_dict: Any) -> None: ...


app = Chalice(app_name="ops", configure_logs=False)
app.register_middleware(ConvertToMiddleware(telemetry.logged))
app.register_middleware(ConvertToMiddleware(telemetry.measured))
app.register_middleware(ConvertToMiddleware(telemetry.sealed))


@app.on_sns_message(topic=TOPIC)
def notify(event: Event) -> object:
    """Alarm → Slack."""
    from chalicelib import notices, wiring

    return notices.handle(event.to_dict(), wiring.desk(event.context))


@app.on_sns_message(topic=TOPIC)
def failover(event: Event) -> object:
    """An alarm is the occasion to look; what is true is read from AWS."""
    from chalicelib import controller, wiring

    return controller.run(wiring.operations(event.context), by_alarm=True)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def reconcile(event: Event) -> object:
    """The same look without an occasion: messages get lost, and nothing raises an alarm when it is time to go back."""
    from chalicelib import controller, settling, wiring

    try:
        return controller.run(wiring.operations(event.context))
    finally:
        settling.settle(wiring.desk(event.context))


@app.schedule(Rate(1, unit=Rate.DAYS))
def clean_images(event: Event) -> object:
    """What no task, function or image needs any more."""
    from chalicelib import images, wiring

    return images.clean(wiring.operations(event.context))


@app.schedule(Rate(1, unit=Rate.DAYS))
def clean_logs(event: Event) -> object:
    """Retention where there is none, and streams that are empty."""
    from chalicelib import logs, wiring

    return logs.clean(wiring.operations(event.context))


for handler in (notify, failover, reconcile, clean_images, clean_logs):
    handler.event_class = Event
