"""The URL as HTTP clients send it: the part of the WHATWG URL standard that https and http URLs of APIs need.

What the standard would guess at (spaces around, tabs, hosts in other scripts or other notations of an address) is
refused: nothing is signed that a client might send differently.
"""

from __future__ import annotations

import ipaddress
import re

from .errors import SigningError

_DOT = re.compile(r"(?:\.|%2e)", re.IGNORECASE)
_TWO_DOTS = re.compile(r"(?:\.|%2e){2}", re.IGNORECASE)
_PATH_ENCODED = frozenset(' "<>^`{}')
_QUERY_ENCODED = frozenset(" \"<>'")
_PORTS = {"https": 443, "http": 80}


def normal_url(url: str) -> str:
    """Without fragment, without the scheme's own port, and without a `?` before nothing."""
    match = re.fullmatch(r"(https?)://([^/\\?#]+)([^?#]*)(?:\?([^#]*))?(?:#.*)?", url, re.IGNORECASE)
    if match is None or re.search(r"[\x00-\x1f\x7f]", url) or url != url.strip():
        raise SigningError("only absolute http and https URLs can be signed")
    scheme, authority, path, query = match.groups(default="")
    scheme = scheme.lower()
    try:
        ready_path = _encoded(_without_dots(path.replace("\\", "/")), _PATH_ENCODED)
        ready_query = _encoded(query, _QUERY_ENCODED)
    except UnicodeEncodeError:
        raise SigningError("the URL is not text") from None
    return f"{scheme}://{_authority(authority, scheme)}{ready_path}" + (f"?{ready_query}" if ready_query else "")


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:] or [""]
    for index, segment in enumerate(segments):
        is_last = index == len(segments) - 1
        is_up = _TWO_DOTS.fullmatch(segment) is not None
        if is_up and kept:
            kept.pop()
        if not is_up and _DOT.fullmatch(segment) is None:
            kept.append(segment)
        elif is_last:
            kept.append("")
    return "/" + "/".join(kept)


def _encoded(text: str, encoded: frozenset[str]) -> str:
    def encode(char: str) -> str:
        if " " < char < "\x7f" and char not in encoded:
            return char
        return "".join(f"%{byte:02X}" for byte in char.encode())

    return "".join(map(encode, text))


def _authority(written: str, scheme: str) -> str:
    match = re.fullmatch(r"(\[[0-9a-f:]+\]|[a-z0-9._-]+)(?::([0-9]{0,5}))?", written, re.IGNORECASE)
    if match is None:
        raise SigningError("the host is none, has user information, or is not in ASCII")
    host, port = match[1].lower(), int(match[2] or _PORTS[scheme])
    try:
        if host.startswith("["):
            host = f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
        elif re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rstrip(".").rpartition(".")[2]):
            ipaddress.IPv4Address(host)
    except ValueError:
        raise SigningError("the host is no address in its usual notation") from None
    if not 0 < port < 1 << 16:
        raise SigningError("there is no such port")
    return host if port == _PORTS[scheme] else f"{host}:{port}"
