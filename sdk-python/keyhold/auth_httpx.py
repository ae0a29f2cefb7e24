"""Signs what `httpx` sends: `httpx.Client(auth=KeyholdAuth(signer))`, and AsyncClient alike."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any, Callable

import httpx

from .signing import Request, Signer, SigningError, sign_request


class RedirectRefused(httpx.RequestError):
    """A client that follows redirects was sent elsewhere: what was signed for one address is not for another."""


class KeyholdAuth(httpx.Auth):
    """Signs each request as it is about to be sent, after its body was read whole: a signature is over all of it.

    Raises SigningError where a request cannot be signed; RedirectRefused, before anything goes to the other address,
    where the client follows redirects (httpx itself does not, unless told to). A client's event hooks run after this:
    one that changes the request makes its signature worthless.
    """

    requires_request_body = True

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.read()
        signed = self._signed(request)
        check, inner = _only_to(signed), request.extensions.get("trace")

        def trace(name: str, info: dict[str, Any]) -> None:
            check(name, info)
            if inner is not None:
                inner(name, info)

        signed.extensions = {**request.extensions, "trace": trace}
        yield signed

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        await request.aread()
        signed = self._signed(request)
        check, inner = _only_to(signed), request.extensions.get("trace")

        async def trace(name: str, info: dict[str, Any]) -> None:
            check(name, info)
            if inner is not None:
                await inner(name, info)

        signed.extensions = {**request.extensions, "trace": trace}
        yield signed

    def _signed(self, request: httpx.Request) -> httpx.Request:
        # Of the body that was read there is one length, whatever was said before.
        framing = (b"content-length", b"transfer-encoding")
        lines = [(name, value) for name, value in request.headers.raw if name.lower() not in framing]
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in lines]
        signed = sign_request(self._signer, Request(request.method, str(request.url), headers, request.content))
        url = httpx.URL(signed.url)
        if url.raw_path.decode() != _target(signed.url):
            raise SigningError("the URL would be written anew when it is sent; encode it as httpx does")
        has_body = signed.body != b"" or "content-length" in request.headers
        return httpx.Request(
            signed.method,
            url,
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in signed.headers],
            content=signed.body if has_body else None,
        )


def _target(url: str) -> str:
    rest = url.partition("#")[0].partition("://")[2]
    slash = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    return rest[slash:] if rest[slash : slash + 1] == "/" else f"/{rest[slash:]}"


def _only_to(signed: httpx.Request) -> Callable[[str, dict[str, Any]], None]:
    """Refuses to send to another address. A redirected request keeps the extensions, and so this."""

    def check(name: str, info: dict[str, Any]) -> None:
        if not name.endswith(".send_request_headers.started"):
            return
        sent = info["request"]
        # An HTTPS proxy is asked for a tunnel first; to an HTTP proxy the whole URL is the target.
        if sent.method == b"CONNECT" or sent.url.target == str(signed.url).encode():
            return
        same_host = sent.url.host.decode() == signed.url.raw_host.decode()
        same = same_host and sent.url.scheme == signed.url.raw_scheme and sent.url.port == signed.url.port
        if not same or sent.url.target != signed.url.raw_path or sent.method != signed.method.encode():
            raise RedirectRefused("a signed request was sent elsewhere by a redirect", request=signed)

    return check
