"""The string and number formats that CRD schemas use. Decides only whether one value has one format."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_DURATION = re.compile(r"[+-]?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+|0")
_HOSTNAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*"
)


def _reads(read: Callable[[str], object]) -> Callable[[Any], bool]:
    """A format that some reader of text accepts. Values that are no text have another fault."""

    def accepts(value: Any) -> bool:
        if not isinstance(value, str):
            return True
        try:
            read(value)
        except (ValueError, binascii.Error):
            return False
        return True

    return accepts


def _fits(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: not isinstance(value, str) or pattern.fullmatch(value) is not None


def _bits(count: int) -> Callable[[Any], bool]:
    bound = 1 << (count - 1)
    return lambda value: not isinstance(value, int) or -bound <= value < bound


def _date_time(text: str) -> object:
    if not _DATE_TIME.fullmatch(text):
        raise ValueError(text)
    # Fractions finer than Python's are fine; the calendar is what is checked.
    return datetime.fromisoformat(text[:19])


FORMATS: Mapping[str, Callable[[Any], bool]] = {
    "date-time": _reads(_date_time),
    "date": _reads(date.fromisoformat),
    "duration": _fits(_DURATION),
    "byte": _reads(lambda text: base64.b64decode(text, validate=True)),
    "uuid": _reads(UUID),
    "ipv4": _reads(ipaddress.IPv4Address),
    "ipv6": _reads(ipaddress.IPv6Address),
    "cidr": _reads(lambda text: ipaddress.ip_network(text, strict=False)),
    "hostname": _fits(_HOSTNAME),
    "int32": _bits(32),
    "int64": _bits(64),
}
