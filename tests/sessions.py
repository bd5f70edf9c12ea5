"""Commands that a page shows, with what they print."""

import re


def sessions(text: str) -> list[tuple[str, str]]:
    """The commands of all ``console`` blocks, and the output under each."""
    shown = "".join(re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    parts = re.split(r"^\$ treesim ", shown, flags=re.MULTILINE)[1:]
    return [(command, output.strip()) for command, output in (part.split("\n", 1) for part in parts)]
