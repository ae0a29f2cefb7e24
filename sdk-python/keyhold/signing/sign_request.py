"""Signs requests in the dialects that Keyhold verifies."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Union

from . import binance, bybit, coinbase_cdp, hmac_scheme, kraken, rfc9421
from .access_headers import prepare_coinbase_exchange, prepare_okx
from .errors import SigningError
from .keys import HmacSecret, SigningKey
from .request import Request
from .task import Context, Nonce, Settings, Task

_DIALECTS: Mapping[str, Callable[[Request, Context, Settings], Task]] = {
    "rfc9421": rfc9421.prepare,
    "binance": binance.prepare,
    "bybit": bybit.prepare,
    "okx": prepare_okx,
    "kraken": kraken.prepare,
    "coinbase-exchange": prepare_coinbase_exchange,
    "coinbase-cdp": coinbase_cdp.prepare,
    "hmac": hmac_scheme.prepare,
}
DIALECTS = tuple(_DIALECTS)


def now_ms() -> int:
    """Epoch milliseconds by this machine's clock."""
    return time.time_ns() // 1_000_000


class _Rising:
    """Microseconds: above every other of this process, and of the one before it where the clock was not set back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, time.time_ns() // 1000)
            return self._last


_RISING = _Rising()


def new_nonce() -> Nonce:
    """128 random bits, and a number above every other of this process."""
    return Nonce(secrets.token_hex(16), _RISING.next())


@dataclass(frozen=True)
class Signer:
    """Who signs, how, and with what.

    dialect: its name (one of DIALECTS), or its settings as the environment has them (`client.get_signing`).
    credential: id of the credential: it is the API key that the dialect sends.
    passphrase: of an `hmac` credential, where the dialect sends one.
    otp: one-time code of a second factor, where a request takes one.
    now: epoch milliseconds; nonce: asked once a request.
    """

    dialect: Union[str, Mapping[str, Any]]
    credential: str
    key: SigningKey
    passphrase: Optional[str] = field(default=None, repr=False)
    otp: Optional[str] = field(default=None, repr=False)
    now: Callable[[], int] = now_ms
    nonce: Callable[[], Nonce] = new_nonce


def sign_request(signer: Signer, request: Request) -> Request:
    """What comes back has to be sent byte for byte, with nothing added to its query or body.

    Raises SigningError where a request like this cannot be signed in the dialect, or not with this key.
    """
    task, algorithm = prepare_request(signer, request)
    if isinstance(signer.key, HmacSecret):
        return task.attach(signer.key.sign(task.base, task.secret_encoding, algorithm))
    return task.attach(signer.key.sign(task.base))


def prepare_request(signer: Signer, request: Request) -> tuple[Task, str]:
    """What is to be signed and with which algorithm, for keys that live elsewhere (an HSM, a signing service)."""
    settings = {"dialect": signer.dialect} if isinstance(signer.dialect, str) else signer.dialect
    name = settings.get("dialect")
    prepare = _DIALECTS.get(name) if isinstance(name, str) else None
    if prepare is None:
        raise SigningError(f"there is no dialect {name}: it is one of {', '.join(DIALECTS)}")
    algorithm = _hmac_algorithm(settings) if isinstance(signer.key, HmacSecret) else signer.key.algorithm
    moment = signer.now()
    # From 2001 to 2286: seconds or microseconds, taken for milliseconds, would be refused far from here.
    if not 10**12 <= moment < 10**13:
        raise SigningError("the signer's clock does not tell epoch milliseconds")
    context = Context(signer.credential, algorithm, int(moment), signer.nonce(), signer.passphrase, signer.otp)
    ready = Request(request.method.upper(), request.url, request.headers, request.body)
    return prepare(ready, context, settings), algorithm


def _hmac_algorithm(settings: Settings) -> str:
    """HMAC dialects differ in their hash."""
    is_long = settings["dialect"] == "kraken" or settings.get("hash") == "sha512"
    return "hmac-sha512" if is_long else "hmac-sha256"
