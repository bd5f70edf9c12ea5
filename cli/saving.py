"""What commands that write an instance file do with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from treesim.cli.output import Failure, distinct_output, print_as, print_table, working
from treesim.tables import number

if TYPE_CHECKING:
    from treesim import Instance


def instance_output(output: Path, *inputs: Path) -> Path:
    """The path, if an instance may be written there: nothing else is ever overwritten."""
    from treesim.instances import storage
    from treesim.runtime.reading import exists

    if exists(output) and not storage.is_instance_file(output):
        raise Failure(f"{output} exists and is not an instance file; it was left as it is, choose another name")
    return distinct_output(output, *inputs)


def save_and_tell(instance: Instance, output: Path, style: str) -> None:
    """Save an instance, and print what it is: a row, or in JSON what `inspect` says."""
    from treesim.instances import storage
    from treesim.instances.inspection import describe_instance

    with working("saving it, and reading it back"):
        audit = instance.audit
        storage.save(instance, output)
    headers = ["instance", "T", "nodes", "log Z", "Bellman error", "ratio bound L"]
    row = {
        "instance": str(output), "horizon": instance.horizon, "nodes": instance.graph.n_nodes,
        "log_partition": audit.log_partition, "bellman_error": audit.bellman_error, "ratio_bound": audit.ratio_bound,
    }  # fmt: skip
    numbers = map(number, (audit.log_partition, audit.bellman_error, audit.ratio_bound))
    table = [[row["instance"], row["horizon"], row["nodes"], *numbers]]
    if not print_as(style, describe_instance(instance) if style == "json" else {"rows": [row]}, headers, table):
        print_table(headers, table)
