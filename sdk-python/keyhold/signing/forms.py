"""Parameters of a query or of a form, as they stand there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Optional
from urllib.parse import quote, unquote

from .errors import SigningError

LONGEST_BYTES = 1 << 20
"""Longer forms are not signed: a verifier reads no longer ones."""


class Parameter(NamedTuple):
    """`name` decoded, as a server reads it; `value` as it stands; `start`: where it begins in the text."""

    name: str
    value: str
    start: int


def parameters_of(text: str) -> list[Parameter]:
    """The parameters of a text in which each is `name=value`, with one `=` and no piece left empty."""
    found: list[Parameter] = []
    start = 0
    for piece in text.split("&") if text else []:
        name, mark, value = piece.partition("=")
        decoded = decode(name)
        if decoded == "" or not mark or "=" in value:
            raise SigningError("query or body are not parameters, each name=value")
        found.append(Parameter(decoded, value, start))
        start += len(piece) + 1
    return found


def decode(text: str) -> str:
    """`+` and `%XX` decoded."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text) is None:
        try:
            return unquote(text.replace("+", " "), errors="strict")
        except UnicodeDecodeError:
            pass
    raise SigningError("query or body are not percent-encoded UTF-8")


def only(parameters: Sequence[Parameter], name: str) -> Optional[Parameter]:
    """The one parameter of this name, None where there is none."""
    found = [one for one in parameters if one.name == name]
    if len(found) > 1:
        raise SigningError(f"{name} is there more than once")
    return found[0] if found else None


def with_parameter(text: str, name: str, value: str) -> str:
    """The text with one more parameter at its end."""
    return f"{text}{'&' if text else ''}{name}={quote(value, safe=_UNRESERVED)}"


_UNRESERVED = "-_.!~*'()"
