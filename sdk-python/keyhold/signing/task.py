"""What a dialect is told, and what it asks to be signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional

from .errors import SigningError
from .request import Request

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Nonce:
    """Fresh random text, and a number above every other that this client used (at most 64 bits)."""

    text: str
    rising: int


@dataclass(frozen=True)
class Context:
    """With what, and when, a client signs. `now_ms` is epoch milliseconds."""

    credential: str
    algorithm: str
    now_ms: int
    nonce: Nonce
    passphrase: Optional[str] = None
    otp: Optional[str] = None

    @property
    def is_hmac(self) -> bool:
        return self.algorithm.startswith("hmac-")

    def require(self, dialect: str, *algorithms: str) -> None:
        """Raises SigningError unless the dialect signs with this kind of key."""
        if self.algorithm not in algorithms:
            raise SigningError(f"{dialect} does not sign with {self.algorithm}")


@dataclass(frozen=True)
class Task:
    """What to sign, and where the signature goes. `secret_encoding`: how the text of a secret becomes a key."""

    base: bytes
    secret_encoding: str
    attach: Callable[[bytes], Request]
