"""``treesim generate``: an instance file from a family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from treesim.cli.help import Command
from treesim.cli.inputs import setting
from treesim.cli.options import family_argument, output_option, seed_option, table_options
from treesim.cli.output import Failure, distinct_output, working
from treesim.cli.saving import instance_output, save_and_tell

_GRAPH_PARAMETERS = ("perturbation", "epsilon", "ratio_cap", "prob_attribute", "reward_attribute")


def _list_families(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    import inspect

    from treesim import FAMILIES

    rows = []
    for name, builder in FAMILIES.items():
        parameters = [key for key in inspect.signature(builder).parameters if key != "seed"]
        rows.append((name, (inspect.getdoc(builder) or "\n").splitlines()[0], " ".join(parameters)))
    rows.append(("graph FILE", "Your own tree: node-link or nested JSON, or GraphML.", " ".join(_GRAPH_PARAMETERS)))
    for name, summary, parameters_text in rows:
        click.echo(f"{name}\n    {summary}\n    parameters: {parameters_text}")
    ctx.exit()


@click.command(
    cls=Command, short_help="Build an instance and save it.",
    examples=("generate dirichlet --horizon 8 --perturbation random-sign --epsilon 0.5/T -o tree.safetensors",
              "generate product --horizon 64 --epsilon 0.5/T -o product.safetensors"),
)  # fmt: skip
@family_argument
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option(
    "--list",
    is_eager=True,
    is_flag=True,
    expose_value=False,
    callback=_list_families,
    help="List the families and their parameters.",
)
@click.option("--horizon", type=int, help="T, the number of steps.")
@click.option("--branching", type=int, help="Children of a node (random-branching: at the most).")
@click.option("--concentration", "--alpha", "concentration", type=float, help="Of the Dirichlet draws of pi_ref.")
@click.option("--stop", type=float, help="Probability that a prefix ends early after a step.")
@click.option("--states", type=int, help="Tokens of a Markov chain; states of a hidden one.")
@click.option("--file", type=click.Path(), help="JSON of a hidden Markov model with observations, hmm family.")
@click.option("--symbols", type=int, help="What a random hidden Markov model writes, how many different.")
@click.option("--lookahead", type=int, help="Observations ahead that V^ sees, hmm family; default: all, V*.")
@click.option("--order", type=int, help="Of a Markov chain, how many tokens its next step sees; of an n-gram model, n.")
@click.option("--form", metavar="FORM", help="tree, trellis or auto.")
@click.option("--growth", metavar="HOW", help="extensive, diffusive, intensive or threshold, counting-chain family.")
@click.option(
    "--strength", type=float, help="Of the counted token (counting-chain), the proxy, the judge (movie-reviews)."
)
@click.option("--text", type=click.Path(), help="UTF-8 text for an n-gram model; default: Python's help topics.")
@click.option("--unit", metavar="UNIT", help="letter or word: what an n-gram model writes.")
@click.option("--tokens", type=int, help="Vocabulary of an n-gram model: its most frequent tokens.")
@click.option("--draft", type=int, help="n of the model that drafts, draft-and-target family; 0 is uniform.")
@click.option("--smoothing", metavar="HOW", help="witten-bell or additive.")
@click.option("--constraint", metavar="REGEX", help="A regular expression that the whole text must match.")
@click.option("--contains", multiple=True, metavar="TEXT", help="What the text must contain; may be given again.")
@click.option("--excludes", multiple=True, metavar="TEXT", help="What the text must not contain; may be given again.")
@click.option("--violation", type=float, help="Reward of texts that do not meet the constraint; above 0 it is soft.")
@click.option(
    "--value",
    metavar="SPEC",
    help="What V^ of an n-gram problem sees: exact | automaton | suffix:length=1 | lookahead:steps=10,floor=0.001",
)
@click.option("--ratio", type=float, help="Reward of a one against a zero, product family; L of hard instances.")
@click.option("--depth", type=int, help="Level at which hidden prefixes end; default 2 T / 3 (proxy: T).")
@click.option("--share", type=float, help="pi_ref of the good path (unknown-root), of overrated strings (proxy).")
@click.option("--error", metavar="SPEC", help="Of a proxy: constant:size=1 | normal:size=1 | student-t:size=1,df=3")
@click.option("--hits", metavar="HOW", help="Which strings a proxy overrates: worst or random.")
@click.option("--topics", type=int, help="Beginnings of texts, masking family.")
@click.option("--safest", type=float, help="Least probability to break the constraint in a step, masking family.")
@click.option("--riskiest", type=float, help="Largest probability of that, masking family.")
@click.option("--bad", type=float, help="Probability of a step that spoils the path, extinction family.")
@click.option("--floor", type=float, help="Reward of spoilt paths, extinction family.")
@click.option(
    "--reward",
    metavar="SPEC",
    help="gaussian:beta=1 | sparse:share=0.1,floor=0 | additive:beta=1 | "
    "right-steps:right=1,penalty=100 | power:alpha=2 | process:file=F,beta=1 | given:file=F,scale=linear",
)
@click.option(
    "--perturbation",
    metavar="SPEC",
    help="exact | constant-up | constant-down | random-sign | log-uniform | adversarial:starts=64 | "
    "log-normal:sigma=0.1 | student-t:sigma=0.1,df=3 | correlated:sigma=0.1,correlation=0.9 | "
    "rollouts:k=64",
)
@click.option("--epsilon", metavar="E", help="Bellman error: a number, c/T, c/sqrt(T) or c/t.")
@click.option("--ratio-cap", type=float, metavar="L", help="Keep the ratio bound of V^ at or below this.")
@click.option("--prob-attribute", metavar="NAME", help="What a graph's edges call their probability; default: prob.")
@click.option("--reward-attribute", metavar="NAME", help="What a graph's leaves call their reward; default: reward.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any other parameter; may be repeated.")
@seed_option()
@output_option("The instance file to write.", required=True)
@table_options()
def generate(
    family: str, source: Path | None, settings: tuple[str, ...], seed: int, output: Path, style: str, **options: Any
) -> None:
    """Build an instance of FAMILY and save it (graph takes the graph's file as SOURCE).

    A compiled tree of your own (docs/compiled-trees.md) is FILE.py:NAME, its fields are the parameters.
    """
    from treesim.errors import quoted
    from treesim.instances import families
    from treesim.instances.graph_files import read_listed
    from treesim.instances.networkx_io import instance_from_graph
    from treesim.runtime.reading import require_file

    more = dict(map(setting, settings))
    for key in more:
        if key in options or key == "seed":
            raise Failure(f"--set {key}: expected --{key.replace('_', '-')}")
    given = {key: value for key, value in options.items() if value not in (None, ())} | more
    instance_output(output)
    if family == "graph":
        if source is None:
            raise Failure("family 'graph' needs a file: treesim generate graph FILE -o OUTPUT")
        odd = [key for key in given if key not in _GRAPH_PARAMETERS]
        if odd:
            raise Failure(f"family 'graph' has no parameter {odd[0]!r}; its parameters: {', '.join(_GRAPH_PARAMETERS)}")
        require_file(source)
        distinct_output(output, source)
    elif source is not None:
        raise Failure(f"family {quoted(family)} takes no file, got {quoted(str(source))}")
    with working("building the instance"):
        if source is not None:
            instance = instance_from_graph(read_listed(source), seed=seed, source=source.name, **given)
        else:
            instance = families.family(family, seed=seed, **given)
    save_and_tell(instance, output, style)
