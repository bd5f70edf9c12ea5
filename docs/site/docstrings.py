"""What griffe does not know of our docstrings: examples that stand in the text, without a heading."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^>>> .*\n)(?:.+\n?)*", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Examples in the text become code; markdown would read them as quotations."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None and "Examples\n--------" not in obj.docstring.value:
            text = obj.docstring.value + "\n"
            obj.docstring.value = EXAMPLE.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", text).rstrip()
