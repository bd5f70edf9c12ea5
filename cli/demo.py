"""``treesim demo``: short stories with exact numbers and a figure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from treesim.cli.output import (
    Failure,
    Group,
    number,
    print_json,
    print_table,
    progress,
    tv_text,
    whole_numbers,
    working,
)

Command = TypeVar("Command", bound=Callable[..., Any])

HORIZONS = "2,4,6,8,10"
MOST_HIDDEN = 512

_seed = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def _figure(name: str) -> Callable[[Command], Command]:
    return click.option(
        "-o", "--output", type=click.Path(path_type=Path), default=Path(name), show_default=True, help="The figure."
    )


_html = click.option(
    "--html", "html", type=click.Path(path_type=Path), metavar="FILE", help="Also write a web page with sliders."
)


def _write_page(path: Path | None, make: Callable[[Callable[..., Any]], Any]) -> None:
    """Write the page that `make` builds, if one is wished for; its argument shows progress."""
    from treesim.figures.web_page import save_page

    if path is not None:
        save_page(make(lambda items: progress(items, "page", True)), path)


def _outputs(output: Path, html: Path | None) -> None:
    """Refuse wrong endings before the work begins."""
    from treesim.figures.plots import figure_path
    from treesim.figures.web_page import page_path

    figure_path(output)
    if html is not None:
        page_path(html)


def _tell_files(output: Path, html: Path | None) -> None:
    click.echo(f"\nfigure: {output}" + (f"\npage: {html}" if html else ""))


@click.group(cls=Group)
def demo() -> None:
    """Teaching demos: text, exact numbers and a figure."""


@demo.command()
@click.option("--horizons", default=HORIZONS, show_default=True, help="Values of T, separated by commas.")
@click.option("--delta", type=float, default=0.1, show_default=True, help="The TV to reach.")
@_seed
@_figure("blowup.png")
@_html
@_json
def blowup(horizons: str, delta: float, seed: int, output: Path, html: Path | None, as_json: bool) -> None:
    """Compute for TV <= delta: exponential in T without a reward model, flat with one."""
    from treesim.demos import demos
    from treesim.demos import pages as demo_pages
    from treesim.figures.plots import blowup_figure, save_figure

    steps = whole_numbers(horizons, "horizons")
    if not (steps[0] >= 1 and steps[-1] <= 12):
        raise Failure(f"horizons is {horizons!r}, expected numbers from 1 to 12: the tree has 4^T leaves")
    if not 0.03 <= delta < 1:
        raise Failure(f"delta is {delta}, expected from 0.03 to 1: best-of-N itself ends near 0.02")
    _outputs(output, html)
    rows = [row for t in progress(steps, "horizons", True) for row in demos.blowup([t], delta, seed)]
    growth = {
        "best_of_n": demos.growth_per_step(rows, lambda row: row.best_of_n),
        "importance": demos.growth_per_step(rows, lambda row: row.importance),
    }
    save_figure(blowup_figure(rows, delta), output)
    _write_page(html, lambda track: demo_pages.blowup_page(seed, track))
    if as_json:
        print_json({
            "demo": "blowup", "delta": delta, "seed": seed, "figure": str(output),
            "rows": [{
                "horizon": row.horizon,
                "best_of_n": {"least": row.best_of_n, "reference_draws": row.steps_drawn(row.best_of_n)},
                "importance": {"least": row.importance, "reference_draws": row.steps_drawn(row.importance)},
                "guided": {"epsilon": row.epsilon, "value_queries": row.guided_queries, "bound": row.guided_bound,
                           "tv": {"lo": row.guided_tv, "hi": row.guided_tv, "kind": "exact"}},
            } for row in rows],
            "growth_per_step": growth,
        })  # fmt: skip
        return
    click.echo(
        "At every step two of four continuations are right, and the reference policy does not know which.\n"
        "Best-of-N and importance resampling see the reward only at the end. Guidance asks a reward model\n"
        f"at each step, whose one-step (Bellman) error is 1/(4T). Least compute for TV <= {delta:g}, exact:\n"
    )
    print_table(
        ["T", "best-of-N: N", "steps drawn", "importance: N", "steps drawn", "guided: TV", "at most", "values asked"],
        [[row.horizon, number(row.best_of_n, 9), number(row.steps_drawn(row.best_of_n), 9),
          number(row.importance, 9), number(row.steps_drawn(row.importance), 9),
          f"{row.guided_tv:.4f}", f"{row.guided_bound:.4f}", number(row.guided_queries)] for row in rows],
    )  # fmt: skip
    if growth["importance"] is not None:
        click.echo(
            f"\nWithout a reward model N grows by a factor of {growth['importance']:.2f} a step; with one, a single "
            "particle\nstays within reach of the target at any horizon, for four values a step."
        )
    _tell_files(output, html)


@demo.command()
@click.option("--contains", multiple=True, metavar="TEXT", help="What the text must contain; default: python.")
@click.option("--excludes", multiple=True, metavar="TEXT", help="What it must not contain.")
@click.option("--constraint", metavar="REGEX", help="A regular expression that the whole text must match.")
@click.option("--horizon", type=click.IntRange(min=1), default=60, show_default=True, help="Letters to write.")
@click.option("--order", type=click.IntRange(min=1), default=3, show_default=True, help="n of the n-gram model.")
@click.option("--text", type=click.Path(), help="UTF-8 text to learn from; default: Python's help topics.")
@click.option(
    "--width",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-3,
    show_default=True,
    help="How far apart the bounds on a TV may be.",
)
@_seed
@_figure("constrained.png")
@_html
@_json
def constrained(
    contains: tuple[str, ...], excludes: tuple[str, ...], constraint: str | None, horizon: int, order: int,
    text: str | None, width: float, seed: int, output: Path, html: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Constrained decoding: a language model of letters that must write a given word."""
    from treesim.decoding.constrained import Problem, pose
    from treesim.demos import demos
    from treesim.demos import pages as demo_pages
    from treesim.figures.plots import constrained_figure, save_figure

    if not (contains or excludes or constraint):
        contains = ("python",)

    def posed(horizon: int) -> Problem:
        return pose(horizon, text, order=order, constraint=constraint, contains=contains, excludes=excludes)

    _outputs(output, html)
    with working("training the model"):
        problem = posed(horizon)
    with working("computing exact probabilities and certified distances"):
        rows = list(demos.constrained(problem, seed, width))
    wishes = [f"matches {constraint!r}"] if constraint else []
    wishes += [f"contains {word!r}" for word in contains] + [f"lacks {word!r}" for word in excludes]
    what = ", ".join(wishes)
    save_figure(constrained_figure(rows, what), output)
    horizons = [horizon // 3, 2 * horizon // 3, horizon]
    _write_page(html, lambda track: demo_pages.constrained_page(posed, horizons, what, seed, track))
    if as_json:
        print_json({
            "demo": "constrained", "constraint": what, "horizon": horizon, "seed": seed, "figure": str(output),
            "paths_log2": problem.product.trellis.log2_paths,
            "rows": [{
                "name": row.name, "bellman_error": row.bellman_error, "meets": row.meets,
                "value_queries": row.queries, "text": row.text,
                "tv": {"lo": row.tv.lo, "hi": row.tv.hi, "kind": row.tv.kind}, "progress": row.progress,
            } for row in rows],
        })  # fmt: skip
        return
    click.echo(
        f"An n-gram model of letters (n = {order}) writes {horizon} letters, one of 2^"
        f"{problem.product.trellis.log2_paths:.0f} texts. Wanted: its own\ntexts, given that the text {what}. "
        "Each row writes letter by letter, guided by a value of its\nown; the first by none. Probabilities are exact, "
        "distances certified.\n"
    )
    print_table(
        ["guided by", "Bellman error", "P(meets it)", "TV", "values asked", "one text"],
        [
            [
                row.name,
                number(row.bellman_error),
                number(row.meets),
                tv_text(row.tv.lo, row.tv.hi),
                number(row.queries),
                row.text,
            ]
            for row in rows
        ],
    )
    _tell_files(output, html)


@demo.command()
@click.option("--horizon", type=click.IntRange(min=2, max=12), default=8, show_default=True, help="T.")
@_seed
@_figure("guidance.png")
@_html
@_json
def guidance(horizon: int, seed: int, output: Path, html: Path | None, as_json: bool) -> None:
    """2 T epsilon, the sharp bound, and exact distances of one guided particle."""
    from treesim.demos import demos
    from treesim.demos import pages as demo_pages
    from treesim.figures.plots import guidance_figure, save_figure

    _outputs(output, html)
    epsilons = [share / horizon for share in (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)]
    rows = [row for epsilon in progress(epsilons, "errors", True) for row in demos.guidance(horizon, [epsilon], seed)]
    save_figure(guidance_figure(rows, horizon), output)
    _write_page(html, lambda track: demo_pages.guidance_page(seed, track))
    if as_json:
        print_json({"demo": "guidance", "horizon": horizon, "seed": seed, "figure": str(output),
                    "rows": [vars(row) for row in rows]})  # fmt: skip
        return
    click.echo(
        f"One particle is guided for T = {horizon} steps by a value whose Bellman error is epsilon. The paper bounds\n"
        "its distance to the target by 2 T epsilon; the sharp bound is a quarter of that, and never above one. Exact\n"
        "distances on a Dirichlet tree, where V^ is the worst there is, and where its errors have random signs:\n"
    )
    print_table(
        ["epsilon T", "2 T epsilon", "sharp bound", "TV, adversarial", "TV, random"],
        [[number(row.epsilon * horizon), number(row.paper), number(row.sharp), number(row.adversarial),
          number(row.random_sign)] for row in rows],
    )  # fmt: skip
    _tell_files(output, html)


@demo.command()
@click.option("--particles", type=click.IntRange(min=10, max=10_000), default=100, show_default=True, help="N.")
@click.option("--horizon", type=click.IntRange(min=10, max=500), default=100, show_default=True, help="T.")
@_seed
@_figure("failures.png")
@_html
@_json
def failures(particles: int, horizon: int, seed: int, output: Path, html: Path | None, as_json: bool) -> None:
    """Particle collapse, weight degeneracy and exponential slow-down side by side."""
    from treesim.demos import demos
    from treesim.demos import pages as demo_pages
    from treesim.figures.plots import failures_figure, save_figure

    _outputs(output, html)
    with working("running the particles"):
        found = demos.failures(particles, horizon, seed)
    save_figure(failures_figure(found), output)
    _write_page(html, lambda track: demo_pages.failures_page(seed, track))
    always, never = found.collapse, found.degeneracy
    assert always.ancestors is not None and always.ess is not None
    assert never.ancestors is not None and never.ess is not None
    if as_json:
        print_json({
            "demo": "failures", "particles": particles, "horizon": horizon, "seed": seed, "figure": str(output),
            "resampling": {"ess": always.ess.tolist(), "ancestors": always.ancestors.tolist(),
                           "verdict": list(always.verdict)},
            "no_resampling": {"ess": never.ess.tolist(), "ancestors": never.ancestors.tolist(),
                              "verdict": list(never.verdict)},
            "importance_draws": {str(t): n for t, n in found.draws.items()},
        })  # fmt: skip
        return
    (short, few), *_, (long, many) = found.draws.items()
    alive, ess = always.ancestors[0] * particles, always.ess.min() * particles
    click.echo(
        f"{particles} particles go {horizon} steps down the product model (a one is worth twice a zero).\n\n"
        f"- Resampled at every step they collapse: the last population descends from {alive:.1f} of the {particles} "
        f"that\n  took the first step. Their weights stay fine: ESS is {ess:.0f} or more.\n"
        f"- Never resampled they all live, and their weights degenerate: at the end ESS is "
        f"{never.ess[-1] * particles:.1f} of {particles}.\n"
        "- Without a value for prefixes samplers slow down: where one of two continuations is right at each step,\n"
        f"  importance resampling takes {few} draws for TV <= 0.1 at T = {short}, and {many} at T = {long}."
    )
    _tell_files(output, html)


@demo.command(name="hidden-leaf")
@click.option("--horizon", type=click.IntRange(min=3, max=12), default=9, show_default=True, help="T.")
@click.option("--epsilon", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True, help="L - 1.")
@click.option("--branching", type=click.IntRange(min=2), default=2, show_default=True)
@click.option("--sampler", "specs", multiple=True, metavar="SPEC",
              help="Another player, run until it finds the prefix or its budget is spent; with {} in place of a number "
              "run once, as large as the budget pays for. May be given again.")  # fmt: skip
@click.option("--games", type=click.IntRange(min=20), default=200, show_default=True, help="Games that are played.")
@_seed
@_figure("hidden-leaf.png")
@_html
@_json
def hidden_leaf(
    horizon: int, epsilon: float, branching: int, specs: tuple[str, ...], games: int, seed: int, output: Path,
    html: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """The oracle game: find the prefix that V^ hides, and pay for every prefix you look at."""
    import math

    from treesim import samplers
    from treesim.figures.plots import save_figure
    from treesim.hard_instances import certificate, hidden_prefix
    from treesim.hard_instances.figures import hidden_leaf_figure
    from treesim.hard_instances.oracle_game import game as oracle_game
    from treesim.hard_instances.oracle_game.page import hidden_leaf_page

    _outputs(output, html)
    for spec in specs:
        if spec != oracle_game.SEARCH:
            samplers.sampler(spec.replace("{}", "1"))
    instance = hidden_prefix(horizon, epsilon, branching, form="trellis", seed=seed)
    found = certificate(instance)
    if found.hidden > MOST_HIDDEN:
        raise Failure(f"{found.hidden} prefixes are too many to play with, expected at most {MOST_HIDDEN}: lower T")
    budgets = [horizon * 2.0**k for k in range(math.ceil(math.log2(4 * found.hidden)) + 1)]
    exact = ["best possible", oracle_game.SEARCH, *oracle_game.RIVALS]
    played = [oracle_game.SEARCH, *oracle_game.RIVALS, *specs]
    curves = [oracle_game.exact_curve(name, instance, budgets) for name in progress(exact, "laws", True)]
    curves += [
        oracle_game.played_curve(name, instance, budgets, games, seed) for name in progress(played, "games", True)
    ]
    horizons = [t for t in range(3, 61, 3) if _hides(t, epsilon, branching)]
    rows = list(oracle_game.prices(horizons, epsilon, branching))
    exponent, least = oracle_game.fitted_exponent(rows), 2 / 3 * math.log1p(epsilon)
    save_figure(hidden_leaf_figure(curves, rows, found, exponent), output)
    _write_page(html, lambda track: hidden_leaf_page(branching, seed, track))
    if as_json:
        print_json({
            "demo": "hidden-leaf", "horizon": horizon, "epsilon": epsilon, "hidden": found.hidden,
            "target_mass": found.target_mass, "forced_hit": found.forced_hit, "query_bound": found.queries,
            "figure": str(output),
            "curves": [{"strategy": curve.strategy, "kind": curve.kind, "games": curve.games,
                        "queries": curve.queries.tolist(), "success": curve.success.tolist()} for curve in curves],
            "prices": [vars(row) for row in rows], "exponent": exponent, "exponent_of_theorem": least,
        })  # fmt: skip
        return
    click.echo(
        f"One of {found.hidden} equally likely prefixes is the good one, and V^ does not tell which until it is\n"
        f"behind you. The target is on it with probability {found.target_mass:.4f}; so a sampler within TV 1/3 must\n"
        f"return it with probability {found.forced_hit:.4f}, and needs {found.queries:.1f} queries at least: without "
        f"guessing no\nstrategy succeeds with probability above q / {found.hidden}. Probability of returning it, by "
        f"queries q\n(exact; in brackets, {games} games):\n"
    )
    names = list(dict.fromkeys(curve.strategy for curve in curves))
    table = []
    for budget in budgets:
        cells = [number(budget)]
        for name in names:
            values = [
                (curve.kind, curve.success[index]) for curve in curves if curve.strategy == name
                for index in [int(abs(curve.queries - budget).argmin())] if curve.queries[index] == budget
            ]  # fmt: skip
            text = " ".join(f"({value:.2f})" if kind == "estimated" else f"{value:.4f}" for kind, value in values)
            cells.append(text or "-")
        table.append(cells)
    print_table(["queries", *names], table)
    click.echo(
        f"\nThe price grows as exp({exponent:.4f} T); Theorem 4.{1 if float(epsilon).is_integer() else 2} says "
        f"(1 + epsilon)^(2 T / 3) = exp({least:.4f} T)."
    )
    _tell_files(output, html)


@demo.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("discoveries"), show_default=True,
              help="A folder for the figures, one a row.")  # fmt: skip
@_json
def discoveries(output: Path, as_json: bool) -> None:
    """Beyond the paper: six results, what decides them, and a figure each."""
    import textwrap

    from treesim.figures.plots import experiment_figure, save_figure
    from treesim.hard_instances.discoveries import DISCOVERIES

    if output.exists() and not output.is_dir():
        raise Failure(f"{output} is a file, expected a folder for the figures")
    found = [make() for make in progress(list(DISCOVERIES.values()), "discoveries", True)]
    output.mkdir(parents=True, exist_ok=True)
    for each in found:
        save_figure(experiment_figure(each.found), output / f"{each.name}.png")
    if as_json:
        print_json({"demo": "discoveries", "figures": str(output), "rows": [{
            "name": each.name, "statement": each.statement, "answer": each.found.answer,
            "numbers": each.found.figures, "checks": len(each.checks),
            "held": sum(check.holds for check in each.checks), "figure": str(output / f"{each.name}.png"),
        } for each in found]})  # fmt: skip
        return
    for each in found:
        click.echo(f"{each.name}\n{textwrap.fill(each.statement, 100, initial_indent='  ', subsequent_indent='  ')}\n")
    print_table(
        ["discovery", "checks held", "found", "figure"],
        [[each.name, f"{sum(check.holds for check in each.checks)} of {len(each.checks)}",
          textwrap.fill(each.found.answer, 60), str(output / f"{each.name}.png")] for each in found],
        left=4,
    )  # fmt: skip


def _hides(horizon: int, epsilon: float, branching: int) -> bool:
    """Whether at least two prefixes can be hidden."""
    from treesim import TreesimError
    from treesim.hard_instances.hidden_prefix import hidden_prefix_certificate

    try:
        hidden_prefix_certificate(horizon, epsilon, branching, form="trellis")
    except TreesimError:
        return False
    return True
