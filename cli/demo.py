"""``treesim demo``: short stories with exact numbers and a figure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from treesim.cli.options import PATH, json_option, option, plot_option, runs_option, seed_option, width_option
from treesim.cli.output import Failure, Group, print_json, progress, status, whole_numbers, working
from treesim.tables import escaped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from treesim.figures.web_page import Page

Command = TypeVar("Command", bound=Callable[..., Any])

HORIZONS = "2,4,6,8,10"
MOST_HIDDEN = 512


html_option = option(
    "html", "--html", type=PATH, metavar="FILE", help="A web page with sliders, in place of the figure."
)


def _story(figure: str) -> Callable[[Command], Command]:
    """The options of every demo that draws one figure."""

    def add(command: Command) -> Command:
        for each in (
            json_option,
            html_option,
            plot_option(f"The figure; default: {figure}, or none with --html.", formerly=["-o", "--output"]),
            seed_option(),
        ):
            command = each(command)
        return command

    return add


def _check_outputs(plot: Path | None, html: Path | None) -> None:
    """Refuse wrong endings before the work begins."""
    from treesim.figures.style import figure_path
    from treesim.figures.web_page import page_path

    if plot is not None:
        figure_path(plot)
    if html is not None:
        page_path(html)


def _tell(
    name: str, plot: Path | None, html: Path | None, as_json: bool, figure: Callable[[], Figure],
    page: Callable[[Any], Page], document: dict[str, Any], words: Callable[[], str],
) -> None:  # fmt: skip
    """Write the files, and tell the story as a document or in words."""
    from treesim.figures.style import save_figure
    from treesim.figures.web_page import save_page

    if plot is None and html is None:
        plot = Path(f"{name}.png")
    if plot is not None:
        save_figure(figure(), plot)
    if html is not None:
        save_page(page(lambda items: progress(items, "page", shown=True)), html)
    written = {"figure": plot and str(plot), "page": html and str(html)}
    if as_json:
        print_json({"demo": name, **written, **document})
        return
    click.echo("\n".join([words(), "", *(f"{kind}: {escaped(path)}" for kind, path in written.items() if path)]))


@click.group(cls=Group, examples=("demo blowup", "demo constrained --contains is --html page.html"))
def demo() -> None:
    """Teaching demos: text, exact numbers and a figure."""


@demo.command(examples=("demo blowup", "demo blowup --horizons 2,4,6 --delta 0.2 --plot blowup.svg"))
@click.option("--horizons", default=HORIZONS, show_default=True, help="Values of T, separated by commas.")
@click.option("--delta", type=float, default=0.1, show_default=True, help="The TV to reach.")
@_story("blowup.png")
def blowup(horizons: str, delta: float, seed: int, plot: Path | None, html: Path | None, as_json: bool) -> None:
    """Compute for TV <= delta: exponential in T without a reward model, flat with one."""
    from treesim.demos import blowup as story

    steps = whole_numbers(horizons, "horizons")
    if not (steps[0] >= 1 and steps[-1] <= 12):
        raise Failure(f"horizons is {horizons!r}, expected numbers from 1 to 12: the tree has 4^T leaves")
    if not 0.03 <= delta < 1:
        raise Failure(f"delta is {delta}, expected from 0.03 to 1: best-of-N itself ends near 0.02")
    _check_outputs(plot, html)
    rows = [row for t in progress(steps, "horizons", shown=True) for row in story.run([t], delta, seed)]
    _tell(
        "blowup", plot, html, as_json, lambda: story.figure(rows, delta), lambda track: story.page(seed, track),
        story.document(rows, delta, seed), lambda: story.words(rows, delta),
    )  # fmt: skip


@demo.command(
    examples=("demo constrained --contains is --horizon 20 --order 2", "demo constrained --html constrained.html")
)
@click.option("--contains", multiple=True, metavar="TEXT", help="What the text must contain; default: python.")
@click.option("--excludes", multiple=True, metavar="TEXT", help="What it must not contain.")
@click.option("--constraint", metavar="REGEX", help="A regular expression that the whole text must match.")
@click.option("--horizon", type=click.IntRange(min=1), default=60, show_default=True, help="Letters to write.")
@click.option("--order", type=click.IntRange(min=1), default=3, show_default=True, help="n of the n-gram model.")
@click.option("--text", type=click.Path(), help="UTF-8 text to learn from; default: Python's help topics.")
@width_option(1e-3)
@_story("constrained.png")
def constrained(
    contains: tuple[str, ...], excludes: tuple[str, ...], constraint: str | None, horizon: int, order: int,
    text: str | None, width: float, seed: int, plot: Path | None, html: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Constrained decoding: a language model of letters that must write a given word."""
    from treesim.decoding.constrained import Problem, pose
    from treesim.demos import constrained as story

    if not (contains or excludes or constraint):
        contains = ("python",)

    def posed(horizon: int) -> Problem:
        return pose(horizon, text, order=order, constraint=constraint, contains=contains, excludes=excludes)

    _check_outputs(plot, html)
    with working("training the model"):
        problem = posed(horizon)
    with working("computing exact probabilities and certified distances"):
        rows = list(story.run(problem, seed, width))
    wishes = [f"matches {constraint!r}"] if constraint else []
    wishes += [f"contains {word!r}" for word in contains] + [f"lacks {word!r}" for word in excludes]
    wish = ", ".join(wishes)
    horizons = [horizon // 3, 2 * horizon // 3, horizon]
    _tell(
        "constrained", plot, html, as_json, lambda: story.figure(rows, wish),
        lambda track: story.page(posed, horizons, wish, seed, track),
        story.document(rows, problem, wish, seed), lambda: story.words(rows, problem, wish, order),
    )  # fmt: skip


@demo.command(examples=("demo guidance", "demo guidance --horizon 4 --plot guidance.pdf"))
@click.option("--horizon", type=click.IntRange(min=2, max=12), default=8, show_default=True, help="T.")
@_story("guidance.png")
def guidance(horizon: int, seed: int, plot: Path | None, html: Path | None, as_json: bool) -> None:
    """2 T epsilon, the sharp bound, and exact distances of one guided particle."""
    from treesim.demos import guidance as story

    _check_outputs(plot, html)
    epsilons = [share / horizon for share in story.SHARES]
    rows = [row for e in progress(epsilons, "errors", shown=True) for row in story.run(horizon, [e], seed)]
    _tell(
        "guidance", plot, html, as_json, lambda: story.figure(rows, horizon), lambda track: story.page(seed, track),
        story.document(rows, horizon, seed), lambda: story.words(rows, horizon),
    )  # fmt: skip


@demo.command(examples=("demo failures", "demo failures --particles 20 --horizon 30 --seed 1"))
@click.option("--particles", type=click.IntRange(min=10, max=10_000), default=100, show_default=True, help="N.")
@click.option("--horizon", type=click.IntRange(min=10, max=500), default=100, show_default=True, help="T.")
@_story("failures.png")
def failures(particles: int, horizon: int, seed: int, plot: Path | None, html: Path | None, as_json: bool) -> None:
    """Particle collapse, weight degeneracy and exponential slow-down side by side."""
    from treesim.demos import failures as story

    _check_outputs(plot, html)
    with working("running the particles"):
        runs = story.run(particles, horizon, seed)
    _tell(
        "failures", plot, html, as_json, lambda: story.figure(runs), lambda track: story.page(seed, track),
        story.document(runs, seed), lambda: story.words(runs),
    )  # fmt: skip


@demo.command(
    name="language-model", examples=("demo language-model", "demo language-model --strength 3 --constraint '.* film.*'")
)
@click.option("--liked", metavar="WORDS", help="Words that make a text worth more; default: words of praise.")
@click.option("--disliked", metavar="WORDS", help="Words that make it worth less.")
@click.option("--strength", type=float, default=1.5, show_default=True, help="log of the worth of a liked word.")
@click.option("--constraint", metavar="REGEX", help="What texts must match in the last part.")
@click.option("--model", metavar="PATH",
              help="Grow another tree: a folder or GGUF file, for the extra treesim[transformers].")  # fmt: skip
@click.option("--prompt", metavar="TEXT", help="What its texts go on from; default: that of the tree that ships.")
@click.option("--question", metavar="TEXT", help="What the judge is asked, with {} where the text stands.")
@click.option("--horizon", type=click.IntRange(2, 64), default=6, show_default=True, help="Tokens of the tree to grow.")
@click.option("--top-k", type=click.IntRange(1), default=4, show_default=True, help="Tokens that may follow each.")
@click.option("--tree", "grown", type=PATH, metavar="FILE",
              help="Where the tree that is grown is kept, an instance file; one that is there is used.")  # fmt: skip
@_story("language-model.png")
def language_model(
    liked: str | None, disliked: str | None, strength: float, constraint: str | None, model: str | None,
    prompt: str | None, question: str | None, horizon: int, top_k: int, grown: Path | None, seed: int,
    plot: Path | None, html: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """A real language model on a tree: its texts, values that guide, over-optimisation, masking.

    The tree ships with treesim (a small open model, six tokens, the four likeliest each): no model is needed.
    """
    from treesim import load, save
    from treesim.demos import language_model as story
    from treesim.instances.movie_reviews import judged_texts
    from treesim.runtime.reading import exists

    if not -20 <= strength <= 20:
        raise Failure(f"strength is {strength:g}, expected from -20 to 20")
    _check_outputs(plot, html)
    judged = judged_texts() if grown is None and model is None else None
    if grown is not None and exists(grown):
        judged = load(grown)
    elif model is not None:
        # What was asked is kept beside the file until that is there: work that is interrupted goes on.
        kept = [] if grown is None else [grown.with_name(f"{grown.name}.{part}") for part in ("tree", "judge")]
        with status("growing the tree") as report:
            asked = model, prompt or story.PROMPT, question or story.QUESTION, horizon, top_k
            judged = story.grown(*asked, report, (kept[0], kept[1]) if kept else (None, None))
        if grown is not None:
            save(judged, grown)
        for journal in kept:
            journal.unlink(missing_ok=True)
    if judged is None:
        raise Failure(f"{grown} does not exist; to grow it: --model PATH")
    asked_for = judged, liked or story.LIKED, story.DISLIKED if disliked is None else disliked
    with working("computing exact laws"):
        found = story.run(*asked_for, strength=strength, constraint=constraint or story.CONSTRAINT, seed=seed)
    _tell(
        "language-model", plot, html, as_json, lambda: story.figure(found),
        lambda track: story.page(*asked_for, seed=seed, track=track),
        story.document(found, seed), lambda: story.words(found),
    )  # fmt: skip


@demo.command(
    name="over-optimisation",
    examples=("demo over-optimisation", "demo over-optimisation --horizon 7 --share 0.05 --plot curve.svg"),
)
@click.option("--horizon", type=click.IntRange(min=5, max=12), default=10, show_default=True, help="T.")
@click.option("--share", type=click.FloatRange(0, 0.5, min_open=True), default=1 / 64, show_default=True,
              help="Of the strings that the proxy overrates.")  # fmt: skip
@_story("over-optimisation.png")
def over_optimisation(
    horizon: int, share: float, seed: int, plot: Path | None, html: Path | None, as_json: bool
) -> None:
    """True reward against KL under a proxy with errors: the best N, and what softer samplers do."""
    from treesim.hard_instances import over_optimisation as story

    _check_outputs(plot, html)
    with working("computing exact laws"):
        found = story.run(horizon, share, seed)
    _tell(
        "over-optimisation", plot, html, as_json, lambda: story.figure(found), lambda track: story.page(seed, track),
        story.document(found, seed), lambda: story.words(found),
    )  # fmt: skip


@demo.command(
    name="hidden-leaf", examples=("demo hidden-leaf", "demo hidden-leaf --horizon 6 --sampler sp-gsmc --runs 40")
)
@click.option("--horizon", type=click.IntRange(min=3, max=12), default=9, show_default=True, help="T.")
@click.option("--epsilon", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True, help="L - 1.")
@click.option("--branching", type=click.IntRange(min=2), default=2, show_default=True)
@click.option("--sampler", "specs", multiple=True, metavar="SPEC",
              help="Another player, run until it finds the prefix or its budget is spent; with {} in place of a number "
              "run once, as large as the budget pays for. May be given again.")  # fmt: skip
@runs_option(200, 20, "Games that are played.", formerly=["--games"])
@_story("hidden-leaf.png")
def hidden_leaf(
    horizon: int, epsilon: float, branching: int, specs: tuple[str, ...], runs: int, seed: int, plot: Path | None,
    html: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """The oracle game: find the prefix that V^ hides, and pay for every prefix you look at."""
    import math

    from treesim import sampler
    from treesim.hard_instances import certificate, hidden_prefix
    from treesim.hard_instances.oracle_game import demo as story
    from treesim.hard_instances.oracle_game.game import RIVALS, SEARCH, exact_curve, played_curve

    _check_outputs(plot, html)
    for spec in specs:
        if spec != SEARCH:
            sampler(spec.replace("{}", "1"))
    instance = hidden_prefix(horizon, epsilon, branching, form="trellis", seed=seed)
    proof = certificate(instance)
    if proof.hidden > MOST_HIDDEN:
        raise Failure(f"{proof.hidden} prefixes are too many to play with, expected at most {MOST_HIDDEN}: lower T")
    budgets = [horizon * 2.0**k for k in range(math.ceil(math.log2(4 * proof.hidden)) + 1)]
    exact, played = ["best possible", SEARCH, *RIVALS], [SEARCH, *RIVALS, *specs]
    curves = [exact_curve(name, instance, budgets) for name in progress(exact, "laws", shown=True)]
    curves += [played_curve(name, instance, budgets, runs, seed) for name in progress(played, "games", shown=True)]
    rows = story.price_rows(epsilon, branching)
    _tell(
        "hidden-leaf", plot, html, as_json, lambda: story.figure(curves, rows, proof),
        lambda track: story.page(branching, seed, track), story.document(curves, rows, proof, epsilon),
        lambda: story.words(curves, rows, proof, epsilon, budgets),
    )  # fmt: skip


@demo.command(examples=("demo discoveries", "demo discoveries --html discoveries.html"))
@plot_option(
    "For the figures, one a row; default: discoveries, or none with --html.", metavar="FOLDER",
    formerly=["-o", "--output"],
)  # fmt: skip
@html_option
@json_option
def discoveries(plot: Path | None, html: Path | None, as_json: bool) -> None:
    """Beyond the paper: eight results, what decides them, and a figure each."""
    from treesim.figures.studies import experiment_figure
    from treesim.figures.style import save_figure
    from treesim.figures.web_page import page_path, save_page
    from treesim.hard_instances.discoveries import DISCOVERIES
    from treesim.hard_instances.discoveries import demo as story

    if plot is None and html is None:
        plot = Path("discoveries")
    if plot is not None and plot.exists() and not plot.is_dir():
        raise Failure(f"{plot} is a file, expected a folder for the figures")
    if html is not None:
        page_path(html)
    results = [make() for make in progress(list(DISCOVERIES.values()), "discoveries", shown=True)]
    if plot is not None:
        plot.mkdir(parents=True, exist_ok=True)
        for each in results:
            save_figure(experiment_figure(each.experiment), story.figure_file(plot, each))
    if html is not None:
        save_page(story.page(results), html)
    if as_json:
        print_json(story.document(results, plot, html))
    else:
        click.echo(story.words(results, plot) + (f"\n\npage: {escaped(str(html))}" if html else ""))
