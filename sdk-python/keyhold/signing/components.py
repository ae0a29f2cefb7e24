"""What a signature of RFC 9421 covers, and the values of it (§2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional
from urllib.parse import unquote_to_bytes

from .errors import SigningError
from .request import Request
from .structured_fields import (
    Bare,
    InnerList,
    Item,
    Parser,
    serialize,
    serialize_bare,
    serialize_dictionary,
    string,
)
from .urls import Target

_DERIVED = frozenset(
    f"@{name}"
    for name in ("method", "target-uri", "authority", "scheme", "request-target", "path", "query", "query-param")
)
# Registered structured fields: `sf` is possible only where the type is known (RFC 9421 §2.1.1).
_DICTIONARIES = (
    "accept-signature cdn-cache-control content-digest priority repr-digest signature signature-input"
    " want-content-digest want-repr-digest"
).split()
_TYPES = {
    **dict.fromkeys(_DICTIONARIES, "dictionary"),
    **dict.fromkeys(("cache-status", "client-cert-chain", "proxy-status"), "list"),
    "client-cert": "item",
}


@dataclass(frozen=True)
class Message:
    """Where component values come from. `authority` is normal (RFC 9110 §4.2.3)."""

    request: Request
    scheme: str
    authority: str
    target: Target


def parse_component(written: str) -> Item:
    """A component as settings have it: `@method`, `content-type`, `"priority";sf`, `@query-param;name="id"`."""
    name, mark, rest = written.partition(";")
    parser = Parser(written if written.startswith('"') else f'"{name.lower()}"{mark}{rest}')
    item = parser.item()
    if parser.repeated or item.bare.kind != "string":
        raise SigningError(f"{written} is not a component identifier")
    problem = _problem(name_of(item), item)
    if problem is not None:
        raise SigningError(f"{serialize(item)}: {problem}")
    return item


def name_of(component: Item) -> str:
    return str(component.bare.value)


def identity(component: Item) -> tuple[str, ...]:
    """Equal for two identifiers that differ only in the order of their parameters (RFC 9421 §2)."""
    parameters = sorted(f"{key}={serialize_bare(value)}" for key, value in component.parameters.items())
    return (name_of(component), *parameters)


def text_parameter(component: Item, name: str) -> Optional[str]:
    parameter = component.parameters.get(name)
    return str(parameter.value) if parameter is not None and parameter.kind == "string" else None


def _problem(name: str, component: Item) -> Optional[str]:
    parameters = component.parameters
    is_true = Bare("boolean", True).__eq__
    if name.startswith("@"):
        if name not in _DERIVED:
            return "no derived component of a request"
        for key, value in parameters.items():
            if not (key == "name" and name == "@query-param" and value.kind == "string"):
                return f"parameter {key} is not understood here"
        return "the parameter name is missing" if name == "@query-param" and not parameters else None
    if re.fullmatch(r"[a-z0-9!#$%&'*+.^_`|~-]{1,128}", name) is None:
        return "not a field name in lower case"
    for key, value in parameters.items():
        # A request that is not sent yet has no trailers (`tr`), and answers none (`req`).
        if not (value.kind == "string" if key == "key" else key in ("sf", "bs") and is_true(value)):
            return f"parameter {key} is not understood here"
    return "bs goes with neither sf nor key" if "bs" in parameters and len(parameters) > 1 else None


def component_value(message: Message, component: Item) -> str:
    """RFC 9421 §2.5, step 2.4."""
    name, target = name_of(component), message.target
    if not name.startswith("@"):
        return _field_value(message, name, component)
    if name == "@query-param":
        return _query_parameter(target.query or "", text_parameter(component, "name") or "", component)
    return {
        "@method": message.request.method,
        "@scheme": message.scheme,
        "@authority": message.authority,
        "@request-target": str(target),
        "@target-uri": f"{message.scheme}://{message.authority}{target}",
        "@path": target.path,
        # RFC 9421 §2.2.7: no query is `?` too.
        "@query": f"?{target.query or ''}",
    }[name]


def _field_value(message: Message, name: str, component: Item) -> str:
    values = [_unfold(value) for value in message.request.values(name)]
    if name == "host" and not values:
        # Clients add it to what they send.
        values = [message.authority]
    if not values:
        raise SigningError(f"{serialize(component)}: the request has no such field")
    if "bs" in component.parameters:
        # RFC 9421 §2.1.3: each line by itself, so that commas within and between lines stay apart.
        return ", ".join(serialize(Item(Bare("bytes", _octets(value)))) for value in values)
    if any(re.fullmatch(r"[\t\x20-\x7e]*", value) is None for value in values):
        raise SigningError(f"{serialize(component)}: the field is not in ASCII")
    combined = ", ".join(values)
    key = text_parameter(component, "key")
    if key is not None:
        is_dictionary = _TYPES.get(name, "dictionary") == "dictionary"
        member = Parser(combined).dictionary().get(key) if is_dictionary else None
        if member is None:
            raise SigningError(f"{serialize(component)}: the field has no such member")
        return serialize(member)
    return _strict(name, combined, component) if "sf" in component.parameters else combined


def _strict(name: str, combined: str, component: Item) -> str:
    """RFC 9421 §2.1.1."""
    kind = _TYPES.get(name)
    if kind == "dictionary":
        return serialize_dictionary(Parser(combined).dictionary())
    if kind == "list":
        return ", ".join(map(serialize, Parser(combined).list()))
    if kind == "item":
        return serialize(Parser(combined).item())
    raise SigningError(f"{serialize(component)}: how this field is structured is not known")


def _octets(value: str) -> bytes:
    if re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value) is None:
        raise SigningError("a field has a character that no octet is")
    return value.encode("latin-1")


def _unfold(value: str) -> str:
    """Without white space around it, and each obsolete fold one space (RFC 9421 §2.1, steps 2 and 3)."""
    first, *folds = re.split(r"\r?\n", value)
    if any(fold[:1] not in (" ", "\t") for fold in folds):
        raise SigningError("a field has a line break that is no fold")
    return " ".join(part.strip(" \t") for part in (first, *folds)).strip(" \t")


def _query_parameter(query: str, wanted: str, component: Item) -> str:
    """The one parameter of that name, encoded in the one way of RFC 9421 §2.2.8."""
    found = []
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        if _normal(name) == wanted:
            found.append(_normal(value))
    if len(found) != 1 or found[0] is None:
        raise SigningError(f"{serialize(component)}: the query does not have this parameter exactly once, in UTF-8")
    return found[0]


def _normal(written: str) -> Optional[str]:
    octets = unquote_to_bytes(written.replace("+", " "))
    try:
        octets.decode()
    except UnicodeDecodeError:
        return None
    plain = b"*._-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return "".join(chr(octet) if octet in plain else f"%{octet:02X}" for octet in octets)


def covered(components: list[Item], parameters: dict[str, Bare]) -> InnerList:
    """Covered components with the signature's parameters, as Signature-Input has them."""
    return InnerList(tuple(Item(string(name_of(one)), one.parameters) for one in components), parameters)
