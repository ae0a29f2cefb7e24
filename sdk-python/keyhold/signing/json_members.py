"""The members of a JSON object, as they stand in its text."""

from __future__ import annotations

import json
from typing import Any

from .errors import SigningError

_BLANK = " \t\r\n"


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# Numbers stay text: read as one, a nonce would lose its last digits elsewhere, and digits without end cost time here.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)


def json_members(text: str) -> dict[str, str]:
    """Name to the text of its value. Refused where a name stands twice at the top: parsers differ on which counts."""
    try:
        if not isinstance(_DECODER.decode(text), dict):
            raise ValueError
    except (ValueError, RecursionError):
        raise SigningError("the body is no JSON object") from None
    members: dict[str, str] = {}
    # The grammar was checked above.
    at = _skip(text, text.index("{") + 1)
    while text[at] != "}":
        name, end = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, end) + 1)
        _, end = _DECODER.raw_decode(text, start)
        if name in members:
            raise SigningError(f"the body has {json.dumps(name)} twice")
        members[name] = text[start:end]
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return members


def _skip(text: str, at: int) -> int:
    while text[at] in _BLANK:
        at += 1
    return at
