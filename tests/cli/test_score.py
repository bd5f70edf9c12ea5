"""The score card on the command line: own samplers, what is kept, what is written."""

import csv
import json
from pathlib import Path

import pytest

from treesim import SAMPLERS
from treesim.figures.score_card import draw_scores, score_page
from treesim.studies import score_card
from treesim.studies.battery import BATTERY, BUDGETS, axis
from treesim.studies.roster import ROSTER, shipped
from treesim.studies.verdicts import verdicts

MINE = """
from dataclasses import dataclass

@dataclass
class Mine:
    n: int = 1

    def simulate(self, oracle, rng):
        prefix = oracle.root
        for _ in range(oracle.horizon):
            prefix = oracle.draw(prefix)
        return prefix
"""


@pytest.fixture
def short(monkeypatch, tmp_path):
    """A battery of two axes, and a cache of its own."""
    monkeypatch.setattr(score_card, "BATTERY", (axis("delayed reward"), axis("extinction")))
    monkeypatch.setenv("TREESIM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_cards_that_ship_are_shown_and_nothing_is_computed(run, monkeypatch):
    monkeypatch.setattr(score_card, "play", lambda game: pytest.fail("it was computed"))
    done = run("score", "sp-gsmc", "best-of-n", "-o", "card.html", "--plot", "card.png")
    lines = done.stdout.splitlines()
    card = shipped()["best-of-n"]
    assert lines[-2:] == ["page: card.html", "figure: card.png"]
    assert [line for line in lines if line.startswith("- ")] == [
        f"- {line}" for each in (shipped()["sp-gsmc"], card) for line in verdicts(each, shipped())
    ]
    (row,) = [line.split() for line in lines if line.startswith("reward hacking") and "0.3863" in line]
    assert row[2:] == [
        "1.514e-05",
        "0.02304",
        "0.1099",
        "0.3863",
        "exact",
        "1.383",
        f"{card.score('reward hacking'):.2f}",
    ]
    assert Path("card.png").read_bytes().startswith(b"\x89PNG")
    page = Path("card.html").read_text(encoding="utf-8")
    assert "gets worse on reward hacking with compute" in page and "://" not in page.replace("http://www.w3.org", "")


def test_all_are_listed_the_best_first(run):
    lines = run("score").stdout.splitlines()
    rows = [line.split() for line in lines[2:-2]]
    assert len(rows) == len(ROSTER) and {row[0] for row in rows} == set(ROSTER)
    totals = [float(row[1]) for row in rows]
    assert totals == sorted(totals, reverse=True)
    assert rows[0] == [rows[0][0], f"{shipped()[rows[0][0]].total:.3f}", *rows[0][2:]]
    document = run.json("score", "all")
    assert [card["sampler"] for card in document["cards"]] == [row[0] for row in rows]


def test_a_sampler_of_ones_own_is_a_file_and_a_class(run, short):
    Path("mine.py").write_text(MINE)
    document = run.json("score", "mine.py:Mine")
    (card,) = document["cards"]
    for name in ("delayed reward", "extinction"):
        marks, base = card["marks"][name], shipped()["base"].marks[name]
        assert [mark["budget"] for mark in marks] == list(BUDGETS)
        assert [mark["tv"]["lo"] for mark in marks] == pytest.approx([mark.tv.lo for mark in base], abs=1e-12)
        assert {mark["tv"]["kind"] for mark in marks} == {"exact"}
    rows = list(csv.DictReader(run("score", "mine.py:Mine:n=3", "--format", "csv").stdout.splitlines()))
    assert {row["card"] for row in rows} == {"Mine:n=3"} and len(rows) == 2 * len(BUDGETS)


def test_what_was_computed_is_kept_by_the_code(run, short, monkeypatch):
    Path("mine.py").write_text(MINE)
    play, played = score_card.play, []
    monkeypatch.setattr(score_card, "play", lambda game: played.append(game.axis) or play(game))
    run("score", "mine.py:Mine")
    (kept,) = short.iterdir()
    assert len(kept.read_text().splitlines()) == 3 and len(played) == 2
    run("score", "mine.py:Mine")
    assert len(played) == 2
    run("score", "mine.py:Mine", "--fresh")
    assert len(played) == 4
    Path("mine.py").write_text(MINE.replace("n: int = 1", "n: int = 2"))
    run("score", "mine.py:Mine")
    assert len(played) == 6
    run("score", "mine.py:Mine", "--journal", "own.jsonl", "--seed", 3)
    assert len(played) == 8 and json.loads(Path("own.jsonl").read_text().splitlines()[1])["key"]["seed"] == 3


def test_processes_run_the_users_file(run, short):
    Path("mine.py").write_text(MINE)
    alone, spread = (run.json("score", "mine.py:Mine", "--fresh", "--jobs", n)["cards"] for n in (1, 2))
    assert alone == spread


def test_a_cache_that_cannot_be_is_told(run, short, monkeypatch):
    short.write_text("a file")
    assert "results are not kept" in run("score", "importance", "--seed", 1).stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["luck"], "unknown sampler 'luck'"),
        (["importance:n=4,m=3"], "no parameter 'm'"),
        (["importance", "-o", "card.txt"], "card.txt ends in '.txt', expected .html"),
        (["importance", "--plot", "card.txt"], "expected .png"),
        (["--fresh"], "no sampler is given"),
        (["missing.py:Mine"], "missing.py does not exist"),
        (["mine.py:Yours"], "mine.py defines no 'Yours'"),
        (["mine.py:base"], "there is a built-in sampler named 'base'"),
        (["importance", "--vary", "m"], "no parameter 'm'"),
    ],
)
def test_wrong_questions_are_refused(run, short, arguments, message):
    Path("mine.py").write_text(MINE + "\nclass base(Mine):\n    pass\n")
    assert message in run.error("score", *arguments)
    assert not Path("card.txt").exists()


def test_every_command_takes_a_file_and_a_class(run, instance):
    Path("mine.py").write_text(MINE)
    for command in ("tv", "compare"):
        (row,) = run.json(command, instance, "mine.py:Mine:n=2").get("rows") or [None]
        assert row["sampler"] == "Mine:n=2"
    assert "Mine" in SAMPLERS


def test_figures_show_every_axis_and_the_rivals():
    card, rivals = shipped()["smc"], shipped()
    ax = draw_scores([card], rivals)
    assert [text.get_text() for text in ax.get_yticklabels()] == [each.name for each in BATTERY]
    for place, each in enumerate(BATTERY):
        drawn = [
            tuple(line.get_xydata()[0]) for line in ax.lines if line.get_marker() == "o" and line.get_markersize() == 8
        ]
        assert drawn[place] == (card.score(each.name), place)
        grey = [line for line in ax.lines if line.get_markersize() == 4][place]
        assert sorted(grey.get_xdata()) == sorted(rival.score(each.name) for rival in rivals.values())


def test_a_page_has_a_panel_for_every_axis_and_a_rival_for_every_stop():
    card, rivals = shipped()["rebase"], shipped()
    page = score_page([card], rivals)
    assert [panel.title for panel in page.panels[1:]] == [f"{n}. {each.name}" for n, each in enumerate(BATTERY, 1)]
    assert len(page.states) == len(page.sliders[0].values) == len(rivals) + 1
    for name, state in zip(page.sliders[0].values[1:], page.states[1:], strict=True):
        for each, curves in zip(BATTERY, state.panels[1:], strict=True):
            beside = [curve for curve in curves if curve.label.startswith(f"{name} (")][-1]
            marks = rivals[name].marks[each.name]
            assert list(beside.points) == [(b, m.tv and m.tv.mid) for b, m in zip(BUDGETS, marks, strict=True)]
            least = {curve.label: curve for curve in curves}["the best published"]
            for place, (_, tv) in enumerate(least.points):
                known = [other.marks[each.name][place].tv for other in rivals.values()]
                assert tv == min(one.hi for one in known if one is not None)
    # An estimate has its two ends.
    sparse = {curve.label: curve for curve in page.states[0].panels[2]}
    assert [tv for _, tv in sparse["rebase, at most"].points] == [mark.tv.hi for mark in card.marks["sparse reward"]]
    assert [tv for _, tv in sparse["rebase, at least"].points] == [mark.tv.lo for mark in card.marks["sparse reward"]]
