"""Structured Field Values (RFC 9651), as far as RFC 9421 signs them: parsed, and written in the one way."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Callable, NamedTuple, Optional, Union

from .errors import SigningError


class Bare(NamedTuple):
    """`kind` keeps apart what Python's types do not: a String from a Token, an Integer from a Date."""

    kind: str
    value: Union[str, bytes, int, float, bool]


Parameters = Mapping[str, Bare]
TRUE = Bare("boolean", True)


@dataclass(frozen=True)
class Item:
    bare: Bare
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True)
class InnerList:
    items: tuple[Item, ...]
    parameters: Parameters = field(default_factory=dict)


Member = Union[Item, InnerList]


def string(value: str) -> Bare:
    return Bare("string", value)


def serialize_dictionary(members: Mapping[str, Member]) -> str:
    def one(key: str, member: Member) -> str:
        if isinstance(member, Item) and member.bare == TRUE:
            return key + _parameters(member.parameters)
        return f"{key}={serialize(member)}"

    return ", ".join(one(key, member) for key, member in members.items())


def serialize(member: Member) -> str:
    """An Item or an Inner List with its parameters (RFC 9651 §4.1.1.1, §4.1.3)."""
    if isinstance(member, InnerList):
        return f"({' '.join(map(serialize, member.items))}){_parameters(member.parameters)}"
    return serialize_bare(member.bare) + _parameters(member.parameters)


def serialize_bare(bare: Bare) -> str:
    """RFC 9651 §4.1.3.1."""
    kind, value = bare
    if isinstance(value, bytes):
        return f":{base64.b64encode(value).decode()}:"
    if kind == "boolean":
        return "?1" if value else "?0"
    if kind == "decimal":
        return re.sub(r"0{1,2}\Z", "", f"{value:.3f}")
    if kind == "string":
        escaped = re.sub(r'["\\]', r"\\\g<0>", str(value))
        return f'"{escaped}"'
    if kind == "display":
        return '%"' + "".join(_display(byte) for byte in str(value).encode()) + '"'
    return f"@{value}" if kind == "date" else str(value)


def _display(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F and byte not in (0x22, 0x25) else f"%{byte:02x}"


def _parameters(parameters: Parameters) -> str:
    return "".join(
        f";{key}" if value == TRUE else f";{key}={serialize_bare(value)}" for key, value in parameters.items()
    )


_SPACES = re.compile(r" *")
_WHITE_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_`|~-]*")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]*)?")
_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_DISPLAY = re.compile(r'%"((?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*)"')
_BYTES = re.compile(r":([A-Za-z0-9+/=]*):")
_BOOLEAN = re.compile(r"\?([01])")


class Parser:
    """Parses one field value. Raises SigningError where it is none; `repeated` tells of a key that stood twice."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.repeated = False

    def dictionary(self) -> dict[str, Member]:
        members: dict[str, Member] = {}

        def one() -> None:
            key = self._take(_KEY)
            member = self._member() if self._eat("=") else Item(TRUE, self._parameters())
            self.repeated |= key in members
            members[key] = member

        self._whole(lambda: self._separated(one))
        return members

    def list(self) -> list[Member]:
        members: list[Member] = []
        self._whole(lambda: self._separated(lambda: members.append(self._member())))
        return members

    def item(self) -> Item:
        items: list[Item] = []
        self._whole(lambda: items.append(self._item()))
        return items[0]

    def _whole(self, parse: Callable[[], None]) -> None:
        """RFC 9651 §4.2: what is left over makes the whole field fail."""
        self._take(_SPACES)
        parse()
        self._take(_SPACES)
        if self._at != len(self._text):
            raise SigningError("a field is not structured as RFC 9651 has it")

    def _separated(self, one: Callable[[], None]) -> None:
        if self._at == len(self._text):
            return
        while True:
            one()
            self._take(_WHITE_SPACE)
            if not self._eat(","):
                return
            self._take(_WHITE_SPACE)

    def _match(self, pattern: re.Pattern[str]) -> Optional[re.Match[str]]:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return match

    def _take(self, pattern: re.Pattern[str], group: int = 0) -> str:
        match = self._match(pattern)
        if match is None:
            raise SigningError("a field is not structured as RFC 9651 has it")
        return match[group]

    def _eat(self, char: str) -> bool:
        if not self._text.startswith(char, self._at):
            return False
        self._at += 1
        return True

    def _member(self) -> Member:
        if not self._eat("("):
            return self._item()
        items: list[Item] = []
        while True:
            spaces = self._take(_SPACES)
            if self._eat(")"):
                return InnerList(tuple(items), self._parameters())
            if items and not spaces:
                raise SigningError("a field is not structured as RFC 9651 has it")
            items.append(self._item())

    def _item(self) -> Item:
        return Item(self._bare(), self._parameters())

    def _parameters(self) -> Parameters:
        parameters: dict[str, Bare] = {}
        while self._eat(";"):
            self._take(_SPACES)
            key = self._take(_KEY)
            self.repeated |= key in parameters
            parameters[key] = self._bare() if self._eat("=") else TRUE
        return parameters

    def _bare(self) -> Bare:
        first = self._text[self._at : self._at + 1]
        if first == '"':
            return string(re.sub(r"\\(.)", r"\1", self._take(_STRING, 1)))
        if first == ":":
            return Bare("bytes", _decoded(self._take(_BYTES, 1)))
        if first == "?":
            return Bare("boolean", self._take(_BOOLEAN, 1) == "1")
        if first == "%":
            return Bare("display", _display_text(self._take(_DISPLAY, 1)))
        if self._eat("@"):
            number = _number(self._take(_NUMBER))
            if number.kind != "integer":
                raise SigningError("a Date of a field is no whole number")
            return Bare("date", number.value)
        match = self._match(_NUMBER)
        return Bare("token", self._take(_TOKEN)) if match is None else _number(match[0])


def _decoded(text: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    # Two ways of writing the same bytes would be two requests with one base.
    if base64.b64encode(value).decode() != text:
        raise SigningError("a Byte Sequence of a field is not in the one way of writing it")
    return value


def _display_text(raw: str) -> str:
    try:
        return re.sub(rb"%(..)", lambda match: bytes([int(match[1], 16)]), raw.encode()).decode()
    except UnicodeDecodeError:
        raise SigningError("a Display String of a field is not UTF-8") from None


def _number(raw: str) -> Bare:
    """RFC 9651 §4.2.4: 15 digits, or 12 before the point and 3 after it."""
    if re.fullmatch(r"-?[0-9]{1,15}", raw):
        return Bare("integer", int(raw))
    if re.fullmatch(r"-?[0-9]{1,12}\.[0-9]{1,3}", raw):
        return Bare("decimal", float(raw) + 0)
    raise SigningError("a number of a field has too many digits")
