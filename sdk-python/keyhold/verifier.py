"""Decides requests through a verifier process."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from .connection import Connection

VERIFY_SECONDS = 5.0
MAX_BATCH = 1_000


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

    url: `http(s)://host:port`. token: with the scope `verify`. timeout_seconds: how long an answer may take.
    A refusal is a Verdict. KeyholdError, and OSError where nobody answers in time, mean that nothing was decided: the
    request must not be let through then.
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
        return _verdict(self._call("POST", "/v1/verify", _written(asked)))

    def verify_batch(self, requests: Sequence[ToVerify]) -> list[Verdict]:
        """Decides up to MAX_BATCH, each as if it came alone; the verdicts are in their order."""
        answer = self._call("POST", "/v1/verify/batch", {"requests": [_written(one) for one in requests]})
        return [_verdict(one) for one in answer["verdicts"]]

    def time_ms(self) -> int:
        """The verifier's clock, epoch milliseconds: whoever signs with a wrong one can find that out."""
        return int(self._call("GET", "/v1/time", None)["epochMs"])

    def _call(self, method: str, path: str, body: Any) -> Any:
        return self._connection.call(method, path, body=body, timeout_seconds=self._timeout_seconds)


def _written(asked: ToVerify) -> dict[str, Any]:
    written: dict[str, Any] = {
        "key": asked.key,
        "environment": asked.environment,
        "permission": asked.permission,
        "clientIp": asked.client_ip,
        "cost": asked.cost,
        "destination": asked.destination,
        "secondFactor": None if asked.second_factor is None else {"otp": asked.second_factor},
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


def _verdict(answer: Mapping[str, Any]) -> Verdict:
    known = Verdict.__dataclass_fields__
    # What a newer verifier says beyond this is no reason to fail.
    given = {_FIELDS.get(name, name): value for name, value in answer.items()}
    return Verdict(**{name: value for name, value in given.items() if name in known})
