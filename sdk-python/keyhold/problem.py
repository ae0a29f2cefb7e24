"""Refusals of the server as exceptions."""

from __future__ import annotations

from typing import Any, Optional


class KeyholdError(Exception):
    """A refusal: RFC 9457 problem details.

    status: of HTTP. code: from the server's registry of errors, `UNKNOWN` where somebody else answered.
    detail: what is wrong and how to mend it. field: the failing one. instance: finds the request in the server's log.
    """

    def __init__(self, status: int, problem: Any) -> None:
        said = problem if isinstance(problem, dict) else {}
        self.status = status
        self.code: str = said.get("code", "UNKNOWN")
        self.detail: str = said.get("detail", "")
        self.field: Optional[str] = said.get("field")
        self.instance: Optional[str] = said.get("instance")
        where = "" if self.field is None else f" ({self.field})"
        super().__init__(f"{self.code}: {self.detail or said.get('title') or f'HTTP {status}'}{where}")
