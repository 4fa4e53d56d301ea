"""Which names, labels and annotations Kubernetes accepts.

Each function returns what is wrong, in an API server's words, or nothing. Never looks at anything but the strings.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from trainingjob_sandbox.store.errors import Cause, invalid_type, invalid_value

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
ENV_NAME = r"[ -<>-~]+"
CONFIG_KEY = r"[-._a-zA-Z0-9]+"

_SUBDOMAIN = re.compile(SUBDOMAIN)
_LABEL = re.compile(LABEL)
_QUALIFIED = re.compile(QUALIFIED)
_ENV_NAME = re.compile(ENV_NAME)
_CONFIG_KEY = re.compile(CONFIG_KEY)

ALLOWED_ANNOTATION_BYTES = 256 * 1024


@lru_cache(maxsize=4096)
def subdomain_complaint(name: str) -> str:
    """What keeps ``name`` from being a DNS subdomain, the usual rule for object names; empty if nothing."""
    if len(name) > 253:
        return "must be no more than 253 characters"
    if _SUBDOMAIN.fullmatch(name):
        return ""
    return (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        f"and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"
    )


@lru_cache(maxsize=4096)
def label_complaint(name: str) -> str:
    """What keeps ``name`` from being a DNS label, the rule for namespaces, services and containers."""
    if len(name) > 63:
        return "must be no more than 63 characters"
    if _LABEL.fullmatch(name):
        return ""
    return (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        f"with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
    )


def undotted_label_complaint(name: str) -> str:
    """As ``label_complaint``; the rule of kinds that say so when the fault is a dot (namespaces)."""
    return "must not contain dots" if "." in name and _SUBDOMAIN.fullmatch(name) else label_complaint(name)


@lru_cache(maxsize=4096)
def env_name_complaint(name: str) -> str:
    if _ENV_NAME.fullmatch(name):
        return ""
    return "a valid environment variable name must consist only of printable ASCII characters other than '='"


def config_key_complaint(key: str) -> str:
    """What keeps ``key`` from being a key of a ConfigMap or Secret."""
    if len(key) > 253:
        return "must be no more than 253 characters"
    if key in (".", "..") or key.startswith(".."):
        return "must not be '.' or '..' nor start with '..'"
    if _CONFIG_KEY.fullmatch(key):
        return ""
    return (
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME', "
        f" or 'key-name', regex used for validation is '{CONFIG_KEY}')"
    )


def label_causes(labels: Mapping[str, object]) -> list[Cause]:
    """What is wrong with an object's labels: bad values first, then bad keys, as an API server lists them."""
    if not labels:
        return []
    field = "metadata.labels"
    typed = [
        invalid_type(field, type(value).__name__, "must be a string; quote it")
        for value in labels.values()
        if type(value) is not str
    ]
    if typed:
        return typed
    values = [(value, _label_value_complaint(str(value))) for value in labels.values()]
    keys = [(key, qualified_complaint(key)) for key in labels]
    return [invalid_value(field, text, complaint) for text, complaint in [*values, *keys] if complaint]


def annotation_causes(annotations: Mapping[str, object]) -> list[Cause]:
    """What is wrong with an object's annotations: their keys, and their size in all."""
    if not annotations:
        return []
    field = "metadata.annotations"
    causes = [
        invalid_value(field, key, complaint) for key in annotations if (complaint := qualified_complaint(key.lower()))
    ]
    size = sum(len(key) + len(str(value)) for key, value in annotations.items())
    if size > ALLOWED_ANNOTATION_BYTES:
        detail = f"Too long: may not be more than {ALLOWED_ANNOTATION_BYTES} bytes"
        causes.append(Cause("FieldValueTooLong", field, detail))
    return causes


@lru_cache(maxsize=4096)
def qualified_complaint(key: str) -> str:
    """What keeps ``key`` from being a label or annotation key (``[prefix/]name``)."""
    if key.count("/") > 1:
        return (
            "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
            f"an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            f"'{QUALIFIED}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )
    prefix, slash, name = key.rpartition("/")
    if slash and (complaint := subdomain_complaint(prefix)):
        return f"prefix part {complaint}"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 characters"
    if _QUALIFIED.fullmatch(name):
        return ""
    return (
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        "alphanumeric character (e.g. 'MyName',  or"
        f" 'my.name',  or '123-abc', regex used for validation is '{QUALIFIED}')"
    )


@lru_cache(maxsize=4096)
def _label_value_complaint(value: str) -> str:
    if len(value) > 63:
        return "must be no more than 63 bytes"
    if not value or _QUALIFIED.fullmatch(value):
        return ""
    return (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
        f"validation is '({QUALIFIED})?')"
    )
