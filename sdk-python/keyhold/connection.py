"""JSON over HTTP to a plane of Keyhold.

The standard library's urllib is enough: two handfuls of JSON calls, no streams, no cookies. So that managing keys
brings no HTTP client along, whichever one the application has.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, Optional
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from .problem import KeyholdError


class _NoRedirects(HTTPRedirectHandler):
    """The token is for the address that was named, and urllib would take it along to another."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class Connection:
    """Where a plane listens and what opens it.

    url: `http(s)://host:port`. token: sent as it is. context: of TLS, where the system's is not what is wanted.
    """

    def __init__(self, url: str, token: str, context: Optional[ssl.SSLContext] = None) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("the address is not http:// or https://")
        self._url = url.rstrip("/")
        self._token = token
        self._opener = build_opener(_NoRedirects(), HTTPSHandler(context=context))

    def __repr__(self) -> str:
        return f"Connection({self._url!r})"

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Optional[Mapping[str, Any]] = None,
        body: Any = None,
        headers: Optional[Mapping[str, str]] = None,
        timeout_seconds: float,
    ) -> Any:
        """The JSON of the answer. Raises KeyholdError for a refusal, OSError where nobody answers in time."""
        asked = urlencode({name: value for name, value in (query or {}).items() if value is not None})
        content = None if body is None else json.dumps(body).encode()
        request = Request(f"{self._url}{path}{'?' if asked else ''}{asked}", data=content, method=method)
        request.add_header("Authorization", f"Bearer {self._token}")
        for name, value in {**({} if content is None else {"Content-Type": "application/json"}), **(headers or {})}.items():
            request.add_header(name, value)
        try:
            with self._opener.open(request, timeout=timeout_seconds) as answer:
                return json.loads(answer.read())
        except HTTPError as refusal:
            with refusal:
                raise KeyholdError(refusal.code, _problem(refusal)) from None
        except HTTPException as error:
            raise ConnectionError(f"the answer is not HTTP: {type(error).__name__}") from error


def segment(text: str) -> str:
    """Text as one segment of a path."""
    if text in ("", ".", ".."):
        raise ValueError("a part of the path is missing")
    return quote(text, safe="")


def _problem(refusal: HTTPError) -> Any:
    try:
        return json.loads(refusal.read())
    except (ValueError, OSError, HTTPException):
        return None
