"""``treesim outcomes``: answers and a true reward for the leaves of an instance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treesim.cli.help import Command
from treesim.cli.inputs import load
from treesim.cli.options import PATH, file_argument, output_option, table_options
from treesim.cli.output import Failure, note
from treesim.cli.saving import instance_output, save_and_tell

if TYPE_CHECKING:
    from treesim.instances.outcomes import Answers


@click.command(
    cls=Command, short_help="Give leaves answers, correct or not, and a true reward beside the one samplers see.",
    examples=("outcomes text.safetensors --regex '.$' --correct e -o answered.safetensors",
              "outcomes text.safetensors --tokens -o answered.safetensors"),
)  # fmt: skip
@file_argument
@click.option("--regex", metavar="REGEX", help="Finds the answer in a leaf's text, or in its name where steps write "
              "none: group 1 of the first match, or all of it.")  # fmt: skip
@click.option("--names", is_flag=True, help="The names of leaves are their answers.")
@click.option("--tokens", is_flag=True, help="What the last step writes is the answer.")
@click.option("--answers", type=PATH, metavar="FILE", help="A text with an answer a line, one for each leaf; an empty "
              "line is none.")  # fmt: skip
@click.option("--correct", multiple=True, metavar="ANSWER", help="Which is correct; may be given again.")
@click.option("--true-reward", "true_reward", type=PATH, metavar="FILE",
              help="One number a leaf: .npy, or text with a number a line.")  # fmt: skip
@click.option("--true-scale", type=click.Choice(["linear", "log"]), default="linear", show_default=True,
              help="What the numbers are.")  # fmt: skip
@output_option("The instance file to write.", required=True)
@table_options()
def outcomes(
    file: Path, regex: str | None, names: bool, tokens: bool, answers: Path | None, correct: Sequence[str],
    true_reward: Path | None, true_scale: str, output: Path, style: str,
) -> None:  # fmt: skip
    """Give the leaves of an instance answers, a true reward, or both; what is not given stays as it was.

    Samplers see neither. `tv`, `compare` and sweeps then show accuracy, pass@k, votes, win-rates and true rewards, too.
    """
    from treesim import Scaled
    from treesim.errors import quoted
    from treesim.instances.rewards import Given

    instance_output(output, file, *(path for path in (answers, true_reward) if path is not None))
    given: list[Answers] = []
    if regex is not None:
        given.append(_compiled(regex))
    given += [name for name, wanted in (("names", names), ("tokens", tokens)) if wanted]
    if answers is not None:
        given.append(_lines(answers))
    if len(given) > 1:
        raise Failure("answers are given twice; expected one of --regex, --names, --tokens and --answers")
    instance = load(file)
    had = instance.outcomes
    if not given and had is not None and had.answer is not None:
        given = [[None if place < 0 else had.answers[place] for place in had.answer.tolist()]]
        correct = correct or had.correct
    if not given and true_reward is None:
        raise Failure("nothing is given; expected --regex, --names, --tokens, --answers or --true-reward")
    reward: Any = None if had is None else had.true_reward
    if true_reward is not None:
        numbers = Given(str(true_reward), true_scale).numbers()
        reward = Scaled.from_log(numbers) if true_scale == "log" else numbers
    answered = instance.with_outcomes(given[0] if given else None, correct, reward)
    save_and_tell(answered, output, style)
    assert answered.outcomes is not None
    for answer in sorted(set(answered.outcomes.correct).difference(answered.outcomes.answers)):
        note(f"no leaf has the correct answer {quoted(answer)}")


def _compiled(regex: str) -> re.Pattern[str]:
    try:
        return re.compile(regex)
    except re.error as error:
        raise Failure(f"--regex {regex!r} is no regular expression: {error}") from None


def _lines(path: Path) -> list[str | None]:
    """The lines of a file, None where one is empty."""
    from treesim.runtime.reading import reason, require_file

    require_file(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Failure(f"cannot read answers from {path}: {reason(error)}") from None
    return [line or None for line in text.removesuffix("\n").split("\n")]
