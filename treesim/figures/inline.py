"""Small pictures that notebooks show beside an object, as SVG; loaded by `treesim.notebook` when one is asked for."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure

from treesim.figures.instance import draw_graph
from treesim.graphs.layered import LayeredGraph
from treesim.instances.instance import Instance
from treesim.scaled import Scaled

# Graphs of more nodes are too large for a small picture.
LARGEST = 256


def instance_svg(instance: Instance) -> str | None:
    """The graph of an instance, its nodes coloured by V^; None if it is too large for a small picture.

    Examples
    --------
    >>> from treesim import family
    >>> "<svg" in instance_svg(family("uniform", horizon=3)), instance_svg(family("uniform", horizon=12))
    (True, None)
    """
    if instance.graph.n_nodes > LARGEST:
        return None
    figure = Figure(figsize=(4.4, 2.6), layout="constrained")
    draw_graph(instance, figure.subplots()).set_title("", loc="left")
    for scale in figure.axes[1:]:
        scale.remove()
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def graph_svg(graph: LayeredGraph) -> str | None:
    """A graph alone, as one whose every value is 1."""
    return (
        instance_svg(Instance(graph, Scaled.from_float(np.ones(graph.n_nodes)))) if graph.n_nodes <= LARGEST else None
    )
