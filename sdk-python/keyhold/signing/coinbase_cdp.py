"""The style of Coinbase's developer platform: a JWT for one method, host and path, which signs no query and no body.

@see https://docs.cdp.coinbase.com/api-reference/v2/authentication
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from typing import Any

from .errors import SigningError
from .request import Request, check_credential, check_method
from .task import Context, Settings, Task
from .urls import split_url, target_of

_SECONDS = 120


def prepare(request: Request, context: Context, settings: Settings) -> Task:
    """Signs a token that is good for 120 seconds, once."""
    context.require("coinbase-cdp", "ed25519", "ecdsa-p256-sha256")
    check_credential(context.credential)
    check_method(request.method)
    scheme, authority, _ = split_url(request.url)
    hosts = request.values("host")
    of_host = [_plain(host, scheme) for host in hosts]
    host = settings.get("host", authority)
    if len(hosts) > 1 or ("host" not in settings and of_host not in ([], [_plain(host, scheme)])):
        raise SigningError("coinbase-cdp: the token would be for another host")
    uri = f"{request.method} {host}{target_of(request.url).path}"
    signing_input = _signing_input(context, uri)

    def attach(signature: bytes) -> Request:
        return request.with_fields(("Authorization", f"Bearer {signing_input}.{_encode(signature)}"))

    return Task(signing_input.encode(), "utf8", attach)


def _signing_input(context: Context, uri: str) -> str:
    """As Coinbase documents it for either kind of key."""
    is_ed25519 = context.algorithm == "ed25519"
    seconds = context.now_ms // 1000
    if re.fullmatch(r"[\x21-\x7e]{1,128}", context.nonce.text) is None:
        raise SigningError("coinbase-cdp: the nonce is not 1 to 128 visible characters")
    header = {
        "alg": "EdDSA" if is_ed25519 else "ES256",
        "kid": context.credential,
        "typ": "JWT",
        "nonce": context.nonce.text,
    }
    claims: dict[str, Any] = {
        "sub": context.credential,
        "iss": "cdp" if is_ed25519 else "coinbase-cloud",
        "aud": ["cdp_service" if is_ed25519 else "retail_rest_api_proxy"],
        "nbf": seconds,
        "exp": seconds + _SECONDS,
        **({"uris": [uri]} if is_ed25519 else {"uri": uri}),
    }
    parts = [json.dumps(part, ensure_ascii=False, separators=(",", ":")) for part in (header, claims)]
    return ".".join(_encode(part.encode()) for part in parts)


def _encode(content: bytes) -> str:
    """RFC 4648 §5, without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _plain(authority: str, scheme: str) -> str:
    """Without case and without the port that goes without saying (RFC 3986 §3.2.2, §3.2.3)."""
    return re.sub(":443$" if scheme == "https" else ":80$", "", authority.lower())
