"""CEL rules of a CRD (``x-kubernetes-validations``): what they say about one value and its predecessor.

Decides whether one rule holds and how its refusal reads. Where rules are evaluated is somebody else's question.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import cel
from cel.stdlib import add_stdlib_to_context

from trainingjob_sandbox.store.errors import Cause, shown

ABSENT: Final = object()

# What the evaluator knows by itself; with anything else the extended library is loaded, which costs 20 us.
_NATIVE = frozenset(
    [
        "size",
        "matches",
        "contains",
        "startsWith",
        "endsWith",
        "string",
        "int",
        "uint",
        "double",
        "bytes",
        "timestamp",
        "duration",
        "type",
        "dyn",
    ]
)
_LITERALS = re.compile(r"""[rR]?("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
_OWN_FIELD = re.compile(r"\b(?:self|oldSelf)\b(?:\s*\.\s*\??\s*([A-Za-z_]\w*)(?!\w|\s*\())?")
_OPTIONAL_FIELD = re.compile(r"\.\?([A-Za-z_][A-Za-z0-9_]*)")
_REASONS: Mapping[str, str] = {
    "FieldValueForbidden": "Forbidden: ",
    "FieldValueRequired": "Required value: ",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule. ``transition`` rules speak of ``oldSelf`` and hold for a value that has no predecessor.

    ``mentions`` are the fields of an object that it reads, None if it may read all of them.
    """

    text: str
    program: cel.Program
    message: str
    message_program: cel.Program | None
    reason: str
    field_path: str
    transition: bool
    optional_old: bool
    extended: bool
    mentions: frozenset[str] | None

    def broken(self, value: Any, old: Any, field: str) -> Cause | None:
        """What is wrong with ``value``, None if the rule holds."""
        if self.transition and old is ABSENT and not self.optional_old:
            return None
        context = self._context(value, old)
        try:
            holds = self.program.execute(context)
        except (RuntimeError, TypeError, ValueError, LookupError, ArithmeticError) as error:
            why = f"no such key: {error.args[0]}" if isinstance(error, KeyError) else str(error)
            detail = f'Invalid value: "{_type_name(value)}": {why} evaluating rule: {self.message or self.text}'
            return Cause("FieldValueInvalid", field, detail)
        return None if holds is True else self._cause(value, field + self.field_path, context)

    def _cause(self, value: Any, field: str, context: cel.Context) -> Cause:
        message = self._message(context)
        if self.reason in _REASONS:
            return Cause(self.reason, field, _REASONS[self.reason] + message)
        if self.reason == "FieldValueDuplicate":
            return Cause(self.reason, field, f"Duplicate value: {shown(value)}")
        prefix = "" if isinstance(value, dict | list) else f"{shown(value)}: "
        return Cause("FieldValueInvalid", field, f"Invalid value: {prefix}{message}")

    def _message(self, context: cel.Context) -> str:
        written = self.message or f"failed rule: {self.text}"
        if self.message_program is None:
            return written
        try:
            made = self.message_program.execute(context)
        except (RuntimeError, TypeError, ValueError, LookupError, ArithmeticError):
            # As on a cluster, a message that cannot be made gives way to the written one.
            return written
        return made.strip() if isinstance(made, str) and made.strip() and "\n" not in made else written

    def _context(self, value: Any, old: Any) -> cel.Context:
        variables = {"self": self._read(value)}
        old = self._read(old)
        if self.optional_old:
            variables["oldSelf"] = cel.OptionalValue.none() if old is ABSENT else cel.OptionalValue.of(old)
        elif old is not ABSENT:
            variables["oldSelf"] = old
        context = cel.Context(variables=variables)
        if self.extended:
            add_stdlib_to_context(context)
            context.add_function("optionalField", _optional_field)
        return context

    def _read(self, value: Any) -> Any:
        """What of a value the rule reads: handing over the rest (a job's files, its status) would cost the most."""
        if self.mentions is None or not isinstance(value, dict):
            return value
        return {name: value[name] for name in self.mentions if name in value}


def rules_of(document: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The rules of one schema level. Raises ValueError for one that does not compile."""
    return tuple(_rule(rule) for rule in document.get("x-kubernetes-validations") or ())


def _rule(document: Mapping[str, Any]) -> Rule:
    text = document["rule"].strip()
    program = _compiled(text)
    expression = document.get("messageExpression")
    message_program = _compiled(expression) if expression else None
    programs = [program, message_program] if message_program else [program]
    return Rule(
        text=text,
        program=program,
        message=(document.get("message") or "").strip(),
        message_program=message_program,
        reason=document.get("reason") or "FieldValueInvalid",
        field_path=document.get("fieldPath") or "",
        transition="oldSelf" in program.variables(),
        optional_old=bool(document.get("optionalOldSelf")),
        extended=any(_needs_library(one) for one in programs),
        mentions=_mentions(f"{text} {expression or ''}"),
    )


def _compiled(text: str) -> cel.Program:
    try:
        return cel.compile(_with_optional_fields(text))
    except ValueError as error:
        raise ValueError(f"rule {text!r} does not compile: {error}") from error


def _needs_library(program: cel.Program) -> bool:
    return any(name not in _NATIVE and re.match(r"[A-Za-z]", name) for name in program.functions())


def _mentions(text: str) -> frozenset[str] | None:
    names = _OWN_FIELD.findall(text)
    return frozenset(names) if all(names) else None


def _with_optional_fields(text: str) -> str:
    """``self.?a`` spelled as a function call: the evaluator's parser does not know the operator."""
    rebuilt, end = "", 0
    for literal in _LITERALS.finditer(text):
        rebuilt += _OPTIONAL_FIELD.sub(r".optionalField('\1')", text[end : literal.start()]) + literal.group(0)
        end = literal.end()
    return rebuilt + _OPTIONAL_FIELD.sub(r".optionalField('\1')", text[end:])


def _optional_field(value: Any, name: str) -> cel.OptionalValue:
    if isinstance(value, cel.OptionalValue):
        if not value.has_value():
            return value
        value = value.value()
    return cel.OptionalValue.of(value[name]) if name in value else cel.OptionalValue.none()


def _type_name(value: Any) -> str:
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return names.get(type(value), "null")
