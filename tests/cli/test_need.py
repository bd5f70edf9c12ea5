import re

from treesim import load, sampler


def test_the_least_of_each_sampler(run, instance):
    document = run.json("need", instance, "importance", "rejection", "--delta", 0.05)
    assert document["delta"] == 0.05
    loaded = load(instance)
    for row in document["rows"]:
        name = f"{row['spec']}:{row['parameter']}="
        tv = [sampler(f"{name}{n}").law(loaded).tv(loaded.target).hi for n in range(1, row["least"] + 1)]
        assert tv[-1] == row["tv"]["hi"] <= 0.05 < min(tv[:-1])


def test_it_speaks_to_people_and_to_papers(run, instance):
    lines = run("need", instance, "sp-gsmc", "--vary", "mh", "--delta", 0.001).stdout.splitlines()
    assert re.split("  +", lines[0].strip()) == [
        "sampler",
        "parameter",
        "least for TV <= 0.001",
        "TV",
        "kind",
        "queries",
    ]
    assert lines[2].split()[:2] == ["sp-gsmc", "mh"]
    assert "none" in run("need", instance, "best-of-n", "--delta", 0.001, "--most", 100).stdout
    assert run("need", instance, "importance", "--format", "markdown").stdout.startswith("| sampler")
    assert run("need", instance, "importance", "--format", "csv").stdout.startswith("spec,horizon,epsilon,sampler,")


def test_trellises_and_estimates(run, chain):
    row = run.json("need", chain, "sp-gsmc", "--vary", "mh", "--delta", 1e-2, "--width", 1e-3)["rows"][0]
    assert row["tv"]["kind"] == "certified"
    assert row["least"] > 1
    row = run.json("need", chain, "smc", "--delta", 0.6, "--runs", 200)["rows"][0]
    assert row["tv"]["kind"] == "estimated"


def test_wrong_input(run, instance):
    assert "none.st does not exist" in run.error("need", "none.st", "importance")
    assert "unknown sampler 'luck'" in run.error("need", instance, "luck")
    assert "say which one varies" in run.error("need", instance, "sp-gsmc")
    assert "'importance' has no parameter 'particles'" in run.error(
        "need", instance, "importance", "--vary", "particles"
    )
    assert "leave it out of the spec" in run.error("need", instance, "importance:n=3")
    assert "0.0 is not in the range" in run.error("need", instance, "importance", "--delta", 0)
    assert "product is a family" in run.error("need", "product", "smc")
    assert "treesim scale product smc" in run.error("need", "product", "smc")
