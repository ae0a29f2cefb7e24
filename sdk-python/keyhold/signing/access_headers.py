"""The dialects that sign time + method + target + body, with a passphrase beside it: OKX's and Coinbase Exchange's."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime, timedelta, timezone
from typing import Callable

from .errors import SigningError
from .request import Request, check_credential, check_method
from .task import Context, Settings, Task
from .urls import check_body_apart, target_of

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def format_utc(now_ms: int) -> str:
    """`YYYY-MM-DDTHH:mm:ss.sssZ` (RFC 3339)."""
    return (_EPOCH + timedelta(milliseconds=now_ms)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{now_ms % 1000:03}Z"


def _seconds(now_ms: int) -> str:
    """Seconds with as many decimals as they have."""
    return f"{now_ms // 1000}.{now_ms % 1000:03}".rstrip("0").rstrip(".")


def prepare_okx(request: Request, context: Context, settings: Settings) -> Task:
    """OKX's style, version 5. @see https://www.okx.com/docs-v5/en/#overview-rest-authentication"""
    return _prepare(request, context, "okx", "OK-ACCESS", "utf8", format_utc)


def prepare_coinbase_exchange(request: Request, context: Context, settings: Settings) -> Task:
    """Coinbase Exchange's style. @see https://docs.cdp.coinbase.com/exchange/rest-api/authentication"""
    return _prepare(request, context, "coinbase-exchange", "CB-ACCESS", "base64", _seconds)


def _prepare(
    request: Request, context: Context, name: str, prefix: str, encoding: str, format_time: Callable[[int], str]
) -> Task:
    context.require(name, "hmac-sha256")
    passphrase = context.passphrase or ""
    check_credential(context.credential)
    check_method(request.method)
    if not 1 <= len(passphrase) <= 256:
        raise SigningError(f"{name}: the passphrase is missing, or too long")
    target = target_of(request.url)
    check_body_apart(target, request.body)
    timestamp = format_time(context.now_ms)

    def attach(signature: bytes) -> Request:
        return request.with_fields(
            (f"{prefix}-KEY", context.credential),
            (f"{prefix}-SIGN", b64encode(signature).decode()),
            (f"{prefix}-TIMESTAMP", timestamp),
            (f"{prefix}-PASSPHRASE", passphrase),
        )

    return Task(f"{timestamp}{request.method}{target}".encode() + request.body, encoding, attach)
