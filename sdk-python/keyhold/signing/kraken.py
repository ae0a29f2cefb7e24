"""Kraken's style. @see https://docs.kraken.com/exchange/guides/rest/authentication"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode

from .errors import SigningError
from .forms import LONGEST_BYTES, decode, only, parameters_of, with_parameter
from .json_members import json_members
from .request import Request, check_credential
from .task import Context, Settings, Task
from .urls import is_json_start, target_of


def prepare(request: Request, context: Context, settings: Settings) -> Task:
    """POST only. Puts `nonce`, and `otp` where there is one, into the form or the JSON, where they are missing."""
    context.require("kraken", "hmac-sha512")
    check_credential(context.credential)
    target = target_of(request.url)
    if request.method != "POST" or target.query is not None:
        raise SigningError("kraken: only POST without a query is signed")
    added = {"nonce": str(context.nonce.rising), **({} if context.otp is None else {"otp": context.otp})}
    is_json = is_json_start(request.body)
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        raise SigningError("kraken: the body is not text") from None
    body, nonce = _with_members(text, added) if is_json else _with_parameters(text, added)
    if re.fullmatch(r"0|[1-9][0-9]{0,19}", nonce) is None or int(nonce) >= 1 << 64:
        raise SigningError("kraken: nonce is no unsigned number of 64 bits")
    if len(body) > LONGEST_BYTES:
        raise SigningError("kraken: the body is too long")
    media_type = "application/json" if is_json else "application/x-www-form-urlencoded"
    ready = request.with_fields(("Content-Type", media_type)).with_body(body)

    def attach(signature: bytes) -> Request:
        return ready.with_fields(("API-Key", context.credential), ("API-Sign", b64encode(signature).decode()))

    return Task(target.path.encode() + hashlib.sha256(nonce.encode() + body).digest(), "base64", attach)


def _with_parameters(text: str, added: dict[str, str]) -> tuple[bytes, str]:
    names = {one.name for one in parameters_of(text)}
    for name, value in added.items():
        if name not in names:
            text = with_parameter(text, name, value)
    parameters = parameters_of(text)
    nonce, otp = only(parameters, "nonce"), only(parameters, "otp")
    if otp is not None:
        decode(otp.value)
    return text.encode(), "" if nonce is None else nonce.value


def _with_members(text: str, added: dict[str, str]) -> tuple[bytes, str]:
    members = json_members(text)
    missing = {name: json.dumps(value, ensure_ascii=False) for name, value in added.items() if name not in members}
    if not (members.get("otp") or '"').startswith('"'):
        raise SigningError("kraken: otp is no string")
    parts = [f'"{name}":{value}' for name, value in missing.items()] + ([""] if members else [])
    nonce = {**members, **missing}["nonce"]
    return f"{{{','.join(parts)}{text[1:]}".encode(), re.sub(r'\A"([0-9]+)"\Z', r"\1", nonce)
