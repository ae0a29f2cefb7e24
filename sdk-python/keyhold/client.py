"""Manages keys through the control plane."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from .connection import Connection, segment

Json = dict[str, Any]
"""As the API has it; times are RFC 3339 in UTC."""

READ_SECONDS = 30.0
CHANGE_SECONDS = 310.0
"""What takes away waits for the leases of verifiers that do not answer: 300 s are the longest."""


@dataclass(frozen=True)
class Issued:
    """A credential that was just made.

    secret: shown this once; None with a public key, a delivery, and where an idempotent call repeats an earlier one.
    passphrase: of `hmac`, for the dialects that send one. key: of an issue; previous, barrier: of a rotation.
    """

    credential: Json
    secret: Optional[str] = field(default=None, repr=False)
    passphrase: Optional[str] = field(default=None, repr=False)
    secret_shown: bool = False
    delivery: Optional[Json] = field(default=None, repr=False)
    key: Optional[Json] = None
    previous: Optional[Json] = None
    barrier: Optional[Json] = None


class Client:
    """A client of a control plane. Every call raises KeyholdError for a refusal, OSError where nobody answers in time.

    url: `http(s)://host:port`. token: with the scope `keys`, or `admin`.
    read_seconds, change_seconds: how long an answer may take. What takes away (revoke, suspend, destroy, rotation
    without overlap, what narrows) returns once no verifier accepts the key any more, which can take a whole lease. A
    call that was cut off may have been done: repeating it is safe, and waits again.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        read_seconds: float = READ_SECONDS,
        change_seconds: float = CHANGE_SECONDS,
        context: Optional[ssl.SSLContext] = None,
    ) -> None:
        self._connection = Connection(url, token, context)
        self._read_seconds = read_seconds
        self._change_seconds = change_seconds

    def create_project(self, slug: str, name: str, *, idempotency_key: Optional[str] = None) -> Json:
        return self._change("POST", "/v1/projects", {"slug": slug, "name": name}, idempotency_key)

    def list_projects(self) -> Iterator[Json]:
        return self._list("/v1/projects", {})

    def create_environment(
        self, project: str, name: str, prefix: str, *, idempotency_key: Optional[str] = None, **settings: Any
    ) -> Json:
        """settings: `kind`, `leaseSeconds` (1 to 300), `afterLease`."""
        body = {"name": name, "prefix": prefix, **settings}
        return self._change("POST", f"/v1/projects/{segment(project)}/environments", body, idempotency_key)

    def list_environments(self, project: str) -> Iterator[Json]:
        return self._list(f"/v1/projects/{segment(project)}/environments", {})

    def set_signing(
        self,
        project: str,
        environment: str,
        dialects: Sequence[Union[str, Mapping[str, Any]]],
        *,
        replay: str = "shared",
        replay_reads: str = "refuse",
    ) -> Json:
        """How requests may be signed, each dialect by its name or with its settings. Waits for the barrier."""
        named = [{"dialect": one} if isinstance(one, str) else dict(one) for one in dialects]
        body = {"dialects": named, "replay": replay, "replayReads": replay_reads}
        return self._change("PUT", _signing(project, environment), body)

    def get_signing(self, project: str, environment: str) -> Json:
        """Its `dialects` are what a Signer takes."""
        return self._read(_signing(project, environment))

    def set_rules(self, project: str, environment: str, **rules: Any) -> Json:
        """What keys have to be like: `withdrawals`, `withoutNetworks`, `secondFactor`, `unusedDays`; what is left out
        stays as it is, which is read first; an empty list or None clears. Waits for the barrier."""
        kept = self.get_rules(project, environment)
        return self._change("PUT", _rules(project, environment), {**kept, **rules})

    def get_rules(self, project: str, environment: str) -> Json:
        return self._read(_rules(project, environment))

    def create_consumer(
        self, project: str, name: str, *, idempotency_key: Optional[str] = None, **settings: Any
    ) -> Json:
        """settings: `externalId`, `rateLimits`, `metadata`."""
        return self._change("POST", "/v1/consumers", {"project": project, "name": name, **settings}, idempotency_key)

    def list_consumers(self, *, project: Optional[str] = None, q: Optional[str] = None) -> Iterator[Json]:
        return self._list("/v1/consumers", {"project": project, "q": q})

    def get_consumer(self, consumer: str) -> Json:
        return self._read(f"/v1/consumers/{segment(consumer)}")

    def enrol_totp(self, consumer: str, environment: str, name: str, **settings: Any) -> Json:
        """Makes the `secret` of an authenticator app, shown this once; it counts once a code of it was confirmed.
        settings: `issuer`, `algorithm`."""
        body = {"environment": environment, "name": name, **settings}
        return self._change("POST", f"/v1/consumers/{segment(consumer)}/factors/totp", body)

    def confirm_factor(self, factor: str, otp: str) -> Json:
        return self._change("POST", f"/v1/factors/{segment(factor)}/confirm", {"otp": otp})

    def list_factors(self, consumer: str) -> Iterator[Json]:
        return self._list(f"/v1/consumers/{segment(consumer)}/factors", {})

    def remove_factor(self, factor: str) -> Json:
        return self._change("DELETE", f"/v1/factors/{segment(factor)}", None)

    def issue_key(
        self,
        project: str,
        environment: str,
        consumer: str,
        name: str,
        permissions: Sequence[str],
        *,
        credential: Union[str, Mapping[str, Any]] = "bearer",
        idempotency_key: Optional[str] = None,
        **settings: Any,
    ) -> Issued:
        """Issues a key with its first credential.

        credential: `bearer`, `hmac`, or what `LocalKey.credential` gives.
        settings: `allowedNetworks`, `addressBook`, `rateLimits`, `quota`, `startsAt`, `ttlSeconds`, `expiresAt`, `metadata`,
        `deliverTo`.
        """
        body = {
            "project": project,
            "environment": environment,
            "consumer": consumer,
            "name": name,
            "permissions": list(permissions),
            "credential": _credential(credential),
            **settings,
        }
        return _issued(self._change("POST", "/v1/keys", body, idempotency_key))

    def list_keys(
        self,
        *,
        project: Optional[str] = None,
        environment: Optional[str] = None,
        consumer: Optional[str] = None,
        state: Optional[str] = None,
        q: Optional[str] = None,
    ) -> Iterator[Json]:
        """Newest first; asks for page after page. q: part of the name, a hint, or a whole id."""
        query = {"project": project, "environment": environment, "consumer": consumer, "state": state, "q": q}
        return self._list("/v1/keys", query)

    def get_key(self, key: str) -> Json:
        return self._read(f"/v1/keys/{segment(key)}")

    def update_key(self, key: str, **changes: Any) -> Json:
        """Changes settings, by their names in the API; None clears one. What narrows waits for the barrier."""
        return self._change("PATCH", f"/v1/keys/{segment(key)}", changes)

    def rotate_key(
        self,
        key: str,
        overlap_seconds: int,
        *,
        credential: Union[None, str, Mapping[str, Any]] = None,
        idempotency_key: Optional[str] = None,
        **settings: Any,
    ) -> Issued:
        """Adds a credential and gives the old one an end, `overlap_seconds` from now; 0 waits for the barrier.

        credential: as in `issue_key`; None: of the kind that the key has now. The next public key has to be given.
        """
        chosen = {} if credential is None else {"credential": _credential(credential)}
        body = {"overlapSeconds": overlap_seconds, **chosen, **settings}
        return _issued(self._change("POST", f"/v1/keys/{segment(key)}/rotate", body, idempotency_key))

    def suspend_key(self, key: str) -> Json:
        return self._change("POST", f"/v1/keys/{segment(key)}/suspend", {})

    def resume_key(self, key: str) -> Json:
        return self._change("POST", f"/v1/keys/{segment(key)}/resume", {})

    def revoke_key(self, key: str, reason: str) -> Json:
        """When this returns, the key is dead everywhere. reason: of RFC 5280 §5.3.1, as in `key_compromise`."""
        return self._change("POST", f"/v1/keys/{segment(key)}/revoke", {"reason": reason})

    def revoke_keys(
        self, reason: str, *, keys: Optional[Sequence[str]] = None, consumer: Optional[str] = None
    ) -> Json:
        """Up to 500 of them, or all of a consumer: `revoked`, and `refused` with why; dead everywhere when this returns."""
        if (keys is None) == (consumer is None):
            raise ValueError("give either keys or consumer")
        which: Json = {"consumer": consumer} if keys is None else {"keys": list(keys)}
        return self._change("POST", "/v1/keys/revoke", {**which, "reason": reason})

    def destroy_key(self, key: str) -> Json:
        """For good: no verifier knows its credentials any more."""
        return self._change("POST", f"/v1/keys/{segment(key)}/destroy", {})

    def revoke_credential(self, credential: str, reason: str) -> Json:
        return self._change("POST", f"/v1/credentials/{segment(credential)}/revoke", {"reason": reason})

    def _read(self, path: str, query: Optional[Mapping[str, Any]] = None) -> Json:
        answer: Json = self._connection.call("GET", path, query=query, timeout_seconds=self._read_seconds)
        return answer

    def _change(self, method: str, path: str, body: Optional[Json], idempotency_key: Optional[str] = None) -> Json:
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        answer: Json = self._connection.call(
            method, path, body=body, headers=headers, timeout_seconds=self._change_seconds
        )
        return answer

    def _list(self, path: str, query: Mapping[str, Any]) -> Iterator[Json]:
        cursor = None
        while True:
            page = self._read(path, {**query, "cursor": cursor})
            yield from page["items"]
            cursor = page["nextCursor"]
            if cursor is None:
                return


def _signing(project: str, environment: str) -> str:
    return f"/v1/projects/{segment(project)}/environments/{segment(environment)}/signing"


def _rules(project: str, environment: str) -> str:
    return f"/v1/projects/{segment(project)}/environments/{segment(environment)}/rules"


def _credential(credential: Union[str, Mapping[str, Any]]) -> Json:
    return {"kind": credential} if isinstance(credential, str) else dict(credential)


def _issued(answer: Json) -> Issued:
    names = ("credential", "secret", "passphrase", "delivery", "key", "previous", "barrier")
    given: Json = {name: answer.get(name) for name in names}
    return Issued(secret_shown=answer.get("secretShown", False), **given)
