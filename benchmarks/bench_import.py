"""Graph files of 200,000 nodes: reading them and making the instance, against networkx reading them.

python benchmarks/bench_import.py [--nodes 200000] [--rounds 3]
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import networkx as nx
import numpy as np

from treesim.instances.graph_files import read_listed
from treesim.instances.networkx_io import instance_from_graph


def made(n: int) -> nx.DiGraph:
    """A random tree of about `n` nodes, some of whose leaves end early."""
    rng, graph, level = np.random.default_rng(0), nx.DiGraph(), ["r"]
    while len(graph) < n:
        below = []
        for name in level:
            if len(graph) < n and (len(level) < 8 or rng.random() > 0.05):
                prob = rng.dirichlet(np.ones(rng.integers(2, 4)))
                below += [f"{name}{j}" for j in range(len(prob))]
                graph.add_edges_from((name, f"{name}{j}", {"prob": float(p)}) for j, p in enumerate(prob))
        level = below
    nx.set_node_attributes(graph, {v: float(rng.random()) for v in graph if not graph.out_degree(v)}, "reward")
    return graph


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        graph, files = made(asked.nodes), {form: Path(folder) / f"g.{form}" for form in ("json", "graphml")}
        files["json"].write_text(json.dumps(nx.node_link_data(graph, edges="edges")))
        nx.write_graphml(graph, files["graphml"])
        rivals = {
            "json": lambda: nx.node_link_graph(json.loads(files["json"].read_text()), edges="edges"),
            "graphml": lambda: nx.read_graphml(files["graphml"]),
        }
        for form, path in files.items():
            best = {}
            for _ in range(asked.rounds):
                for name, run in (
                    ("here", lambda path=path: instance_from_graph(read_listed(path))), ("networkx", rivals[form])
                ):  # fmt: skip
                    start = time.process_time()
                    run()
                    best[name] = min(best.get(name, float("inf")), time.process_time() - start)
            print(f"{form:8} here {best['here']:5.2f} s, networkx alone {best['networkx']:5.2f} s")


if __name__ == "__main__":
    main()
