"""The one thing that every handler may say to Lambda: later."""


class TryAgain(Exception):
    """What was to be done could not be done now. Raised out of a handler, so that Lambda brings the event again; after
    two more tries it is in the dead-letter queue.
    """
