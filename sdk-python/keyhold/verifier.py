"""Decides requests through a verifier process."""

from __future__ import annotations

import re
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from .connection import Connection, written
from .problem import KeyholdError

VERIFY_SECONDS = 5.0
MAX_BATCH = 1_000
MAX_BODY_BYTES = 1024 * 1024
"""Of a request that is handed over whole; what is longer is `MALFORMED` here already."""

MAX_BATCH_BYTES = 8 * MAX_BODY_BYTES
ROOM_BYTES = 64
"""What is written around the requests of a batch fits into it."""

_DESTINATION_LENGTHS = (1, 200)
_CLIENT_IP_LENGTHS = (2, 45)


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it came over the wire: nothing in it decoded, folded, sorted or encoded again.

    target: of the request line, path and query. headers: lines in order, repeated names repeated.
    body: empty where there is none; None: not read here, and then `Verdict.body_digests` are to be checked.
    scheme: what the client connected with.
    """

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: Optional[bytes] = field(default=b"", repr=False)
    scheme: str = "https"


@dataclass(frozen=True)
class ToVerify:
    """One request to be decided, by its key or as a whole.

    key: the credential as the client sent it; or request, and only one of them.
    environment: `project/environment`; a token bound to one environment needs none.
    permission: permissions joined by `and`, `or`, parentheses. client_ip: nothing else is looked at for networks.
    cost: units taken from limits and quota. destination: where a withdrawal goes, where the environment's rules hold it
    against the key's address book. second_factor: the code that the consumer's app shows, of a request that has no place
    for one.
    """

    key: Optional[str] = field(default=None, repr=False)
    request: Optional[ReceivedRequest] = None
    environment: Optional[str] = None
    permission: Optional[str] = None
    client_ip: Optional[str] = None
    cost: int = 1
    destination: Optional[str] = None
    second_factor: Optional[str] = field(default=None, repr=False)


@dataclass(frozen=True)
class Verdict:
    """The decision on one request. A refusal names ids only where the caller proved to hold the secret.

    code: `VALID`, or the first rule that refused. rate_limits, quota: what is left, as the API has it.
    scope: within what limits are exact, `verifier` or `installation`. dialect: how the request was signed.
    clock_skew_ms: how far the signer's clock was behind. body_digests: signed digests (`algorithm`, Base 64 `value`)
    of a body that was not handed over. reason: for the operator's log, not for the client. stale: decided after the
    lease was over.
    """

    valid: bool
    code: str
    key_id: Optional[str] = None
    credential_id: Optional[str] = None
    consumer_id: Optional[str] = None
    permissions: Sequence[str] = ()
    rate_limits: Sequence[Mapping[str, Any]] = ()
    quota: Optional[Mapping[str, Any]] = None
    metadata: Optional[Mapping[str, Any]] = None
    scope: Optional[str] = None
    dialect: Optional[str] = None
    clock_skew_ms: Optional[int] = None
    body_digests: Sequence[Mapping[str, str]] = ()
    reason: Optional[str] = None
    stale: bool = False


_FIELDS = {
    "keyId": "key_id",
    "credentialId": "credential_id",
    "consumerId": "consumer_id",
    "rateLimits": "rate_limits",
    "clockSkewMs": "clock_skew_ms",
    "bodyDigests": "body_digests",
}


class Verifier:
    """A client of a verifier process.

    url: `http(s)://host:port`. token: with the scope `verify`. timeout_seconds: how long an answer may take; a batch of more
    than 8 MiB is asked in several calls.
    A refusal is a Verdict, and so is what only the client can have caused: what no verifier would read is `MALFORMED`,
    or counts for nothing (`destination`, `client_ip`, `second_factor`). KeyholdError, and OSError where nobody answers in
    time, mean that nothing was decided: the request must not be let through then.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_seconds: float = VERIFY_SECONDS,
        context: Optional[ssl.SSLContext] = None,
    ) -> None:
        self._connection = Connection(url, token, context)
        self._timeout_seconds = timeout_seconds

    def verify(
        self,
        *,
        key: Optional[str] = None,
        request: Optional[ReceivedRequest] = None,
        environment: Optional[str] = None,
        permission: Optional[str] = None,
        client_ip: Optional[str] = None,
        cost: int = 1,
        destination: Optional[str] = None,
        second_factor: Optional[str] = None,
    ) -> Verdict:
        """Decides one request, see ToVerify."""
        asked = ToVerify(key, request, environment, permission, client_ip, cost, destination, second_factor)
        if (unread := _unread(asked)) is not None:
            return unread
        try:
            return _verdict(self._call("POST", "/v1/verify", _written(asked)))
        except KeyholdError as refusal:
            if not _is_clients(refusal):
                raise
            return _malformed(f"the verifier did not read it: {refusal}")

    def verify_batch(self, requests: Sequence[ToVerify]) -> list[Verdict]:
        """Decides up to MAX_BATCH, each as if it came alone; the verdicts are in their order."""
        if not 0 < len(requests) <= MAX_BATCH:
            raise ValueError(f"a batch has 1 to {MAX_BATCH} requests")
        verdicts = {index: unread for index, one in enumerate(requests) if (unread := _unread(one)) is not None}
        asked = [(index, one) for index, one in enumerate(requests) if index not in verdicts]
        for pack in _packs(asked):
            verdicts.update(self._decided(pack))
        return [verdicts[index] for index in range(len(requests))]

    def _decided(self, asked: Sequence[tuple[int, ToVerify]]) -> list[tuple[int, Verdict]]:
        if not asked:
            return []
        try:
            answer = self._call("POST", "/v1/verify/batch", {"requests": [_written(one) for _, one in asked]})
        except KeyholdError as refusal:
            if refusal.code != "BODY_TOO_LARGE":
                raise
            # Of one it is its client's doing; of several nobody's, and each is decided as if it came alone.
            if len(asked) == 1:
                return [(asked[0][0], _malformed(f"the verifier did not read it: {refusal}"))]
            half = len(asked) // 2
            return self._decided(asked[:half]) + self._decided(asked[half:])
        told = answer.get("verdicts") if isinstance(answer, dict) else None
        if not isinstance(told, list) or len(told) != len(asked):
            raise ConnectionError("the answer has not a verdict for each request")
        return [(index, _verdict(one)) for (index, _), one in zip(asked, told)]

    def time_ms(self) -> int:
        """The verifier's clock, epoch milliseconds: whoever signs with a wrong one can find that out."""
        return int(self._call("GET", "/v1/time", None)["epochMs"])

    def _call(self, method: str, path: str, body: Any) -> Any:
        return self._connection.call(method, path, body=body, timeout_seconds=self._timeout_seconds)


def _packs(asked: Sequence[tuple[int, ToVerify]]) -> Iterator[list[tuple[int, ToVerify]]]:
    """As many in a call as the verifier reads: it ends a call that is longer without reading it, and nobody hears why."""
    pack: list[tuple[int, ToVerify]] = []
    size = 0
    for index, one in asked:
        # With what stands between it and the next.
        more = len(written(_written(one))) + 2
        if pack and size + more > MAX_BATCH_BYTES - ROOM_BYTES:
            yield pack
            pack, size = [], 0
        pack.append((index, one))
        size += more
    if pack:
        yield pack


def _malformed(reason: str) -> Verdict:
    return Verdict(False, "MALFORMED", reason=reason)


def _unread(asked: ToVerify) -> Optional[Verdict]:
    """What no verifier would read of a client's own, and the whole call would fail for."""
    texts = [asked.key or ""]
    if asked.request is not None:
        received = asked.request
        if received.body is not None and len(received.body) > MAX_BODY_BYTES:
            return _malformed("the body is too long")
        texts += [received.method, received.target, *(text for line in received.headers for text in line)]
    return None if all(map(_is_text, texts)) else _malformed("there is text that is none")


def _is_text(text: str) -> bool:
    """What JSON carries and the server takes: neither NUL nor half of a character."""
    return re.search("[\x00\ud800-\udfff]", text) is None


def _is_clients(refusal: KeyholdError) -> bool:
    """Longer or more than any request has: the mistake is that of whoever sent it, and no verifier is at fault."""
    if refusal.code == "BODY_TOO_LARGE":
        return True
    return refusal.code == "INVALID_INPUT" and re.match(r"/(?:key|request)(?:/|$)", refusal.field or "") is not None


def _within(text: Optional[str], lengths: tuple[int, int]) -> Optional[str]:
    """No address book or network has what a verifier would not even read, so it counts as if it were not there."""
    if text is None or not lengths[0] <= len(text) <= lengths[1] or not _is_text(text):
        return None
    return text


def _second_factor(otp: Optional[str]) -> Optional[dict[str, str]]:
    return None if otp is None or re.fullmatch("[0-9]{6}", otp) is None else {"otp": otp}


def _written(asked: ToVerify) -> dict[str, Any]:
    written: dict[str, Any] = {
        "key": asked.key,
        "environment": asked.environment,
        "permission": asked.permission,
        "clientIp": _within(asked.client_ip, _CLIENT_IP_LENGTHS),
        "cost": asked.cost,
        "destination": _within(asked.destination, _DESTINATION_LENGTHS),
        "secondFactor": _second_factor(asked.second_factor),
    }
    if asked.request is not None:
        received = asked.request
        written["request"] = {
            "method": received.method,
            "target": received.target,
            "scheme": received.scheme,
            "headers": [list(line) for line in received.headers],
            "body": None if received.body is None else b64encode(received.body).decode(),
        }
    return {name: value for name, value in written.items() if value is not None}


def _verdict(answer: Any) -> Verdict:
    # Whatever else is true is no yes.
    if not (isinstance(answer, dict) and isinstance(answer.get("valid"), bool) and isinstance(answer.get("code"), str)):
        raise ConnectionError("the answer is no verdict: is this address a verifier's?")
    known = Verdict.__dataclass_fields__
    # What a newer verifier says beyond this is no reason to fail.
    given = {_FIELDS.get(name, name): value for name, value in answer.items()}
    return Verdict(**{name: value for name, value in given.items() if name in known})
