"""Weights that a person chose: tags of the rule tell the operations app's controller to leave them alone."""

from collections.abc import Mapping

CONTROLLED = "tandem:failover"  # how the names of the controller's tags begin
HOLD = {f"{CONTROLLED}-hold": "manual", f"{CONTROLLED}-reason": "weights set by hand"}


def noted(tags: Mapping[str, str], *, fallback: int) -> dict[str, str]:
    """The tags of a rule whose functions were given this weight by hand. All to the containers is what the templates
    say, so there the controller decides again."""
    others = {key: value for key, value in tags.items() if not key.startswith(CONTROLLED)}
    return others | (HOLD if fallback else {})
