"""What a user should know although nothing is wrong: one line, on stderr unless the program says otherwise."""

import logging

LOGGER = logging.getLogger("treesim")


def note(text: str) -> None:
    """Say one line, by the logger ``treesim``; a program that sets up no logging prints it to stderr as it is."""
    LOGGER.warning("%s", text)
