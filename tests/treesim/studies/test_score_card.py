"""The score card: its budgets are kept, what is kept is found again, and what ships is what is computed."""

import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pytest

from treesim import TV, sampler
from treesim.empirical.measure import measure
from treesim.errors import SpecError, TreesimError
from treesim.graphs.tree import Tree
from treesim.samplers import Cost
from treesim.samplers.open_parameters import open_sampler
from treesim.samplers.user import measured_cost
from treesim.studies import roster, score_card
from treesim.studies.battery import BATTERY, BUDGETS, VERSION, axis, field
from treesim.studies.roster import ROSTER, packed, shipped
from treesim.studies.score_card import Game, Mark, ScoreCard, play, score
from treesim.studies.verdicts import failure, failures, solved, verdicts


@dataclass
class Best:
    """Best of n, with a draw that nobody needs."""

    n: int = 1

    def simulate(self, oracle, rng):
        best, reward = None, -1.0
        for _ in range(self.n):
            prefix = oracle.root
            while prefix.level < oracle.horizon:
                prefix = oracle.draw(prefix)
            if oracle.value(prefix) > reward:
                best, reward = prefix, oracle.value(prefix)
        return best


@pytest.mark.parametrize("name", [each.name for each in BATTERY])
def test_every_axis_is_a_small_tree_that_guidance_alone_does_not_solve(name):
    instance = field(name)
    assert isinstance(instance.graph, Tree) and instance.graph.n_leaves <= 1024
    assert instance.family == axis(name).family
    base = sampler("base").law(instance).tv(instance.target).hi
    guided = sampler("sp-gsmc").law(instance).tv(instance.target).hi
    assert max(base, guided) > 0.1 or name == "reward hacking"


def test_an_unknown_axis_is_refused():
    with pytest.raises(SpecError, match="unknown axis 'luck', expected one of: horizon, "):
        axis("luck")


@pytest.mark.parametrize("spec, size", [("importance", "n"), ("sp-gsmc", "mh"), ("vgb:steps=0,stop=leaf", "leaf")])
def test_of_a_sampler_the_largest_size_is_played_that_the_budget_pays_for(spec, size):
    instance, player = field("aligned error"), open_sampler(spec)
    for mark, budget in zip(play(Game(spec, None, "aligned error", 0)), BUDGETS, strict=True):
        paid = budget * instance.horizon
        if mark.tv is None:
            kind = player.having(size, 1)
            assert max(vars(kind.cost(instance)).values()) > paid and mark.why == "one output costs more"
            continue
        found = measure(mark.sampler, instance)
        assert mark.cost == found.cost and max(vars(found.cost).values()) <= paid
        larger = player.having(size, getattr(sampler(mark.sampler), size) + 1)
        assert max(vars(larger.cost(instance)).values()) > paid
        assert mark.tv == found.tv
        assert mark.reward == found.expected_reward / instance.target.expected(instance.reward)


def test_a_sampler_of_a_users_has_the_card_of_the_same_sampler_of_ours(monkeypatch):
    names = ("delayed reward", "unknown root")
    monkeypatch.setattr(score_card, "WORK", 20_000)
    monkeypatch.setattr(score_card, "BATTERY", tuple(map(axis, names)))
    ours, mine = shipped()["best-of-n"], score(Best)
    for name in names:
        for own, other in zip(mine.marks[name], ours.marks[name], strict=True):
            assert own.sampler.replace("Best", "best-of-n").removesuffix(":n=1") in (other.sampler, "best-of-n")
            assert own.tv.lo - 1e-12 <= other.tv.hi and other.tv.lo - 1e-12 <= own.tv.hi
            # Few runs say what one costs, and every path costs the same.
            assert own.cost.reference_draws == other.cost.reference_draws
    # Two paths, enumerated; more of them by runs.
    assert [mark.tv.kind for mark in mine.marks["delayed reward"]][::3] == ["exact", "estimated"]


def test_what_grows_can_be_chosen():
    marks = play(Game("sp-gsmc", "pool", "correlated noise", 0))
    assert [mark.sampler for mark in marks] == [f"sp-gsmc:pool={n}" for n in BUDGETS]
    # A sampler in which nothing can grow is the same at every budget that pays for it.
    marks = play(Game("smc:particles=3", None, "aligned error", 0))
    assert {mark.tv for mark in marks[1:]} == {measure("smc:particles=3", field("aligned error")).tv}
    marks = play(Game("base", None, "aligned error", 0))
    assert len({mark.tv for mark in marks}) == 1 and [mark.budget for mark in marks] == list(BUDGETS)


def test_sizes_of_which_some_are_none_are_rounded_down():
    """A beam of pairs, and a search of two simulations at the least: nothing is asked of them that they refuse."""
    marks = play(Game("lookahead-beam", None, "unknown root", 0))
    sizes = [sampler(mark.sampler).beams for mark in marks if mark.tv is not None]
    assert sizes and all(size % 2 == 0 for size in sizes)
    for mark in marks:
        if mark.tv is not None:
            larger = sampler(f"lookahead-beam:beams={sampler(mark.sampler).beams + 2}")
            paid = mark.budget * 8
            dearer = measured_cost(field("unknown root"), larger, 4)
            assert max(vars(mark.cost).values()) <= paid
            assert max(vars(dearer).values()) > paid or larger.beams > 2 * mark.budget
    played = (mark for mark in play(Game("puct", None, "unknown root", 0)) if mark.tv is not None)
    assert sampler(next(played).sampler).simulations >= 2


@pytest.mark.parametrize(
    "like, vary, message",
    [
        ("luck", None, "unknown sampler 'luck'"),
        ("particle-gibbs", None, "needs sweeps"),
        ("importance", "m", "has no parameter 'm'"),
        ("vgb", "stop", "stop of 'vgb' is no whole number"),
    ],
)
def test_what_cannot_be_played_is_told_at_once(like, vary, message, monkeypatch):
    monkeypatch.setattr(score_card, "play", lambda game: pytest.fail("it was played"))
    with pytest.raises(TreesimError, match=message):
        score(like, vary)


def test_what_fails_on_an_axis_has_that_as_its_mark():
    marks = play(Game("exact-guided", None, "extinction", 0))
    assert all(mark.tv is None and "finite Bellman error" in mark.why for mark in marks)

    class Broken:
        def simulate(self, oracle, rng):
            return 1 // 0

    (why,) = {mark.why for mark in play(Game(Broken, None, "extinction", 0))}
    assert "failed: ZeroDivisionError" in why


def test_what_is_kept_is_found_again(tmp_path, monkeypatch):
    journal = tmp_path / "kept.jsonl"
    first = score("importance", journal=journal)
    played = []
    monkeypatch.setattr(score_card, "play", lambda game: played.append(game.axis) or play(game))
    assert score("importance", journal=journal).document() == first.document() and played == []
    # A line that is lost, as by an interruption, is computed again; another seed, parameter or code is another card.
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:-1]))
    assert score("importance", journal=journal).document() == first.document() and played == [BATTERY[-1].name]
    for like, vary, seed in (("importance", None, 1), ("sp-gsmc", "mh", 0), ("sp-gsmc", None, 0)):
        played.clear()
        score(like, vary, seed, journal=journal)
        assert len(played) == len(BATTERY)


def test_the_code_of_a_users_sampler_decides_what_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr(score_card, "BATTERY", (axis("extinction"),))
    played = []
    monkeypatch.setattr(score_card, "play", lambda game: played.append(game.axis) or play(game))
    text = "class Mine:\n    def simulate(self, oracle, rng):\n        return None\n"
    for source, count in ((text, 1), (text, 0), (text + "# another version\n", 1)):
        module = {"__name__": "mine"}
        file = tmp_path / "mine.py"
        file.write_text(source)
        exec(compile(source, str(file), "exec"), module)
        played.clear()
        score(module["Mine"], journal=tmp_path / "kept.jsonl")
        assert len(played) == count


def test_processes_find_the_same():
    assert score("importance", jobs=2).document() == score("importance").document()


# Of every kind: one of n, guidance, particles with and without a law, walks, plain Python enumerated and by runs.
SAMPLE = (
    ("race", "hidden prefix"), ("sp-gsmc", "language model"), ("smc", "aligned error"), ("smc", "sparse reward"),
    ("vgb:steps=0,stop=leaf", "long constraint"), ("random-suffix", "horizon"), ("beam", "unknown root"),
    ("lookahead-beam", "delayed reward"),
)  # fmt: skip


@pytest.mark.parametrize("spec, name", SAMPLE)
def test_cards_that_ship_are_what_is_computed(spec, name):
    for own, kept in zip(play(Game(spec, None, name, 0)), shipped()[spec].marks[name], strict=True):
        assert own.sampler == kept.sampler and own.why == kept.why and (own.tv is None) == (kept.tv is None)
        if own.tv is not None:
            assert own.tv.kind == kept.tv.kind
            numbers = [[m.tv.lo, m.tv.hi, m.reward, m.cost.reference_draws, m.cost.value_queries] for m in (own, kept)]
            np.testing.assert_allclose(*numbers, rtol=1e-9, atol=1e-9)


def test_every_sampler_has_a_card_and_cards_of_another_battery_are_none(monkeypatch):
    assert set(shipped()) == set(ROSTER)
    assert {spec.partition(":")[0] for spec in ROSTER} == set(sampler_names())
    for card in shipped().values():
        assert [len(marks) for marks in card.marks.values()] == [len(BUDGETS)] * len(BATTERY)
    monkeypatch.setattr(roster, "VERSION", VERSION + 1)
    shipped.cache_clear()
    assert shipped() == {}
    shipped.cache_clear()


def sampler_names():
    from treesim import SAMPLERS

    return SAMPLERS


def test_cards_survive_documents_and_files():
    for card in shipped().values():
        again = ScoreCard.of(json.loads(json.dumps(card.document())))
        assert again.document() == card.document() and again.document()["battery"] == VERSION
    text = packed(shipped().values())
    assert text == (files("treesim.studies") / "score_cards.json").read_text(encoding="utf-8")


def made(*tvs):
    """Marks of these TVs, a number, a pair, or None."""
    marks = []
    for budget, tv in zip(BUDGETS, tvs, strict=True):
        lo, hi = tv if isinstance(tv, tuple) else (tv, tv)
        known = None if tv is None else TV(lo, hi, "exact" if lo == hi else "estimated")
        marks.append(Mark(budget, "it", known, 1.0, Cost(1.0, 1.0), "" if known else "it costs"))
    return tuple(marks)


@pytest.mark.parametrize(
    "tvs, words",
    [
        ((0.9, 0.8, 0.7, 0.6), "fails on x: TV 0.6 at any budget"),
        ((None, 0.3, 0.5, 0.7), "fails on x: TV 0.3 at any budget"),
        ((0.1, 0.3, 0.5, 0.7), "gets worse on x with compute: TV 0.1 at 2 a step, 0.7 at 128"),
        ((0.9, 0.2, 0.5, 0.7), "gets worse on x with compute: TV 0.2 at 8 a step, 0.7 at 128"),
        ((0.9, 0.8, 0.5, 0.25), None),
        ((0.9, 0.8, 0.5, (0.2, 0.9)), None),
        ((0.9, 0.8, 0.5, (0.26, 0.9)), "fails on x: TV 0.5 at any budget"),
        ((None, None, None, None), "cannot play x: it costs"),
    ],
)
def test_failures_are_those_that_are_known(tvs, words):
    assert failure("x", made(*tvs)) == words


def test_scores_and_verdicts_are_counts_of_what_is_known():
    card = ScoreCard("it", {"a": made(None, 0.5, 0.25, 0.05), "b": made(0.9, 0.9, (0.3, 0.5), (0.0, 0.06))})
    assert card.score("a") == pytest.approx(1 - (1 + 0.5 + 0.25 + 0.05) / 4)
    assert card.score_range("b") == pytest.approx((1 - (0.9 + 0.9 + 0.5 + 0.06) / 4, 1 - (0.9 + 0.9 + 0.3) / 4))
    assert card.total == pytest.approx((card.score("a") + card.score("b")) / 2)
    assert solved(card) == ["a"] and failures(card) == {}
    rival = ScoreCard("rival", {"a": made(0, 0, 0, 0), "b": made(0, 0, 0, 0)})
    worse = ScoreCard("worse", {"a": made(1, 1, 1, 1), "b": made(1, 1, 1, 1)})
    lines = list(verdicts(card, {"rival": rival, "worse": worse, "it": card}))
    assert lines == [
        "within TV 0.05 of the target on 1 of 2 axes at 128 a step",
        f"mean score {card.total:.3f}: place 2 of 3",
    ]


def test_who_aims_at_the_reward_is_told():
    lines = list(verdicts(shipped()["best-of-n"], shipped()))
    assert lines[-2] == "returns more reward than the target on 9 axes, 2.5 times at the most: it aims at the reward"
    assert not any("aims at" in line for line in verdicts(shipped()["sp-gsmc"], shipped()))
