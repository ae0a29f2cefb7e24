"""Signs what `requests` sends: `requests.get(url, auth=KeyholdAuth(signer))`."""

from __future__ import annotations

from typing import Any

import requests
from requests.auth import AuthBase
from urllib3.util import parse_url

from .signing import Request, Signer, SigningError, sign_request


class KeyholdAuth(AuthBase):
    """Signs each request once it is prepared, so that the very bytes are signed that are sent.

    A body that is an iterator is read whole: a signature is over all of a body. An answer that redirects is handed
    over as it is: what was signed for one address is not for another.
    Raises SigningError where a request cannot be signed.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        method, url = prepared.method, prepared.url
        if method is None or url is None:
            raise SigningError("the request is not prepared")
        has_length = "Content-Length" in prepared.headers
        # Of the body that was read there is one length, whatever was said before.
        for framing in ("Content-Length", "Transfer-Encoding"):
            prepared.headers.pop(framing, None)
        headers = [(_text(name), _text(value)) for name, value in prepared.headers.items()]
        signed = sign_request(self._signer, Request(method, url, headers, _whole(prepared.body)))
        prepared.method, prepared.url = signed.method, signed.url
        if prepared.path_url != (parse_url(signed.url).request_uri if signed.url else None):
            raise SigningError("the URL would be written anew when it is sent; encode it as urllib3 does")
        prepared.body = signed.body or None
        prepared.headers.update(signed.headers)
        if signed.body or has_length:
            prepared.headers["Content-Length"] = str(len(signed.body))
        prepared.register_hook("response", _without_redirect)  # type: ignore[no-untyped-call]
        return prepared


class _Redirecting(requests.Response):
    """An answer that names another address, and is not followed there."""

    @property
    def is_redirect(self) -> bool:
        return False


def _without_redirect(response: requests.Response, **_: Any) -> requests.Response:
    if not response.is_redirect:
        return response
    kept = _Redirecting()
    kept.__dict__.update(response.__dict__)
    return kept


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _whole(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        # As http.client encodes it.
        return body.encode("utf-8")
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    read = body.read() if hasattr(body, "read") else b"".join(_bytes(part) for part in body)
    return _bytes(read)


def _bytes(part: Any) -> bytes:
    return part.encode() if isinstance(part, str) else bytes(part)
