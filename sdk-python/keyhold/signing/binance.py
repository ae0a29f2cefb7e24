"""Binance's style. @see https://developers.binance.com/docs/binance-spot-api-docs/rest-api/request-security"""

from __future__ import annotations

import re
from base64 import b64encode

from .errors import SigningError
from .forms import LONGEST_BYTES, only, parameters_of, with_parameter
from .request import Request, check_credential
from .task import Context, Settings, Task
from .urls import query_of, target_of, with_query

_LONGEST_WINDOW_MS = 60_000


def prepare(request: Request, context: Context, settings: Settings) -> Task:
    """Adds `timestamp` and `signature` to the query, or to the form where there is no query and a body."""
    context.require("binance", "hmac-sha256", "ed25519", "rsa-v1_5-sha256")
    check_credential(context.credential)
    ready = request.with_fields(("X-MBX-APIKEY", context.credential))
    target = target_of(ready.url)
    # Whoever receives it may or may not look at such a body.
    if ready.body and ready.method in ("GET", "HEAD"):
        raise SigningError(f"binance: {ready.method} with a body")
    if len(ready.body) > LONGEST_BYTES:
        raise SigningError("binance: the body is longer than a form")
    # Each character is a byte of the body that was handed over.
    query, form = target.query or "", ready.body.decode("latin-1")
    timestamp = str(context.now_ms)
    # At the end of a query the time also marks where it ends, should there be a form as well.
    in_query = query != "" or (form == "" and not ready.method.startswith("P"))
    if in_query:
        query = with_parameter(query_of(ready.url), "timestamp", timestamp)
    else:
        form = with_parameter(form, "timestamp", timestamp)
        ready = ready.with_fields(("Content-Type", "application/x-www-form-urlencoded"))
    _check(query, form)

    def attach(signature: bytes) -> Request:
        text = signature.hex() if context.is_hmac else b64encode(signature).decode()
        if in_query:
            return ready.with_url(with_query(ready.url, with_parameter(query, "signature", text)))
        return ready.with_body(with_parameter(form, "signature", text).encode("latin-1"))

    return Task(query.encode() + form.encode("latin-1"), "utf8", attach)


def _check(query: str, form: str) -> None:
    """Raises SigningError where a verifier would read something else, or nothing, in these parameters."""
    of_query, of_form = parameters_of(query), parameters_of(form)
    every = [*of_query, *of_form]
    only(every, "timestamp")
    window = only(every, "recvWindow")
    if any(one.name == "signature" for one in every):
        raise SigningError("binance: the request is signed already")
    if window is not None and (
        re.fullmatch(r"[0-9]{1,5}(?:\.[0-9]{1,3})?", window.value) is None or float(window.value) > _LONGEST_WINDOW_MS
    ):
        raise SigningError(f"binance: recvWindow is no number of milliseconds up to {_LONGEST_WINDOW_MS}")
    if {one.name for one in of_query} & {one.name for one in of_form}:
        raise SigningError("binance: a parameter stands in the query and in the body")
    if query and form:
        # INVARIANT: between the last value of the query and the first name of the body, the body begins at the first
        # small letter after something else, so that the text without a separator has one reading.
        value, name = query.rpartition("=")[2], form.partition("=")[0]
        first = re.search(r"(?<![a-z])[a-z]", value + name)
        if first is None or first.start() != len(value):
            raise SigningError("binance: where the body begins cannot be told from the signed text")
