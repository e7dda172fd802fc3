"""GET /health/live and /health/ready: what a supervisor or a load balancer asks."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from twofold.http.endpoint import Request, json_answer
from twofold.http.holder import NodeHolder
from twofold.http.problem import Refused
from twofold.node import ModelStatus


class Live:
    """Answers as long as the process does; it asks nothing of the storage."""

    methods = ("GET", "HEAD")
    doing = "health/live"

    async def answer(self, request: Request) -> Response:
        """Say that the process runs."""
        return json_answer({"status": "live"})


class Ready:
    """Answers whether commands and queries can be answered, and how each read model stands.

    A read model that is being built, or whose projection does not go on, makes the service not ready. Parked keys
    do not: everything but those keys is answered, and taking the service away would help nobody. They are reported.
    """

    methods = ("GET", "HEAD")
    doing = "health/ready"

    def __init__(self, holder: NodeHolder) -> None:
        self._holder = holder

    async def answer(self, request: Request) -> Response:
        """Say whether the service is ready.

        Raises:
            Refused: it is not; the facts say why.
            StoreError: the storage cannot be opened or read.
        """
        node = await self._holder.node()
        # A node that only writes knows no read models.
        statuses = await node.models() if node.roles & {"read", "project"} else []
        models = [_told(status) for status in statuses]
        reasons = [reason for status in statuses if (reason := _reason(status))]
        if node.is_draining:
            reasons.append("it is stopping, and takes no more commands")
        if reasons:
            raise Refused("not_ready", "; ".join(reasons), reasons=reasons, models=models)
        return json_answer({"status": "ready", "models": models})


def _reason(status: ModelStatus) -> str:
    if status.problem is not None:
        return f"the projection of {status.name} does not go on at position {status.checkpoint}"
    if not status.live:
        return f"read model {status.name} is being built: position {status.checkpoint} of {status.head}"
    return ""


def _told(status: ModelStatus) -> dict[str, Any]:
    # What a projection failed with may quote the application's data; it is in the log and in `twofold models`.
    return {
        "name": status.name,
        "live": status.live,
        "checkpoint": status.checkpoint,
        "lag": status.lag,
        "parked": status.parked,
        "stopped": status.problem is not None,
    }
