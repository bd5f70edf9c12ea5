from .comparison import comparison_figure, draw_comparison
from .instance import draw_bellman_error, draw_graph, draw_value_profile, instance_figure
from .measure import draw_drift, draw_mean_square, draw_reliability, draw_weights, measurement_figure
from .runs import (
    audit_figure,
    diagnosis_figure,
    draw_exponents,
    draw_frequencies,
    draw_genealogy,
    draw_health,
    draw_sizes,
)
from .studies import draw_curves, draw_surface, experiment_figure, scaling_figure
from .style import save_figure

__all__ = [
    "audit_figure",
    "comparison_figure",
    "diagnosis_figure",
    "draw_bellman_error",
    "draw_comparison",
    "draw_curves",
    "draw_drift",
    "draw_exponents",
    "draw_frequencies",
    "draw_genealogy",
    "draw_graph",
    "draw_health",
    "draw_mean_square",
    "draw_reliability",
    "draw_sizes",
    "draw_surface",
    "draw_value_profile",
    "draw_weights",
    "experiment_figure",
    "instance_figure",
    "measurement_figure",
    "save_figure",
    "scaling_figure",
]
