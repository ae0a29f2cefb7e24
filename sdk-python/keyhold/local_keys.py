"""Key pairs that are made here. The private half never reaches Keyhold: it is shown a proof of possession."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Optional

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from .signing.keys import AnyPrivateKey, PrivateKey

RSA_BITS = 3072
"""128 bits of security (NIST SP 800-57 part 1 §5.6.1); Keyhold takes 2048 and more."""

# How a kind of key signs the statement of possession, and what else it may sign with.
_SIGNS = {
    "ed25519": ("ed25519",),
    "ecdsa-p256": ("ecdsa-p256-sha256",),
    "rsa": ("rsa-pss-sha512", "rsa-v1_5-sha256"),
}
ALGORITHMS = tuple(_SIGNS)


@dataclass(frozen=True)
class LocalKey:
    """A key pair. algorithm: one of ALGORITHMS. private_key: PKCS #8 in PEM. public_key: SPKI, DER as hex."""

    algorithm: str
    private_key: str = field(repr=False)
    public_key: str

    def signing_key(self, algorithm: Optional[str] = None) -> PrivateKey:
        """The key for `keyhold.signing`. algorithm: of RSA, where a dialect signs by PKCS #1 v1.5 (`rsa-v1_5-sha256`)."""
        return PrivateKey(algorithm or _SIGNS[self.algorithm][0], self.private_key)

    def credential(self, environment: str, holder: str, at: Optional[datetime] = None) -> dict[str, Any]:
        """What `issue_key` and `rotate_key` take as credential.

        environment: `project/environment` that it is for.
        holder: the consumer that the key is issued to, or the key that is rotated.
        at: when, by this machine's clock; a proof is good for ten minutes.
        """
        moment = (at or datetime.now(timezone.utc)).astimezone(timezone.utc)
        written = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
        statement = possession_statement(environment, holder, self.public_key, written)
        signature = b64encode(self.signing_key().sign(statement)).decode()
        return {
            "kind": "public-key",
            "publicKey": self.public_key,
            "proof": {"at": written, "signature": signature},
        }


def possession_statement(environment: str, holder: str, public_key: str, at: str) -> bytes:
    """The bytes that prove possession, canonical JSON (RFC 8785)."""
    statement = {
        "at": at,
        "environment": environment,
        "holder": holder,
        "publicKey": public_key,
        "statement": "keyhold/v1/possession",
    }
    return json.dumps(statement, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def generate_key(algorithm: str) -> LocalKey:
    """Makes a pair. Raises ValueError where there is no such algorithm."""
    private: AnyPrivateKey
    if algorithm == "ed25519":
        private = ed25519.Ed25519PrivateKey.generate()
    elif algorithm == "ecdsa-p256":
        private = ec.generate_private_key(ec.SECP256R1())
    elif algorithm == "rsa":
        private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    else:
        raise ValueError(f"there is no algorithm {algorithm}: it is one of {', '.join(ALGORITHMS)}")
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    spki = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return LocalKey(algorithm, pem.decode(), spki.hex())
