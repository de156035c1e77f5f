"""Rules switch faults on: which fault, for which requests, how often and for how long."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from include.market.errors import InvalidInputError
from include.simulator.faults.table import FAULTS, FIELD, ROW, Fault, Param, Value

_COMMON: dict[str, tuple[type, float, float, str]] = {
    "probability": (float, 0.0, 1.0, "a number from 0 to 1"),
    "times": (int, 1, 1e12, "a whole number from 1"),
    "after": (int, 0, 1e12, "a whole number from 0"),
    "from_ms": (int, 0, 1e16, "an instant in epoch milliseconds"),
    "to_ms": (int, 0, 1e16, "an instant in epoch milliseconds"),
    "active_s": (float, 1e-3, 1e9, "seconds above 0"),
    "seed": (int, -(2**63), 2**63, "a whole number"),
}
_TEXTS = ("fault", "route", "symbol")
_MAX_NUMBER = 1e12
# Cells and sizes that would cost the simulator itself its memory or its stack.
_BOUNDS = {
    "keep": (0.0, 0.999),
    "status": (300, 599),
    "megabytes": (1, 4_096),
    "digits": (1, 1_000_000),
    "depth": (1, 5_000_000),
    "rows": (1, 100_000),
    "gap_s": (0.001, 3_600),
    "hours": (-24, 24),
    "retry_after_s": (0, 1e9),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault and the requests that meet it; spans are half-open, times in ms or s as named."""

    fault: Fault
    route: str = "*"
    symbol: str | None = None
    probability: float = 1.0
    times: int | None = None
    after: int = 0
    from_ms: int | None = None
    to_ms: int | None = None
    active_s: float | None = None
    seed: int = 0
    params: Mapping[str, Value] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """Return the rule as it would be written, defaults of its parameters included."""
        common = {
            name: getattr(self, name)
            for name in ("route", "symbol", *_COMMON)
            if getattr(self, name) is not None
        }
        return {"fault": self.fault.name, **common, **self.params}

    def key(self) -> str:
        """Return what names the rule's draws: its own text, so that ids and order do not count."""
        return json.dumps(self.document(), sort_keys=True)


def parse_rules(document: object) -> list[Rule]:
    """Return the rules of one rule's mapping or of a list of them.

    Raises:
        InvalidInputError: the number of the wrong rule, what is wrong and what is allowed.
    """
    entries = document if isinstance(document, list) else [document]
    rules = []
    for number, entry in enumerate(entries, 1):
        try:
            rules.append(parse_rule(entry))
        except InvalidInputError as error:
            raise InvalidInputError(f"fault rule {number} of {len(entries)}: {error}") from None
    return rules


def parse_rule(entry: object) -> Rule:
    """Return the rule that a mapping describes.

    Raises:
        InvalidInputError: an unknown name or key, or a value of the wrong type or size.
    """
    if not isinstance(entry, dict):
        raise InvalidInputError(f"expected a mapping with the key fault, was {_show(entry)}")
    name = entry.get("fault")
    fault = FAULTS.get(name) if isinstance(name, str) else None
    if fault is None:
        raise InvalidInputError(f"fault {_show(name)} is unknown: write one of {', '.join(FAULTS)}")
    params = {param.name: param for param in fault.params}
    allowed = (*_TEXTS, *_COMMON, *params)
    unknown = [key for key in entry if key not in allowed]
    if unknown:
        raise InvalidInputError(
            f"key {_show(unknown[0])} is unknown for fault {name}: write of {', '.join(allowed)}"
        )
    common: dict[str, Any] = {key: _common(key, entry[key]) for key in _COMMON if key in entry}
    common |= {key: _text(key, entry[key]) for key in ("route", "symbol") if key in entry}
    rule = Rule(
        fault,
        params={key: _param(param, entry.get(key)) for key, param in params.items()},
        **common,
    )
    if rule.from_ms is not None and rule.to_ms is not None and rule.from_ms >= rule.to_ms:
        raise InvalidInputError(
            f"from_ms {rule.from_ms} is not before to_ms {rule.to_ms}: the span is half-open"
        )
    return rule


def _common(key: str, value: object) -> int | float:
    kind, low, high, form = _COMMON[key]
    if not _is_number(value, whole=kind is int) or not low <= float(str(value)) <= high:
        raise InvalidInputError(f"{key} {_show(value)}: write {form}")
    assert isinstance(value, (int, float))  # noqa: S101
    return value


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidInputError(f"{key} {_show(value)}: write a text such as {_example(key)}")
    return value


def _example(key: str) -> str:
    return "/api/v3/klines or /fapi/*" if key == "route" else "BTCUSDT"


def _param(param: Param, value: object) -> Value:
    """Return a parameter's value, its default where it was not written."""
    if value is None:
        return param.default
    checks = {
        "choice": (value in param.choices, f"one of {', '.join(param.choices)}"),
        ROW: (
            value in ("random", "all") or _is_number(value, whole=True),
            "a row number (negative: from the end), random or all",
        ),
        FIELD: (
            isinstance(value, str) or _is_number(value, whole=True),
            "a column's name or number",
        ),
        "bool": (isinstance(value, bool), "true or false"),
        "str": (_is_plain(value), "printable ASCII"),
    }
    if param.form in checks:
        is_right, form = checks[param.form]
    else:
        low, high = _BOUNDS.get(param.name, (0, _MAX_NUMBER))
        is_whole = param.form == "int"
        is_right = _is_number(value, whole=is_whole) and low <= float(str(value)) <= high
        form = f"a {'whole ' * is_whole}number from {low:g} to {high:g}"
    if not is_right:
        raise InvalidInputError(f"{param.name} {_show(value)}: write {form}")
    assert isinstance(value, (int, float, bool, str))  # noqa: S101
    return value


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _is_number(value: object, *, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, int) if whole else math.isfinite(value)


def _show(value: object) -> str:
    return repr(value)[:80]
