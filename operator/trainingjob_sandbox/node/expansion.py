"""What `$(NAME)` in a container's environment, command and arguments becomes.

Pure. The rules are the kubelet's: `$(NAME)` is replaced if NAME is known and else stays as it is, `$$` is one dollar
(so `$$(NAME)` is the text `$(NAME)`), and any other dollar means itself.
"""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """The text with its references replaced."""

    def replacement(match: re.Match[str]) -> str:
        name = match.group(1)
        return "$" if name is None else variables.get(name, match.group())

    return _REFERENCE.sub(replacement, text)
