"""Signing of requests: `sign_request(signer, request)`, in every dialect that a Keyhold environment may allow."""

from .errors import SigningError
from .keys import PRIVATE_KEY_ALGORITHMS, HmacSecret, PrivateKey, SigningKey
from .request import Request
from .sign_request import DIALECTS, Signer, prepare_request, sign_request
from .task import Nonce, Task

__all__ = [
    "DIALECTS",
    "PRIVATE_KEY_ALGORITHMS",
    "HmacSecret",
    "Nonce",
    "PrivateKey",
    "Request",
    "Signer",
    "SigningError",
    "SigningKey",
    "Task",
    "prepare_request",
    "sign_request",
]
