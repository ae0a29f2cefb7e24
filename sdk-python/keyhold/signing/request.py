"""A request as it is signed and sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Union

from .errors import SigningError

FieldLine = tuple[str, str]
Headers = Union[Mapping[str, str], Iterable[FieldLine]]


@dataclass(frozen=True)
class Request:
    """A request, before it is signed or after.

    method: any case; what is signed has capital letters.
    url: absolute, `http` or `https`.
    headers: field lines in order, repeated names repeated; a mapping is taken too.
    body: bytes, or text that is sent as UTF-8.
    """

    method: str
    url: str
    headers: tuple[FieldLine, ...] = ()
    body: bytes = b""

    def __init__(self, method: str, url: str, headers: Headers = (), body: Union[bytes, str] = b"") -> None:
        lines = headers.items() if isinstance(headers, Mapping) else headers
        object.__setattr__(self, "method", method)
        object.__setattr__(self, "url", url)
        object.__setattr__(self, "headers", tuple((name, value) for name, value in lines))
        object.__setattr__(self, "body", body.encode() if isinstance(body, str) else bytes(body))

    def values(self, name: str) -> list[str]:
        """Values of a field, in order; names are compared without case (RFC 9110 §5.1)."""
        return [value for one, value in self.headers if one.lower() == name.lower()]

    def with_fields(self, *added: FieldLine) -> Request:
        """The request with these lines in the place of any of the same names."""
        names = {name.lower() for name, _ in added}
        kept = [line for line in self.headers if line[0].lower() not in names]
        return Request(self.method, self.url, (*kept, *added), self.body)

    def with_url(self, url: str) -> Request:
        return Request(self.method, url, self.headers, self.body)

    def with_body(self, body: bytes) -> Request:
        return Request(self.method, self.url, self.headers, body)


def check_credential(credential: str) -> None:
    """Ids of credentials are visible ASCII, so that a text has one way to be bytes, and an end."""
    if re.fullmatch(r"[\x21-\x7e]{1,256}", credential) is None:
        raise SigningError("this is no id of a credential")


def check_method(method: str) -> None:
    if re.fullmatch(r"[A-Z]{1,32}", method) is None:
        raise SigningError("the method is not of letters")
