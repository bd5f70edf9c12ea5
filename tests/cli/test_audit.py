from pathlib import Path


def test_our_own_sampler_passes(run):
    text = run("audit", "treesim", "--algorithm", "smc:particles=4", "--runs", 500, "--sizes", "4,32").stdout
    assert "Verdict: it draws from the target" in text
    assert "99% interval" in text and "candidate law" in text
    assert Path("audit.png").read_bytes().startswith(b"\x89PNG")


def test_as_json_on_a_file(run, sketched):
    run(
        "generate",
        "dirichlet",
        "--horizon",
        2,
        "--perturbation",
        "random-sign",
        "--epsilon",
        0.3,
        "-o",
        "t.safetensors",
    )
    document = run.json(
        "audit", "treesim", "--algorithm", "base", "--instance", "t.safetensors", "--runs", 400, "--plot", "a.svg"
    )
    assert document["candidates"][0]["law"] == "pi_ref, untilted"
    assert [row["size"] for row in document["rows"]] == [None]
    assert document["rows"][0]["tv"]["kind"] == "estimated"
    assert len(document["exponents"]) == 2 and Path("a.svg").exists()


def test_the_list_and_what_is_wrong(run):
    text = run("audit", "--list").stdout
    assert all(name in text for name in ("its-hub", "particles", "genlm-control", "llamppl", "treesim: base"))
    assert "there is no adapter for 'luck'" in run.error("audit", "luck")
    assert "sizes is '4,x'" in run.error("audit", "treesim", "--sizes", "4,x")
    assert "sizes is '0'" in run.error("audit", "treesim", "--sizes", "0")
    assert "unknown sampler 'luck'" in run.error("audit", "treesim", "--algorithm", "luck")
    assert "expected .png" in run.error("audit", "treesim", "--plot", "a.txt")


def test_sizes_in_every_format(run, sketched):
    arguments = ("audit", "treesim", "--algorithm", "base", "--runs", 100)
    assert run(*arguments, "--format", "csv").stdout.startswith("size,tv.lo,tv.hi,")
    assert run(*arguments, "--format", "markdown").stdout.startswith("| size ")
