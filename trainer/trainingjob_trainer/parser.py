"""What a wrong configuration is told: one sentence that names the field, and what to do about it.

Nothing but jsonargparse's parsing with another ending: its messages, which list every type that was tried, are cut down
to the one fact that matters, and become a ConfigurationError.
"""

import argparse
import difflib
import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from pytorch_lightning.cli import LightningArgumentParser

from trainingjob_trainer.errors import REMEDY, ConfigurationError

_FIELD = re.compile(r"^Parser key \"(?P<field>[^\"]+)\"")
_GIVEN = re.compile(r"(?:Given|Got) value: (?P<value>.*?)\.?$", re.MULTILINE)
_CHOICES = re.compile(r"Expected a typing\.Literal\[(?P<values>[^\]]*)\]")
_HIDES = "Does not validate against any of the Union subtypes"
_BUILT = re.compile(r"class_path='(?P<name>[\w.]+)'")
_EXPECTED = re.compile(r"Expected an? <class '(?P<type>\w+)'>")

Rule = tuple[re.Pattern[str], Callable[[re.Match[str], str, Sequence[str]], str]]


class Parser(LightningArgumentParser):
    """Lightning's parser; never ends the process by itself, but for --help."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Called by jsonargparse for everything that is wrong with the arguments or a file."""
        raise ConfigurationError(f"configuration: {sentence(str(message), self._known_fields())}") from None

    def _known_fields(self) -> list[str]:
        """Every field of every subcommand, as a configuration file spells it."""
        subcommands = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        parsers = [self, *(parser for action in subcommands for parser in action.choices.values())]
        return [action.dest for parser in parsers for action in parser._actions if isinstance(action.dest, str)]


def sentence(message: str, known: Sequence[str]) -> str:
    """jsonargparse's message in one sentence and the remedy; ``known`` are the fields that may have been meant."""
    plain = message.replace(REMEDY, "").replace("configuration: ", "")
    found = _FIELD.search(plain)
    field = found["field"] if found else ""
    for pattern, explain in _RULES:
        match = pattern.search(plain)
        if match is not None:
            return explain(match, field, known) + REMEDY
    text = " ".join(plain.split()).rstrip(".")
    return f"{text}.{REMEDY}"


def refusal(error: Exception) -> Exception:
    """What to raise for an error that came while the configuration's classes were built.

    jsonargparse hides it in one of its own. What a constructor says of its arguments is the configuration's fault; any
    other error, and one that follows from a file or a download, is what it is.
    """
    cause = error
    while str(cause).startswith(_HIDES) and isinstance(cause.__cause__, Exception):
        cause = cause.__cause__
    if not isinstance(cause, ValueError | TypeError | ArithmeticError) or isinstance(cause.__cause__, OSError):
        return cause
    found = _BUILT.search(str(error))
    subject = f"{found['name']} cannot be built from its init_args: " if found else ""
    why = (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
    return ConfigurationError(f"configuration: {subject}{why}.{REMEDY}")


def _unknown_field(match: re.Match[str], field: str, known: Sequence[str]) -> str:
    key = match["key"]
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"there is no field {key}.{hint}"


def _unknown_argument(match: re.Match[str], field: str, known: Sequence[str]) -> str:
    return f"there is no field {field}.init_args.{match['rest']}"


def _wrong_argument(match: re.Match[str], field: str, known: Sequence[str]) -> str:
    return f"{field}.init_args.{match['rest']}"


def _unknown_class(match: re.Match[str], field: str, known: Sequence[str]) -> str:
    return (
        f"{field} names the class {match['name']}, which is not known: give one that comes with the trainer "
        "(ImageClassifier, GPT, Regressor; PackedImages, ImageFolder, Tokens, Table) or a full name such as "
        "my_module.MyModel, with spec.files or the image holding my_module."
    )


def _other_class(match: re.Match[str], field: str, known: Sequence[str]) -> str:
    return f"{field} names the class {match['name']}, which is no {match['base']}: derive it from one."


def _unusable_class(match: re.Match[str], field: str, known: Sequence[str]) -> str:
    why = " ".join(match["why"].split())
    return f"{field} names the class {match['name']}, which cannot be used: {why}."


def _wrong_value(match: re.Match[str], field: str, known: Sequence[str]) -> str:
    types = [name for name in _EXPECTED.findall(match.string) if name != "NoneType"]
    values = [value.strip(" '") for found in _CHOICES.findall(match.string) for value in found.split(",")]
    allowed = [f"one of {', '.join(dict.fromkeys(values))}"] if values else []
    allowed += [f"of type {' or '.join(types)}"] if types else []
    given = _GIVEN.search(match.string)
    return f"{field} is {given['value'] if given else 'wrong'}: it must be {', or '.join(allowed)}."


def _required(match: re.Match[str], field: str, known: Sequence[str]) -> str:
    names = ", ".join(name.strip().partition(".")[2] or name.strip() for name in match["names"].split(","))
    return f"{names} is missing: name a class with class_path."


# The first that matches explains. A class's own arguments are read by a parser of their own, whose sentence stands in
# the outer message: it comes first.
_RULES: tuple[Rule, ...] = (
    (re.compile(r"- there is no field (?P<rest>.*)"), _unknown_argument),
    (re.compile(r"- (?P<rest>\S+ is .*: it must be .*)"), _wrong_argument),
    (re.compile(r"does not accept option '(?P<key>[^']+)'"), _unknown_field),
    (re.compile(r"Unrecognized arguments: -*(?P<key>[\w.]+)"), _unknown_field),
    (re.compile(r"Option '(?P<key>[^']+)' is not accepted"), _unknown_field),
    (re.compile(r"Expected a dot import path string: (?P<name>\S+)"), _unknown_class),
    (re.compile(r"class_path '(?P<name>[^']+)':\s*(?P<why>.*?)(?=\n\s*- |\nGiven|$)", re.DOTALL), _unusable_class),
    (re.compile(r"Import path (?P<name>\S+) does not correspond to a subclass of (?P<base>\w+)"), _other_class),
    (_CHOICES, _wrong_value),
    (_EXPECTED, _wrong_value),
    (re.compile(r"the following arguments are required: (?P<names>.+)"), _required),
)
