"""An API's own HMAC scheme, in the parts that its environment's settings name."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode, urlsafe_b64encode

from .access_headers import format_utc
from .errors import SigningError
from .hmac_template import template_fault
from .request import FieldLine, Request, check_credential, check_method
from .task import Context, Settings, Task
from .urls import Target, check_body_apart, target_of


def prepare(request: Request, context: Context, settings: Settings) -> Task:
    """Signs what `signed` lists."""
    fault = template_fault(settings)
    if fault is not None:
        raise SigningError(f"hmac: the settings of the dialect are not safe: {fault}")
    context.require("hmac", f"hmac-{settings['hash']}")
    check_credential(context.credential)
    check_method(request.method)
    if re.fullmatch(r"[\x21-\x7e]{1,128}", context.nonce.text) is None:
        raise SigningError("hmac: the nonce is not 1 to 128 visible characters")
    target = target_of(request.url)
    _check_all_signed(settings, target, request.body)
    timestamp = _time(context.now_ms, settings["timestampUnit"])
    said = {
        "credential": context.credential,
        "timestamp": timestamp,
        "nonce": context.nonce.text,
        "method": request.method,
        "path": target.path,
        "query": target.query or "",
        "target": str(target),
        "body-sha256-hex": hashlib.sha256(request.body).hexdigest(),
    }
    base = b"".join(
        part["text"].encode() if isinstance(part, dict) else request.body if part == "body" else said[part].encode()
        for part in settings["signed"]
    )

    def attach(signature: bytes) -> Request:
        text = settings.get("signaturePrefix", "") + _encode(signature, settings["signatureEncoding"])
        lines: list[FieldLine] = [
            (settings["credentialHeader"], context.credential),
            (settings["timestampHeader"], timestamp),
            (settings["signatureHeader"], text),
        ]
        if "nonceHeader" in settings:
            lines.insert(2, (settings["nonceHeader"], context.nonce.text))
        return request.with_fields(*lines)

    return Task(base, settings["secretEncoding"], attach)


def _check_all_signed(settings: Settings, target: Target, body: bytes) -> None:
    """Nothing is sent that the template leaves out, nor what the text alone would not tell apart."""
    signed = settings["signed"]
    if body and "body" not in signed and "body-sha256-hex" not in signed:
        raise SigningError("hmac: there is a body, which the template does not sign")
    if "target" not in signed and target.query == "":
        raise SigningError("hmac: the query is empty")
    if "target" not in signed and "query" not in signed and target.query is not None:
        raise SigningError("hmac: there is a query, which the template does not sign")
    parts = [part for part in signed if part != {"text": ""}]
    before = parts[parts.index("body") - 1] if "body" in parts[1:] else None
    if before in ("target", "path", "query"):
        check_body_apart(target, body)


def _time(now_ms: int, unit: str) -> str:
    if unit == "rfc3339":
        return format_utc(now_ms)
    return str(now_ms // 1000 if unit == "s" else now_ms)


def _encode(signature: bytes, encoding: str) -> str:
    if encoding == "hex":
        return signature.hex()
    if encoding == "base64":
        return b64encode(signature).decode()
    return urlsafe_b64encode(signature).rstrip(b"=").decode()
