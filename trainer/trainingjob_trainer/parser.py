"""What a wrong configuration is told: one sentence that names the field, and what to do about it.

Nothing but jsonargparse's parsing with another ending: its errors become ConfigurationError.
"""

import difflib
import re
from typing import Any, NoReturn

from pytorch_lightning.cli import LightningArgumentParser

from trainingjob_trainer.errors import ConfigurationError

_REMEDY = "Correct it in spec.run.trainer.config of the TrainingJob (or in the file given with --config)."
_UNKNOWN = re.compile(
    r"Key [\"']?(?P<key>[\w.]+)[\"']? is not (?:expected|accepted)|Unrecognized arguments: (?P<args>.*)"
)


class Parser(LightningArgumentParser):
    """Lightning's parser; never ends the process by itself, but for --help."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Called by jsonargparse for everything that is wrong with the arguments or a file."""
        raise ConfigurationError(f"configuration: {sentence(message, self._known_keys())}") from None

    def _known_keys(self) -> list[str]:
        return [action.dest for action in self._actions if isinstance(action.dest, str)]


def sentence(message: str, known: list[str]) -> str:
    """jsonargparse's message without its usage text and indentation, with the nearest known key and the remedy."""
    text = " ".join(line.strip() for line in str(message).splitlines() if line.strip())
    return f"{text.rstrip('.')}.{_suggestion(text, known)} {_REMEDY}"


def _suggestion(text: str, known: list[str]) -> str:
    found = _UNKNOWN.search(text)
    if found is None:
        return ""
    key: Any = found["key"] or found["args"].split("=")[0].lstrip("-")
    near = difflib.get_close_matches(key, known, n=1)
    return f" Did you mean {near[0]}?" if near else ""
