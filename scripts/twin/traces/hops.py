"""What the load balancer itself did for a request, as a span of its trace."""

from scripts.twin.load_balancer.journal import LOAD_BALANCER, Entry
from scripts.twin.traces.spans import Fact, Kind, Span

NAME = "load balancer"


def hop(entry: Entry) -> Span:
    """A request whose client left early has no status and is no fault."""
    facts: dict[str, Fact] = {"method": entry.method, "path": entry.path, "runtime": entry.runtime}
    if entry.target:
        facts["target"] = entry.target.rpartition(":function:")[2]
    if why := entry.why or ("it has no target" if entry.status == 503 and entry.runtime == LOAD_BALANCER else ""):
        facts["why"] = why
    return Span(
        id=entry.span_id,
        parent=entry.parent_id,
        kind=Kind.LOAD_BALANCER,
        name=NAME,
        service=entry.service,
        start=entry.at,
        end=entry.at + entry.milliseconds / 1000,
        status=entry.status,
        fault=entry.status >= 500,
        error=400 <= entry.status < 500,
        facts=facts,
    )
