"""Where containers see the machine as it is: the same words with mount paths and pod names replaced.

Pure. Used on macOS and where namespaces are forbidden. Only environment values, command and arguments can be
translated; a path or name inside a program or a file cannot, and the node says so once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Translation:
    """Replaces mount paths by folders of the machine and pod names by addresses, in one pass.

    In one pass, because a folder's own path may well hold another mount path (`/home/me/data` holds `/data`).
    """

    paths: Mapping[str, str]
    names: Mapping[str, str]

    def __call__(self, text: str) -> str:
        """The text as it means on this machine."""
        pattern = self._pattern()
        return pattern.sub(lambda match: self.paths.get(match.group()) or self.names[match.group()], text)

    def _pattern(self) -> re.Pattern[str]:
        paths = "|".join(re.escape(path) for path in _longest_first(self.paths))
        names = "|".join(re.escape(name) for name in _longest_first(self.names))
        # A path ends where a name of the file system ends, and starts where no longer path or name is under way.
        parts = [rf"(?<![\w./-])(?:{paths})(?![\w.-])"] if paths else []
        parts += [rf"(?<![\w.-])(?:{names})(?![\w-]|\.\w)"] if names else []
        return re.compile("|".join(parts) or r"(?!)")


def _longest_first(words: Mapping[str, str]) -> list[str]:
    return sorted(words, key=len, reverse=True)
