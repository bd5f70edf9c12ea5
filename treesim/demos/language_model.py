"""A language model on a tree: its own texts, tilted towards a reward, and how near samplers come."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from treesim.arrays import Brief, FloatArray
from treesim.decoding.masking import constrained_texts, masked
from treesim.demos.page import DISTANCE, TOTAL_VARIATION, Track
from treesim.empirical.measure import distance
from treesim.errors import TreeError, TreesimError
from treesim.figures.style import BLUE, GREEN, GREY, NAVY, ORANGE, PURPLE, dress, legend
from treesim.figures.web_page import Axis, Curve, Page, Panel, Slider, State, states
from treesim.graphs.model_trees import SamplingRules
from treesim.graphs.tree import Tree
from treesim.graphs.values import value_between
from treesim.instances.instance import Instance
from treesim.instances.movie_reviews import judged_texts
from treesim.instances.perturbations import Rollouts, perturb
from treesim.instances.scored_texts import instance_from_texts
from treesim.laws.tv import TV
from treesim.learning.fit import learn
from treesim.samplers import SMC, BestOfN, GuidedSMC, Importance
from treesim.scaled import Scaled
from treesim.tables import distance as told
from treesim.tables import number, table

# How the tree that ships was grown: see instances/texts/README.md.
PROMPT = "The movie was"
QUESTION = (
    "<|im_start|>user\nIs this movie review positive? Answer Yes or No.\nThe movie was{}<|im_end|>\n"
    "<|im_start|>assistant\n"
)
LIKED = "great good best amazing wonderful excellent beautiful perfect love loved fun brilliant success hit favorite"
DISLIKED = "bad terrible worst boring disappointing awful horrible dull mediocre flop failure disappointment"
CONSTRAINT = r".*\b(film|movie)\b.*"
STRENGTH = 1.5
PATHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
ROLLOUTS, PARTICLES = 16, 16
RUNS = 20_000
_COLOURS = (GREY, ORANGE, PURPLE, GREEN, NAVY, BLUE)


@dataclass(frozen=True, eq=False, repr=False)
class Guide(Brief):
    """A value, and where guidance by it leads.

    Attributes
    ----------
    name : str
    bellman_error : float
        The supremum, epsilon.
    by_level : ndarray, shape [horizon]
        Mean of |log rho| under the target, in nats.
    average_case_bound : float
        B.
    guided, corrected, particles : TV
        Of ``sp-gsmc``, ``sp-gsmc:mh=4`` and ``smc:particles=16``.
    """

    name: str
    bellman_error: float
    by_level: FloatArray
    average_case_bound: float
    guided: TV
    corrected: TV
    particles: TV


@dataclass(frozen=True, eq=False, repr=False)
class Story(Brief):
    """The demo's numbers.

    Attributes
    ----------
    instance : Instance
        With V*.
    likely, wanted : list of (float, str)
        The likeliest texts of pi_ref and of the target, with their probabilities.
    best_of_n, importance : list of TV
        For N in `PATHS`.
    guides : list of Guide
    constraint : str
    matches : float
        Probability that the model writes a match by itself.
    masking : TV
        Of masking, to the model's own texts that match.
    """

    instance: Instance
    likely: list[tuple[float, str]]
    wanted: list[tuple[float, str]]
    best_of_n: list[TV]
    importance: list[TV]
    guides: list[Guide]
    constraint: str
    matches: float
    masking: TV


def grown(
    model: str, prompt: str, question: str, horizon: int, top_k: int, report: Callable[[str], None],
    journals: tuple[Path | None, Path | None] = (None, None),
) -> Instance:  # fmt: skip
    """A new tree of a model, its texts judged by the same model; `journals` keep what was asked of either.

    Raises
    ------
    TreesimError
        If transformers is not installed, or the model cannot be loaded.
    """
    try:
        from treesim.adapters.transformers import LanguageModel
    except ImportError as error:
        raise TreesimError(f"growing a tree needs {error.name}: pip install 'treesim[transformers]'") from None
    language = LanguageModel.load(model)
    tree = language.tree(prompt, horizon, SamplingRules(top_k=top_k), report=report, journal=journals[0])
    judge = language.judge(question)

    def judged(texts: list[str]) -> FloatArray:
        report(f"judging {texts[0]!r}")
        return judge(texts)

    return instance_from_texts(tree, judged, judged, journal=journals[1])


def hits(liked: Collection[str], disliked: Collection[str]) -> Callable[[str], int]:
    """How many words of a text are liked, less those that are disliked.

    Examples
    --------
    >>> hits({"great", "fun"}, {"dull"})("Great fun, but dull")
    1
    """

    def count(text: str) -> int:
        words = re.findall(r"[^\W\d_]+", text.lower())
        return sum((word in liked) - (word in disliked) for word in words)

    return count


def tilted(tree: Tree, count: Callable[[str], int], strength: float = STRENGTH) -> Instance:
    """Texts whose reward is exp(strength * count), with V*."""
    return instance_from_texts(tree, lambda texts: [math.exp(strength * count(text)) for text in texts])


def guides(
    instance: Instance, judged: Instance, count: Callable[[str], int], strength: float, seed: int
) -> list[tuple[str, Instance]]:
    """The values that guide: crude ones, a judge's, one that is learned, one from rollouts, V*.

    What a judge says is multiplied by a constant per level, so that its mean is that of the reward.
    """
    tree, reward = _tree(instance), instance.value[instance.graph.leaves]
    levels, reach = range(1, tree.horizon), tree.reach

    def given(parts: list[FloatArray]) -> Instance:
        return Instance(tree, value_between(tree, Scaled.from_float(np.concatenate(parts)), reward))

    scores = [judged.value[tree.level(t)].to_float() for t in levels]
    mean = math.exp(instance.audit.log_partition)
    return [
        ("nothing until the last token", given([np.ones(tree.n_level(t)) for t in levels])),
        ("the reward of the text so far",
         given([np.array([math.exp(strength * count(text)) for text in tree.texts(t)]) for t in levels])),
        ("a judge of the text so far",
         given([score * mean / float(reach[t] @ score) for t, score in zip(levels, scores, strict=True)])),
        ("learned from the last token", learn(instance, "ctl", "level*suffix:1").instance),
        (f"{ROLLOUTS} rollouts", Instance(tree, perturb(tree, instance.value, Rollouts(ROLLOUTS), seed=seed))),
        ("V*", instance),
    ]  # fmt: skip


def run(
    judged: Instance | None = None, liked: str = LIKED, disliked: str = DISLIKED, strength: float = STRENGTH,
    constraint: str = CONSTRAINT, seed: int = 0, runs: int = RUNS,
) -> Story:  # fmt: skip
    """What samplers make of a language model's tree and a reward for words.

    Parameters
    ----------
    judged : Instance, optional
        A tree that writes texts, and what a judge says of them; the one that ships if left out.
    liked, disliked : str
        Words, separated by blanks.
    strength : float
        A text is worth exp(strength * (words liked - words disliked)).
    constraint : str
        A regular expression for `treesim.decoding.masking`.
    seed : int
        Of rollouts, and of runs of particles.
    runs : int
        Of particles, for each value.

    Examples
    --------
    >>> story = run(runs=1000)
    >>> [round(tv.mid, 3) for tv in story.best_of_n][::2]
    [0.334, 0.057, 0.445, 0.496, 0.618]
    """
    judged = judged_texts() if judged is None else judged
    tree = _tree(judged)
    exact = constrained_texts(tree, constraint)
    count = hits(set(liked.split()), set(disliked.split()))
    instance = tilted(tree, count, strength)
    rows = []
    for name, guided in guides(instance, judged, count, strength, seed):
        average = guided.guidance
        kinds = (GuidedSMC(), GuidedSMC(mh=4), SMC(PARTICLES))
        tvs = [distance(kind, guided, runs=runs, seed=seed) for kind in kinds]
        rows.append(Guide(name, guided.audit.bellman_error, average.mean_target, average.average_case_bound, *tvs))
    likely, wanted = (likeliest(tree, law.prob.to_float()) for law in (instance.reference, instance.target))
    return Story(
        instance, likely, wanted,
        [distance(BestOfN(n), instance) for n in PATHS],
        [distance(Importance(n), instance) for n in PATHS],
        rows, constraint, math.exp(exact.audit.log_partition), distance(GuidedSMC(), masked(exact)),
    )  # fmt: skip


def _tree(instance: Instance) -> Tree:
    return instance.graph.require_tree("the graph is a trellis, expected a tree that writes texts", TreeError)


def likeliest(tree: Tree, prob: FloatArray, n: int = 5) -> list[tuple[float, str]]:
    """The likeliest texts, with their probabilities."""
    texts = tree.texts()
    return [(float(prob[i]), texts[i]) for i in np.argsort(-prob, kind="stable")[:n].tolist()]


def figure(story: Story) -> Figure:
    """Errors of values by step, what guidance by them leaves, and best-of-N against importance resampling."""
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    errors, bars, draws = figure.subplots(1, 3, width_ratios=[1, 1.2, 1])
    for guide, colour in zip(story.guides[:-1], _COLOURS, strict=False):
        errors.plot(np.arange(len(guide.by_level)), guide.by_level, color=colour, lw=2, marker="o", ms=4)
    errors.set_yscale("symlog", linthresh=0.01)
    errors.set_ylim(bottom=0.0)
    dress(errors, "Errors of values, by step", "tokens written", "mean |log rho| under the target (exact)")
    height = 0.4
    for i, guide in enumerate(story.guides):
        for shift, tv, alpha in ((-height / 2, guide.guided, 1.0), (height / 2, guide.corrected, 0.45)):
            bar = bars.barh(i + shift, tv.mid, height, color=_COLOURS[i], alpha=alpha)
            bars.bar_label(bar, [f"{tv.mid:.3f}"], padding=3, fontsize=8)
    bars.set_yticks(range(len(story.guides)), [guide.name for guide in story.guides])
    bars.invert_yaxis()
    bars.set_xlim(right=1.2 * max(guide.guided.mid for guide in story.guides))
    dress(bars, "Guided by it, and corrected (pale: mh=4)", "total variation to the target (exact)", "")
    bars.grid(axis="y", visible=False)
    for name, tvs, colour in (("best-of-N", story.best_of_n, ORANGE), ("importance", story.importance, BLUE)):
        draws.plot(PATHS, [tv.mid for tv in tvs], color=colour, lw=2, marker="o", ms=4, label=name)
    dress(draws, "No value: best-of-N over-optimises", "texts N", "total variation (exact)")
    draws.set_xscale("log")
    draws.set_xticks(PATHS[::2], list(map(str, PATHS[::2])), minor=False)
    draws.xaxis.set_minor_formatter(NullFormatter())
    draws.set_ylim(bottom=0.0)
    legend(draws)
    return figure


def page(
    judged: Instance | None = None, liked: str = LIKED, disliked: str = DISLIKED, seed: int = 0, track: Track = iter
) -> Page:
    """Sliders over how much the reward counts, and over N."""
    judged = judged_texts() if judged is None else judged
    count = hits(set(liked.split()), set(disliked.split()))
    tree = _tree(judged)
    strengths = (0.5, 1.0, 1.5, 2.0, 3.0)

    @cache
    def known(strength: float) -> tuple[Instance, list[list[float]], list[tuple[str, Instance]]]:
        instance = tilted(tree, count, strength)
        tvs = [[distance(kind(n), instance).mid for n in PATHS] for kind in (BestOfN, Importance)]
        return instance, tvs, guides(instance, judged, count, strength, seed)

    def state(strength: float, n: int) -> State:
        instance, (best, importance), values = known(strength)
        place = PATHS.index(n)
        errors = [
            Curve(name, list(enumerate(guided.guidance.mean_target.tolist())), colour, marks=True)
            for (name, guided), colour in zip(values[:-1], _COLOURS, strict=False)
        ]
        curves = [
            Curve("best-of-N (exact)", list(zip(PATHS, best, strict=True)), ORANGE, marks=True),
            Curve("importance resampling (exact)", list(zip(PATHS, importance, strict=True)), BLUE, marks=True),
        ]
        wanted = likeliest(tree, instance.target.prob.to_float(), 1)[0]
        least = PATHS[int(np.argmin(best))]
        return State([errors, curves], [
            f"log Z = {instance.audit.log_partition:.3f}; the likeliest text wanted ({wanted[0]:.3f}): "
            f"“…{wanted[1]}”.",
            f"Best of {n}: TV {best[place]:.3f}; importance resampling: {importance[place]:.3f}. Nearest "
            f"is best-of-{least}: beyond, it writes for the reward.",
        ])  # fmt: skip

    sliders = (Slider("weight of a liked word, log", strengths, 2), Slider("texts N", PATHS, 4))
    return Page(
        "A language model, a reward for words, and values that guide",
        (
            "All texts that a small language model writes in six tokens, four choices each, with their probabilities. "
            "Liked words make a text worth more; wanted are the model's own texts in proportion to what they are "
            "worth. Values of partial texts are off by so much, and samplers by:",
            TOTAL_VARIATION,
        ),
        sliders,
        (
            Panel("Errors of values, mean |log ρ| under the target", Axis("tokens written"), Axis("nats", low=0.0)),
            Panel("Distance without a value", Axis("texts N", log=True), DISTANCE),
        ),
        states(sliders, state, track),
    )


def document(story: Story, seed: int) -> dict[str, Any]:
    """The demo as a document."""
    return {
        "seed": seed, "horizon": story.instance.horizon, "texts": story.instance.graph.n_level(story.instance.horizon),
        "log_partition": story.instance.audit.log_partition,
        "likely": story.likely, "wanted": story.wanted,
        "best_of_n": {n: tv.document() for n, tv in zip(PATHS, story.best_of_n, strict=True)},
        "importance": {n: tv.document() for n, tv in zip(PATHS, story.importance, strict=True)},
        "guides": [
            {"name": guide.name, "bellman_error": guide.bellman_error, "by_level": guide.by_level.tolist(),
             "average_case_bound": guide.average_case_bound, "guided": guide.guided.document(),
             "corrected": guide.corrected.document(), "particles": guide.particles.document()}
            for guide in story.guides
        ],
        "constraint": {"pattern": story.constraint, "matches": story.matches, "masking": story.masking.document()},
    }  # fmt: skip


def words(story: Story) -> str:
    """The demo in words."""
    tree = story.instance.graph
    lines = [
        [guide.name, number(guide.bellman_error, 3), number(float(guide.by_level.sum()), 3),
         number(guide.average_case_bound, 3), *(told(tv.lo, tv.hi) for tv in (guide.guided, guide.corrected)),
         f"{guide.particles.lo:.3f} .. {guide.particles.hi:.3f}"]
        for guide in story.guides
    ]  # fmt: skip
    texts = [
        [f"{p:.4f}", repr(mine), f"{q:.4f}", repr(theirs)]
        for (p, mine), (q, theirs) in zip(story.likely, story.wanted, strict=True)
    ]
    draws = [
        ["best-of-N", *(number(tv.mid, 3) for tv in story.best_of_n)],
        ["importance", *(number(tv.mid, 3) for tv in story.importance)],
    ]
    return (
        f"A language model has written {tree.n_level(tree.horizon):,} texts of {tree.horizon} tokens, with their "
        f"probabilities; liked words make a text\nworth more: log Z = {story.instance.audit.log_partition:.4f}. Wanted "
        "are its texts in proportion to their worth.\n\n"
        + table(["pi_ref", "likeliest", "target", "likeliest"], texts, left=4)
        + f"\n\nTV of one of N texts, exact:\n\n{table(['N', *map(str, PATHS)], draws)}\n\n"
        + "Guided by a value of the text so far: its Bellman error, mean |log rho| summed over steps, the bound B,\n"
        f"TV of sp-gsmc, sp-gsmc:mh=4 (exact) and smc:particles={PARTICLES} (estimated):\n\n"
        + table(["guided by", "error", "mean", "B", "sp-gsmc", "mh=4", f"smc {PARTICLES}"], lines)
        + f"\n\nTexts that match '{story.constraint}' the model writes with probability {number(story.matches)}.\n"
        f"Masking tokens after which no match is left is at TV {number(story.masking.mid)} of its own such texts\n"
        "(exact); guided by V* it would be 0."
    )
