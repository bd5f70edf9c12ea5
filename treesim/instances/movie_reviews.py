"""Texts of a language model that ship with the package, as a tree: see texts/README.md for how they were made."""

from __future__ import annotations

from importlib.resources import as_file, files

from treesim.errors import SpecError
from treesim.graphs.values import optimal_twist
from treesim.instances.instance import Instance
from treesim.instances.perturbations import perturb
from treesim.instances.storage import load
from treesim.spec import require_at_least


def judged_texts() -> Instance:
    """The tree that ships with the package: reward and value are what the model itself says of texts, as a judge.

    Examples
    --------
    >>> instance = judged_texts()
    >>> instance.horizon, instance.graph.texts()[0]
    (6, ' a film about a young woman')
    """
    with as_file(files("treesim.instances") / "texts" / "movie-reviews.safetensors") as path:
        return load(path)


def movie_reviews(
    horizon: int = 6,
    strength: float = 1.0,
    perturbation: str = "rollouts:k=16",
    epsilon: str | float | None = None,
    ratio_cap: float | None = None,
    seed: int = 0,
) -> Instance:
    """The tree that ships with the package, its first steps or all six, judged by the model; V^ from rollouts.

    Before the last step a prefix is rewarded by V*, what the judge says on average of the texts that go on from it: the
    target is that of whole texts, seen so far.

    Parameters
    ----------
    horizon : int
        T, from 1 to 6.
    strength : float
        The reward of a text is this power of what the judge says, at least 0.
    perturbation, epsilon, ratio_cap
        V^ from V*: see `treesim.perturb`.

    Raises
    ------
    SpecError
        If the horizon or the strength is out of range.

    Examples
    --------
    >>> instance = movie_reviews(horizon=3)
    >>> instance.graph.n_leaves, round(instance.audit.log_partition, 4)
    (64, -0.6703)
    """
    whole = judged_texts()
    if not 1 <= horizon <= whole.horizon:
        raise SpecError(f"horizon is {horizon}, expected from 1 to {whole.horizon}: the texts have no more tokens")
    tree = whole.graph.require_tree("texts are on a tree").truncate(horizon)
    require_at_least("strength", strength, 0.0)
    texts = optimal_twist(whole.graph, whole.reward.log() * strength)
    twist = optimal_twist(tree, texts[tree.leaves])
    return Instance(tree, perturb(tree, twist, perturbation, epsilon, ratio_cap, seed))
