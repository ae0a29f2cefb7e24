"""What a client signs with. The cryptography is that of `cryptography`, and `hmac` of the standard library."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from typing import Union

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .errors import SigningError

AnyPrivateKey = Union[ed25519.Ed25519PrivateKey, ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey]

_TYPES = {
    "ed25519": ed25519.Ed25519PrivateKey,
    "ecdsa-p256-sha256": ec.EllipticCurvePrivateKey,
    "rsa-pss-sha512": rsa.RSAPrivateKey,
    "rsa-v1_5-sha256": rsa.RSAPrivateKey,
}
PRIVATE_KEY_ALGORITHMS = tuple(_TYPES)
"""How a private key may sign, in the words of RFC 9421 §6.2.2."""


@dataclass(frozen=True)
class HmacSecret:
    """The secret of an `hmac` credential, as it was shown."""

    secret: str = field(repr=False)

    def sign(self, base: bytes, encoding: str, algorithm: str) -> bytes:
        """The HMAC; `encoding` says whether the text itself is the key (`utf8`) or what it encodes (`base64`)."""
        try:
            key = self.secret.encode() if encoding == "utf8" else base64.b64decode(self.secret, validate=True)
        except (binascii.Error, ValueError):
            raise SigningError("the secret is not Base 64, as this dialect has it") from None
        return hmac.new(key, base, "sha512" if algorithm == "hmac-sha512" else "sha256").digest()


class PrivateKey:
    """A private key, read once for any number of signatures.

    algorithm: one of PRIVATE_KEY_ALGORITHMS.
    key: PEM (PKCS #8, PKCS #1 or SEC 1, not encrypted), or a key of `cryptography`.
    Raises SigningError where it is no such key.
    """

    def __init__(self, algorithm: str, key: Union[str, bytes, AnyPrivateKey]) -> None:
        self.algorithm = algorithm
        self._key = _load(key) if isinstance(key, (str, bytes)) else key
        expected = _TYPES.get(algorithm)
        if expected is None:
            raise SigningError(f"there is no algorithm {algorithm}: it is one of {', '.join(_TYPES)}")
        is_other_curve = isinstance(self._key, ec.EllipticCurvePrivateKey) and self._key.curve.name != "secp256r1"
        if not isinstance(self._key, expected) or is_other_curve:
            raise SigningError(f"the private key is of another kind than {algorithm} signs with")

    def __repr__(self) -> str:
        return f"PrivateKey({self.algorithm!r})"

    def sign(self, base: bytes) -> bytes:
        """The signature. ECDSA: r ‖ s, 32 bytes each, as every dialect has it. RSA-PSS: the salt has 64 bytes."""
        key = self._key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(base)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(key.sign(base, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if self.algorithm == "rsa-v1_5-sha256":
            return key.sign(base, padding.PKCS1v15(), hashes.SHA256())
        # RFC 9421 §3.3.1: the salt is as long as the hash.
        return key.sign(base, padding.PSS(padding.MGF1(hashes.SHA512()), salt_length=64), hashes.SHA512())


SigningKey = Union[HmacSecret, PrivateKey]


def _load(pem: Union[str, bytes]) -> AnyPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.encode() if isinstance(pem, str) else pem, password=None)
    except (ValueError, TypeError):
        # The original text may quote what was given.
        raise SigningError("this is no private key in PEM, or it is encrypted") from None
    if not isinstance(key, (ed25519.Ed25519PrivateKey, ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise SigningError("this kind of private key signs in no dialect")
    return key
