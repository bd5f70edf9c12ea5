"""The API reference: what is public, room by room; mkdocs makes a page of each room, a test looks for examples."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points

# The rooms in the order in which data flows: the title of a page, and what is in it.
ROOMS = {
    "graphs": ("Graphs and values", "Trees and trellises, what builds them, the optimal twist, the audit of a value."),
    "instances": ("Instances", "A graph, a reward and a value with where they came from: families, rewards, "
                  "perturbations, files, outcomes."),
    "compiled": ("Compiled trees", "Trees that are defined by compiled functions: built, merged, or streamed."),
    "samplers": ("Samplers", "The built-in samplers, what a sampler of your own sees and returns, and what it costs."),
    "zoo": ("The zoo", "Published samplers in plain Python. [The zoo](../zoo.md) says what each aims at."),
    "laws": ("Laws", "The law of what a sampler returns, and its distance to the target."),
    "empirical": ("Measurements", "A distance that is exact, certified or estimated; diagnosis of runs; which law "
                  "somebody's draws come from."),
    "theory": ("Theory", "Bounds of the theorems, plans that follow from them, and searches for the worst case."),
    "studies": ("Studies", "Comparisons, least compute, growth with the horizon, score cards, sweeps."),
    "learning": ("Learning", "Values that are learned: features, losses, paths to learn from."),
    "measure": ("Logs of generation", "What a log tells of a value and of what was sampled, without the truth."),
    "decoding": ("Constrained decoding", "n-gram models, automata, and constraints on texts."),
    "hard_instances": ("Hard instances", "Constructions that defeat samplers, each with its certificate."),
    "testing": ("Testing", "Verdicts on a sampler, for a test suite."),
    "adapters": ("Other libraries", "Samplers of other libraries on a tree, and language models as policies."),
    "figures": ("Figures", "What is drawn with matplotlib."),
    "ground": ("Numbers and errors", "Numbers of any size, and the errors that are raised."),
}  # fmt: skip

# Modules whose `__all__` is public.
EXPORTS = (
    "treesim", "treesim.samplers", "treesim.learning", "treesim.measure", "treesim.testing", "treesim.figures",
    "treesim.adapters", "treesim.hard_instances",
)  # fmt: skip

# Public by their module, where they are used from: all that is defined there, or these.
MORE: dict[str, list[str]] = {
    "treesim.decoding.constrained": ["Problem", "ngram", "pose"],
    "treesim.decoding.drafts": ["draft_and_target"],
    "treesim.decoding.masking": [],
    "treesim.decoding.ngram": ["NGram", "train"],
    "treesim.empirical.identification": ["Identification", "identify_law"],
    "treesim.empirical.measure": ["Measurement", "measure", "target_of"],
    "treesim.empirical.partition": ["exact_means"],
    "treesim.graphs.values": ["value_between"],
    "treesim.hard_instances.extinction": ["particles_to_survive"],
    "treesim.hard_instances.proxy": ["best_n", "best_of_n_true_reward"],
    "treesim.instances.counting_chain": [],
    "treesim.instances.hidden_markov": ["hidden_markov", "smoothed"],
    "treesim.instances.movie_reviews": [],
    "treesim.laws.corrected": ["corrected_law"],
    "treesim.measure.simulation": [],
    "treesim.measure.weights": ["tv_upper"],
    "treesim.runtime.search": [],
    "treesim.samplers.exact_law": [],
    "treesim.studies.roster": ["shipped"],
    "treesim.studies.scaling": ["fit", "scale"],
    "treesim.studies.score_card": ["Game", "play"],
    "treesim.studies.sweep": [],
    "treesim.studies.verdicts": [],
    "treesim.testing.strategies": [],
    "treesim.theory.bounds": [],
    "treesim.theory.correction": [],
    "treesim.theory.pools": [],
    "treesim.theory.verification": [],
    "treesim.theory.worst_case": ["worst_guidance", "worst_particles"],
}

# Drawn from a library that another environment has.
FOREIGN = {"treesim.adapters.transformers": ["LanguageModel"]}


def public() -> dict[str, dict[str, object]]:
    """Every public function and class: for each room the names under which users find it, and the object."""
    found: dict[object, str] = {}
    for name, thing in _named():
        if (inspect.isclass(thing) or inspect.isroutine(thing)) and thing.__module__.startswith("treesim"):
            found.setdefault(thing, name)
    rooms: dict[str, dict[str, object]] = {room: {} for room in ROOMS}
    for thing, name in found.items():
        rooms[_room(thing.__module__)][name] = thing
    return rooms


def page(room: str) -> str:
    """The page of a room, in markdown; what is between is made by mkdocstrings."""
    title, says = ROOMS[room]
    things = {name: _place(name, thing) for name, thing in public()[room].items()}
    things |= {f"{module}.{name}": f"{module}.{name}" for module, names in FOREIGN.items() for name in names
               if _room(module) == room}  # fmt: skip
    # In a checkout hard_instances lies beside treesim, not in it.
    blocks = [
        f"::: {place.removeprefix('treesim.') if room == 'hard_instances' else place}\n"
        f"    options:\n      heading: {name}\n      toc_label: {name.rpartition('.')[2]}\n"
        for name, place in things.items()
    ]
    return "\n".join([f"# {title}\n\n{says}\n", *blocks])


def _named() -> Iterator[tuple[str, object]]:
    """All that is public, with its name; what several modules hand out comes first under the shortest."""
    for module in EXPORTS:
        loaded = import_module(module)
        for name in loaded.__all__:
            yield f"{module}.{name}", getattr(loaded, name)
    for point in sorted(entry_points(group="treesim.samplers")):
        yield point.value.replace(":", "."), point.load()
    for module, names in MORE.items():
        loaded = vars(import_module(module))
        own = [name for name, thing in loaded.items() if name[0] != "_" and getattr(thing, "__module__", "") == module]
        for name in names or own:
            yield f"{module}.{name}", loaded[name]


def _place(name: str, thing: object) -> str:
    """Where a thing is defined; a decorator may have hidden it."""
    return name if "<" in thing.__qualname__ else f"{thing.__module__}.{thing.__qualname__}"


def _room(module: str) -> str:
    room = module.split(".")[1]
    return {"scaled": "ground", "errors": "ground", "runtime": "ground"}.get(room, room)
