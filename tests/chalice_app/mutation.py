"""Events that nobody would send, made from those that AWS sends: always the same for the same number."""

import json
import random
from collections.abc import Callable
from typing import Any

from tests.chalice_app import payloads
from tests.chalice_app.secrets_in_text import seeded

JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1.5,
    10**30,
    "",
    "text",
    "\ud800 half a character",
    "<!channel> `x` & @here",
    "\x00\u202e",
    [],
    {},
    [[]],
    [None, 5, "x"],
    {"": None},
    {"name": 5, "Value": []},
    "9999-99-99T99:99:99Z",
    "arn:aws:cloudwatch:::alarm:",
    "x" * 5000,
)
SECRETS = [secret for seed in range(40) for secret in seeded(random.Random(seed)).values()]
MESSAGES = (*(json.dumps(alarm) for alarm in payloads.ALARMS.values()), *payloads.OTHERS.values())


def mutated(number: int) -> tuple[Any, str]:
    """An event, and the part of the secret in it that may not leave."""
    generator = random.Random(number)
    messages = generator.choices(MESSAGES, k=generator.choice((1, 1, 1, 2, 3)))
    event: Any = {"Records": [_record(message, generator) for message in messages]}
    secret, tail = generator.choice(SECRETS)
    if generator.random() < 0.5:
        event = _spoilt(event, generator)
    return _with(event, f" {secret} ", generator), tail


def _record(message: str, generator: random.Random) -> payloads.Document:
    kind = generator.random()
    if kind < 0.6:
        try:
            document = json.loads(message)
        except ValueError:
            document = message
        for _ in range(generator.randint(1, 4)):
            document = _spoilt(document, generator)
        message = json.dumps(document)
    elif kind < 0.8:
        message = message[: generator.randint(0, len(message))]
    return payloads.record(message, identifier=f"m-{generator.random()}", subject=generator.choice((None, "Subject")))


def _spoilt(value: Any, generator: random.Random) -> Any:
    """One place in it is another thing, or gone."""
    places = [place for place in _places(value) if place]
    if not places:
        return generator.choice(JUNK)
    return _changed(value, generator.choice(places), lambda _: generator.choice(JUNK), gone=generator.random() < 0.3)


def _with(event: Any, secret: str, generator: random.Random) -> Any:
    """The secret stands in one of its texts; in a message that is JSON, in one of that one's."""
    texts = [place for place in _places(event) if isinstance(_at(event, place), str)]
    if not texts:
        return {"Records": [event, payloads.record(secret)]}
    place = generator.choice([place for place in texts if place[-1:] == ("Message",)] * 3 + texts)
    return _changed(event, place, lambda text: _hidden(text, secret, generator))


def _hidden(text: str, secret: str, generator: random.Random) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict) and document:
        added: payloads.Document = generator.choice([{"note": secret}, {f"key {secret}": 1}, {}])
        return json.dumps(document | added if added else _with(document, secret, generator))
    at = generator.randint(0, len(text))
    return f"{text[:at]}{secret}{text[at:]}"


def _places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, ...]] = [here]
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        inner += _places(entry, (*here, key))
    return inner


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def _changed(value: Any, place: tuple[Any, ...], change: Callable[[Any], Any], *, gone: bool = False) -> Any:
    """A copy in which this place is another."""
    if not place:
        return change(value)
    key, *rest = place
    if isinstance(value, dict):
        if gone and not rest:
            return {name: entry for name, entry in value.items() if name != key}
        return value | {key: _changed(value[key], tuple(rest), change, gone=gone)}
    copy = list(value)
    if gone and not rest:
        del copy[key]
        return copy
    copy[key] = _changed(value[key], tuple(rest), change, gone=gone)
    return copy
