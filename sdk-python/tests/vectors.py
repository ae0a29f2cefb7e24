"""The vectors that every SDK signs alike, as objects of this one."""

import base64
import json
import os
from pathlib import Path

from keyhold.signing import HmacSecret, Nonce, PrivateKey, Request, Signer

_REPOSITORY = Path(__file__).resolve().parents[2]
_FOLDER = Path(os.environ.get("KEYHOLD_SIGNING_VECTORS", _REPOSITORY / "packages/protocol/src/dialects/vectors"))

FILE = json.loads((_FOLDER / "signed-requests.json").read_text("utf8"))
KEYS = json.loads((_FOLDER / "signing-keys.json").read_text("utf8"))["keys"]


def request_of(written):
    body = written["body"]
    octets = body.encode() if isinstance(body, str) else base64.b64decode(body["base64"])
    return Request(written["method"], written["url"], written["headers"], octets)


def signer_of(written):
    key, nonce = KEYS[written["key"]], written["nonce"]
    is_private = "algorithm" in written
    return Signer(
        dialect=written["dialect"],
        credential=written["credential"],
        key=PrivateKey(written["algorithm"], key["privateKey"]) if is_private else HmacSecret(key["secret"]),
        passphrase=written.get("passphrase"),
        otp=written.get("otp"),
        now=lambda: written["nowMs"],
        nonce=lambda: Nonce(nonce["text"], int(nonce["rising"])),
    )
