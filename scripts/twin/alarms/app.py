"""What the operations app finds in place of CloudWatch and Slack, and what people see of both, on this machine only."""

import html
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from scripts.twin.alarms.desk import Desk
from scripts.twin.alarms.evaluation import Watched
from scripts.twin.alarms.messages import arn

DESCRIBE = "GraniteServiceVersion20100801.DescribeAlarms"  # what boto3 puts into X-Amz-Target
HOOK = "/slack/hook"
KEPT = 200
PAGE = """<!doctype html><meta charset="utf-8"><title>Slack, here</title>
<style>body{font:16px/1.5 system-ui;max-width:48rem;margin:2rem auto;padding:0 1rem}
article{border-left:4px solid #888;padding:.2rem 1rem;margin:1rem 0;white-space:pre-wrap}</style>
<h1>What the operations app has posted</h1>"""


class Slack:
    """A webhook that keeps what it gets, the newest last."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.posts = [*self.posts, {"at": time.time(), "body": await request.json()}][-KEPT:]
        return web.Response(text="ok")

    async def show(self, request: web.Request) -> web.Response:
        if "text/html" not in request.headers.get("Accept", ""):
            return web.json_response(self.posts)
        told = "".join(
            f"<article>{html.escape(chr(10).join(texts(post['body'])))}</article>" for post in self.posts[::-1]
        )
        return web.Response(text=PAGE + (told or "<p>Nothing yet.</p>"), content_type="text/html")


def texts(node: Any) -> list[str]:
    """Every text in a message, in its order."""
    if isinstance(node, dict):
        own = [node["text"]] if isinstance(node.get("text"), str) else []
        return own + [text for value in node.values() if not isinstance(value, str) for text in texts(value)]
    return [text for item in node for text in texts(item)] if isinstance(node, list) else []


def application(desk: Desk, slack: Slack) -> web.Application:
    async def call(request: web.Request) -> web.Response:
        """CloudWatch, in the protocol that boto3 speaks with it: AWS JSON 1.0."""
        target = request.headers.get("X-Amz-Target", "")
        if target != DESCRIBE:
            return said({"__type": "InvalidAction", "message": f"The twin has no operation {target!r}."}, 400)
        wanted = (await request.json()).get("AlarmNames")
        found = [one for name, one in desk.watched.items() if wanted is None or name in wanted]
        plain, composite = ([described(one) for one in found if bool(one.alarm.rule) is made] for made in (False, True))
        return said({"MetricAlarms": plain, "CompositeAlarms": composite})

    async def status(_: web.Request) -> web.Response:
        states = {name: {"state": one.state, "known": desk.known(one)} for name, one in desk.watched.items()}
        return web.json_response({"hurry": desk.hurry, "alarms": states, "runs": [asdict(run) for run in desk.runs]})

    async def healthy(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application(middlewares=[own_machine_only])
    app.router.add_post("/", call)
    app.router.add_get("/healthz", healthy)
    app.router.add_get("/status", status)
    app.router.add_post(HOOK, slack.take)
    app.router.add_get("/slack", slack.show)
    return app


@web.middleware
async def own_machine_only(request: web.Request, handler: Any) -> web.StreamResponse:
    """A page of another site must neither read it nor post to it."""
    host = request.host.rpartition(":")[0] or request.host
    if host not in {"127.0.0.1", "localhost"} or request.headers.get("Sec-Fetch-Site", "none") not in {
        "none",
        "same-origin",
    }:
        return web.Response(status=403, text="Refused: this is for programs and people of this machine.\n")
    answer: web.StreamResponse = await handler(request)
    return answer


def said(document: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(document), status=status, content_type="application/x-amz-json-1.0")


def described(watched: Watched) -> dict[str, Any]:
    since = watched.since.timestamp()
    return {
        "AlarmName": watched.alarm.name,
        "AlarmArn": arn(watched.alarm.name),
        "AlarmDescription": watched.alarm.description,
        "ActionsEnabled": True,
        "StateValue": watched.state,
        "StateReason": watched.reason,
        "StateUpdatedTimestamp": since,
        "StateTransitionedTimestamp": since,
    }
