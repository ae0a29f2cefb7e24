"""Bybit's style, version 5. @see https://bybit-exchange.github.io/docs/v5/guide"""

from __future__ import annotations

import re
from base64 import b64encode

from .errors import SigningError
from .request import Request, check_credential
from .task import Context, Settings, Task
from .urls import is_json_start, target_of

_WINDOW_MS = "5000"


def prepare(request: Request, context: Context, settings: Settings) -> Task:
    """Signs the query under GET and DELETE, the body, which is JSON, under other methods."""
    context.require("bybit", "hmac-sha256", "rsa-v1_5-sha256")
    check_credential(context.credential)
    timestamp = str(context.now_ms)

    def attach(signature: bytes) -> Request:
        return request.with_fields(
            ("X-BAPI-API-KEY", context.credential),
            ("X-BAPI-TIMESTAMP", timestamp),
            ("X-BAPI-RECV-WINDOW", _WINDOW_MS),
            ("X-BAPI-SIGN", signature.hex() if context.is_hmac else b64encode(signature).decode()),
        )

    return Task(f"{timestamp}{context.credential}{_WINDOW_MS}".encode() + _payload(request), "utf8", attach)


def _payload(request: Request) -> bytes:
    """INVARIANT: its first byte says whether it is the query or the body, and is no digit."""
    query = target_of(request.url).query or ""
    if request.method in ("POST", "PUT", "PATCH"):
        if query:
            raise SigningError(f"bybit: the query would not be signed under {request.method}")
        if request.body and not is_json_start(request.body):
            raise SigningError("bybit: the body is no JSON")
        return request.body
    if request.method not in ("GET", "HEAD", "DELETE"):
        raise SigningError(f"bybit: the dialect has no {request.method}")
    if request.body:
        raise SigningError(f"bybit: the body would not be signed under {request.method}")
    if re.match(r"[0-9{[]", query):
        raise SigningError("bybit: the query does not begin with a name")
    return query.encode()
