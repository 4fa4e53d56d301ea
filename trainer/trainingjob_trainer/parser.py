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

from trainingjob_trainer.errors import ConfigurationError

_REMEDY = " Correct it in spec.run.trainer.config of the TrainingJob (or in the file given with --config)."
_FIELD = re.compile(r"^Parser key \"(?P<field>[^\"]+)\"")
_GIVEN = re.compile(r"(?:Given|Got) value: (?P<value>.*?)\.?$", re.MULTILINE)
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
    plain = message.replace(_REMEDY, "").replace("configuration: ", "")
    found = _FIELD.search(plain)
    field = found["field"] if found else ""
    for pattern, explain in _RULES:
        match = pattern.search(plain)
        if match is not None:
            return explain(match, field, known) + _REMEDY
    text = " ".join(plain.split()).rstrip(".")
    return f"{text}.{_REMEDY}"


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


def _unusable_class(match: re.Match[str], field: str, known: Sequence[str]) -> str:
    why = " ".join(match["why"].split())
    return f"{field} names the class {match['name']}, which cannot be used: {why}."


def _wrong_value(match: re.Match[str], field: str, known: Sequence[str]) -> str:
    types = [name for name in _EXPECTED.findall(match.string) if name != "NoneType"]
    given = _GIVEN.search(match.string)
    return f"{field} is {given['value'] if given else 'wrong'}: it must be of type {' or '.join(types)}."


def _required(match: re.Match[str], field: str, known: Sequence[str]) -> str:
    names = ", ".join(name.strip().partition(".")[2] or name.strip() for name in match["names"].split(","))
    return f"{names} is missing: name a class with class_path."


# The first that matches explains. A class's own arguments are read by a parser of their own, whose sentence stands in
# the outer message: it comes first.
_RULES: tuple[Rule, ...] = (
    (re.compile(r"- there is no field (?P<rest>.*)"), _unknown_argument),
    (re.compile(r"- (?P<rest>\S+ is .*: it must be of type .*)"), _wrong_argument),
    (re.compile(r"does not accept option '(?P<key>[^']+)'"), _unknown_field),
    (re.compile(r"Unrecognized arguments: -*(?P<key>[\w.]+)"), _unknown_field),
    (re.compile(r"Option '(?P<key>[^']+)' is not accepted"), _unknown_field),
    (re.compile(r"Expected a dot import path string: (?P<name>\S+)"), _unknown_class),
    (re.compile(r"class_path '(?P<name>[^']+)':\s*(?P<why>.*?)(?=\n\s*- |\nGiven|$)", re.DOTALL), _unusable_class),
    (_EXPECTED, _wrong_value),
    (re.compile(r"the following arguments are required: (?P<names>.+)"), _required),
)
