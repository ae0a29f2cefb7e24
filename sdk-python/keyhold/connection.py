"""JSON over HTTP to a plane of Keyhold.

The standard library's urllib is enough: two handfuls of JSON calls, no streams, no cookies. So that managing keys
brings no HTTP client along, whichever one the application has.
"""

from __future__ import annotations

import io
import json
import re
import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from time import monotonic
from typing import IO, Any, Optional
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from .problem import KeyholdError


class _NoRedirects(HTTPRedirectHandler):
    """The token is for the address that was named, and urllib would take it along to another."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class _InTime(io.RawIOBase):
    """What a socket receives until a deadline. Its own timeout is of each read: a byte now and then keeps it open."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        # Counted: urllib closes the socket before the answer is read.
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        self._sock.settimeout(_left(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


class _Socket:
    """As much of a socket as an answer is read from."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_InTime(self._sock, self._deadline))


class _Deadline(HTTPConnection):
    """One deadline for all of a call: connecting, sending, and every read of the answer."""

    def __init__(self, host: str, *, timeout: float, **more: Any) -> None:
        super().__init__(host, timeout=timeout, **more)
        self._deadline = monotonic() + timeout
        # What the standard library opens its connections with.
        self._create_connection = self._first_in_time

    def _first_in_time(self, address: tuple[str, int], _timeout: Any = None, _source: Any = None) -> socket.socket:
        """A connection to the first address of a name that takes one; each try has what is left, and so has TLS after it."""
        host, port = address
        failed: OSError = ConnectionError("the name has no address")
        for family, kind, protocol, _, there in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(_left(self._deadline))
                sock.connect(there)
                sock.settimeout(_left(self._deadline))
                return sock
            except OSError as error:
                sock.close()
                failed = error
        raise failed

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_left(self._deadline))

    def getresponse(self) -> HTTPResponse:
        deadline = self._deadline

        class Answer(HTTPResponse):
            def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
                super().__init__(_Socket(sock, deadline), *args, **more)  # type: ignore[arg-type]

        self.response_class = Answer
        return super().getresponse()


class _SecureDeadline(_Deadline, HTTPSConnection):
    pass


class _Http(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_Deadline, req)  # type: ignore[arg-type]


class _Https(HTTPSHandler):
    def __init__(self, context: Optional[ssl.SSLContext]) -> None:
        super().__init__(context=context)
        self._given = context

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_SecureDeadline, req, context=self._given)  # type: ignore[arg-type]


class Connection:
    """Where a plane listens and what opens it.

    url: `http(s)://host:port`. token: space around it, as files have it, is left out. context: of TLS, where the system's is not what is wanted.
    """

    def __init__(self, url: str, token: str, context: Optional[ssl.SSLContext] = None) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("the address is not http:// or https://")
        self._url = url.rstrip("/")
        self._token = token.strip()
        # What a header refuses would stand in the words of its refusal.
        if re.fullmatch(r"[\x21-\x7e]+", self._token) is None:
            raise ValueError("the token is not one word of visible ASCII characters")
        self._opener = build_opener(_NoRedirects(), _Http(), _Https(context))

    def __repr__(self) -> str:
        return f"Connection({self._url!r})"

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Optional[Mapping[str, Any]] = None,
        body: Any = None,
        headers: Optional[Mapping[str, str]] = None,
        timeout_seconds: float,
    ) -> Any:
        """The JSON of the answer.

        Raises KeyholdError for a refusal; OSError where nobody answers in time, or not with JSON.
        """
        asked = urlencode({name: value for name, value in (query or {}).items() if value is not None})
        content = None if body is None else written(body)
        request = Request(f"{self._url}{path}{'?' if asked else ''}{asked}", data=content, method=method)
        request.add_header("Authorization", f"Bearer {self._token}")
        for name, value in {**({} if content is None else {"Content-Type": "application/json"}), **(headers or {})}.items():
            request.add_header(name, value)
        try:
            with self._opener.open(request, timeout=timeout_seconds) as answer:
                content = answer.read()
        except HTTPError as refusal:
            with refusal:
                raise KeyholdError(refusal.code, _problem(refusal)) from None
        except HTTPException as error:
            raise ConnectionError(f"the answer is not HTTP: {type(error).__name__}") from error
        try:
            return json.loads(content)
        except ValueError:
            # Without what came: nobody knows whose it is.
            raise ConnectionError("the answer is not JSON: is this address Keyhold's?") from None


def written(body: Any) -> bytes:
    """A body as it is sent."""
    return json.dumps(body).encode()


def segment(text: str) -> str:
    """Text as one segment of a path."""
    if text in ("", ".", ".."):
        raise ValueError("a part of the path is missing")
    return quote(text, safe="")


def _problem(refusal: HTTPError) -> Any:
    try:
        return json.loads(refusal.read())
    except (ValueError, OSError, HTTPException):
        return None
