"""What tells people and tools about the service: /openapi.json, /docs, and /, which leads there."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from starlette.responses import Response

from twofold.app import App
from twofold.http.endpoint import Request, json_answer
from twofold.http.openapi import Document
from twofold.http.page import POLICY, page


class OpenApi:
    """Answers with the OpenAPI document; its server is the prefix that the service is mounted under."""

    methods = ("GET", "HEAD")
    doing = "openapi.json"

    def __init__(self, app: App, version: str) -> None:
        self._document = Document(app, version)

    @cached_property
    def content(self) -> dict[str, Any]:
        """The document of a service without a prefix."""
        return self._document.content()

    async def answer(self, request: Request) -> Response:
        """Return the document."""
        return json_answer({**self.content, "servers": [{"url": request.root or "/"}]})


class DocumentPage:
    """Answers with the page for people, made from the OpenAPI document."""

    methods = ("GET", "HEAD")
    doing = "docs"

    def __init__(self, document: OpenApi) -> None:
        self._document = document

    @cached_property
    def _page(self) -> bytes:
        return page(self._document.content)

    async def answer(self, request: Request) -> Response:
        """Return the page."""
        headers = {
            "cache-control": "no-store",
            "content-security-policy": POLICY,
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }
        return Response(self._page, 200, headers, "text/html")


class Root:
    """Leads from the service's root to its documentation."""

    methods = ("GET", "HEAD")
    doing = "the root"

    async def answer(self, request: Request) -> Response:
        """Return the way to the documentation."""
        return Response(None, 307, {"location": f"{request.root}/docs", "cache-control": "no-store"})
