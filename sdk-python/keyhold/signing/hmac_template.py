"""Which settings of an HMAC scheme of one's own are safe to sign with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Optional

from .task import Settings

# Of one length, or ended by what they are: another credential has another secret.
_FIXED = ("credential", "timestamp", "body-sha256-hex")


def template_fault(settings: Settings) -> Optional[str]:
    """What is wrong with the settings; None where nothing is.

    INVARIANT: with settings that pass, two requests that differ in what is signed never have one text.
    """
    signed = settings["signed"]
    fields = ("credentialHeader", "signatureHeader", "timestampHeader", "nonceHeader")
    names = [settings.get(name, "").lower() for name in fields]
    if len(set(names)) < len(names):
        return "two of the headers are one"
    for part in ("timestamp", "method"):
        if part not in signed:
            return f"the {part} is not signed"
    if "path" not in signed and "target" not in signed:
        return "the path is not signed"
    if ("nonce" in signed) != ("nonceHeader" in settings):
        return "the nonce has a header and is signed, or neither"
    if "body" in signed and "body-sha256-hex" in signed:
        return "the body is signed twice"
    for index, part in enumerate(signed[:-1]):
        if not _is_end_known(part, signed[index + 1 :]):
            return f"nothing tells where {part} ends"
    return None


def _is_fixed(part: Any) -> bool:
    return not isinstance(part, str) or part in _FIXED


def _is_end_known(part: Any, rest: Sequence[Any]) -> bool:
    following = next((one for one in rest if one != {"text": ""}), None)
    if following is None or _is_fixed(part):
        return True
    # What a body has inside is anybody's choice, so all that follows has to be countable from the end.
    if part == "body":
        return all(map(_is_fixed, rest))
    if not isinstance(following, str):
        return _is_outside(part, following["text"][0])
    if part == "method":
        return following in ("path", "target", "timestamp")
    # Per request, see check_body_apart: a body that follows has to begin with a brace or a bracket.
    return part != "nonce" and following == "body"


def _is_outside(part: str, separator: str) -> bool:
    """True where a separator cannot be a character of the part itself."""
    if part == "method":
        return re.fullmatch(r"[A-Z]", separator) is None
    return re.fullmatch(r"[\x21-\x7e]", separator) is None or (part == "path" and separator == "?")
