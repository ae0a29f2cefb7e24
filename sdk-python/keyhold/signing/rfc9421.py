"""HTTP Message Signatures (RFC 9421) of requests, with Content-Digest (RFC 9530)."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

from .components import Message, component_value, covered, identity, name_of, parse_component, text_parameter
from .errors import SigningError
from .normal_url import normal_url
from .request import Request
from .structured_fields import Bare, Item, serialize, string
from .task import Context, Settings, Task
from .urls import split_url, target_of

DEFAULT_COMPONENTS = ("@method", "@target-uri")
"""What a signature covers at least, where settings do not say it."""
_MAX_COMPONENTS = 50
_MAX_BASE_CHARS = 131_072
_OTP_HEADER = "keyhold-otp"


def prepare(request: Request, context: Context, settings: Settings) -> Task:
    """Signs the components of the settings, and the digest of a body always. The URL is made as clients send it."""
    context.require(
        "rfc9421", "hmac-sha256", "ed25519", "ecdsa-p256-sha256", "rsa-pss-sha512", "rsa-v1_5-sha256"
    )
    if request.values("signature-input") or request.values("signature"):
        raise SigningError("rfc9421: the request is signed already")
    components = [parse_component(one) for one in settings.get("components", DEFAULT_COMPONENTS)]
    if request.body and not any(name_of(one) == "content-digest" for one in components):
        components.append(parse_component("content-digest"))
    if context.otp is not None:
        request = _with_otp(request, context.otp)
        otp = parse_component(_OTP_HEADER)
        if identity(otp) not in map(identity, components):
            components.append(otp)
    ready = _with_digest(request.with_url(normal_url(request.url)), components)
    parameters = {
        "created": Bare("integer", context.now_ms // 1000),
        "keyid": string(context.credential),
        "alg": string(context.algorithm),
        "nonce": string(context.nonce.text),
        **({"tag": string(settings["tag"])} if "tag" in settings else {}),
    }
    written = serialize(covered(components, parameters))

    def attach(signature: bytes) -> Request:
        fields = (("Signature-Input", f"sig1={written}"), ("Signature", f"sig1=:{b64encode(signature).decode()}:"))
        return Request(ready.method, ready.url, (*ready.headers, *fields), ready.body)

    return Task(_base(ready, components, written), "base64", attach)


def _with_otp(request: Request, otp: str) -> Request:
    """The code of a second factor in a field that the signature covers."""
    others = tuple((name, value) for name, value in request.headers if name.lower() != _OTP_HEADER)
    return Request(request.method, request.url, (*others, (_OTP_HEADER, otp)), request.body)


def _base(request: Request, components: list[Item], written: str) -> bytes:
    """The bytes that a signature is over (RFC 9421 §2.5)."""
    if len(components) > _MAX_COMPONENTS or len(set(map(identity, components))) < len(components):
        raise SigningError(f"rfc9421: a component is covered twice, or more than {_MAX_COMPONENTS} are")
    message = _message(request)
    lines = [f"{serialize(one)}: {component_value(message, one)}" for one in components]
    base = "\n".join([*lines, f'"@signature-params": {written}'])
    # INVARIANT: ASCII (§2.5, step 4), and one line each, so that no value reads as another component's line.
    is_one_line_each = len(base.split("\n")) == len(lines) + 1
    if re.fullmatch(r"[\t\n\x20-\x7e]*", base) is None or not is_one_line_each or len(base) > _MAX_BASE_CHARS:
        raise SigningError("rfc9421: what is signed is not one line of ASCII for each component, or too long")
    return base.encode()


def _message(request: Request) -> Message:
    scheme, authority, _ = split_url(request.url)
    hosts = request.values("host")
    if len(hosts) > 1:
        raise SigningError("rfc9421: there is more than one Host field")
    if hosts:
        # Of another name than the URL's where the client speaks to a proxy.
        authority = split_url(normal_url(f"{scheme}://{hosts[0].strip()}/"))[1]
    return Message(request, scheme, authority, target_of(request.url))


def _with_digest(request: Request, components: list[Item]) -> Request:
    """The digest of the body as it is, in place of one that was there."""
    covering = [one for one in components if name_of(one) == "content-digest"]
    if not covering:
        return request
    algorithm = "sha-512" if any(text_parameter(one, "key") == "sha-512" for one in covering) else "sha-256"
    digest = hashlib.new(algorithm.replace("-", ""), request.body).digest()
    return request.with_fields(("Content-Digest", f"{algorithm}=:{b64encode(digest).decode()}:"))
