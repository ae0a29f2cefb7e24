"""Parts of a URL, as they stand in it: a URL parser would write some of them anew."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from .errors import SigningError


@dataclass(frozen=True)
class Target:
    """A request target: its path, and what stands after the first `?` (None where there is none)."""

    path: str
    query: Optional[str]

    def __str__(self) -> str:
        return self.path if self.query is None else f"{self.path}?{self.query}"


def split_url(url: str) -> tuple[str, str, str]:
    """Scheme, authority and target of an absolute URL, its fragment dropped."""
    match = re.fullmatch(r"(https?)://([^/?#@\s]+)([^#\s]*)(?:#\S*)?", url, re.IGNORECASE)
    if match is None:
        raise SigningError("only absolute http and https URLs without user information can be signed")
    scheme, authority, rest = match.groups()
    return scheme.lower(), authority, rest if rest.startswith("/") else f"/{rest}"


def target_of(url: str) -> Target:
    """The request target. Only what a request line can have is taken (RFC 3986 §2): encode the rest beforehand."""
    target = split_url(url)[2]
    if re.fullmatch(r"[\x21-\x7e]+", target) is None:
        raise SigningError("path and query have to be percent-encoded before they are signed")
    path, mark, query = target.partition("?")
    return Target(path, query if mark else None)


def query_of(url: str) -> str:
    """Query of the URL, as it stands; empty where it has none."""
    return split_url(url)[2].partition("?")[2]


def with_query(url: str, query: str) -> str:
    """The URL with this query, or with none where it is empty."""
    scheme, authority, target = split_url(url)
    path = target.partition("?")[0]
    return f"{scheme}://{authority}{path}" + (f"?{query}" if query else "")


def is_json_start(body: bytes) -> bool:
    """A brace or a bracket."""
    return body[:1] in (b"{", b"[")


def check_body_apart(target: Target, body: bytes) -> None:
    """Where target and body are signed with nothing between them, the text itself has to say where the body begins."""
    if re.search(r"[{[]", str(target)) or (body and not is_json_start(body)):
        raise SigningError("where the body begins cannot be told from the signed text: it has to be JSON")
