"""The tree that ships, against counts of its own: rewards, values and masks of texts."""

import math
import re

import numpy as np
import pytest

from treesim import SMC, GuidedSMC, instance_from_texts
from treesim.decoding.masking import constrained_texts, masked
from treesim.demos.language_model import CONSTRAINT, DISLIKED, LIKED, figure, guides, hits, run, tilted
from treesim.empirical.measure import distance
from treesim.instances.movie_reviews import judged_texts


@pytest.fixture(scope="module")
def judged():
    return judged_texts()


def test_texts_are_the_tokens_of_their_paths(judged):
    tree = judged.graph
    assert tree.horizon == 6 and tree.max_degree == 4 and tree.pruned.sum() == 0.0
    for leaf in (0, 17, 4092):
        written, node = "", 0
        for t, choice in enumerate(tree.path_choices(leaf, None)):
            edge = int(tree.edge_ptr[node]) + choice
            written += tree.vocabulary[tree.edge_tokens(t)[edge - int(tree.edge_ptr[tree.level(t).start])]]
            node = edge + 1
        assert tree.texts()[leaf] == written
    score = judged.value.to_float()[1:]
    assert 0.2 < score.min() < score.max() < 0.8 and score.std() > 0.05


def test_what_words_are_worth_by_counting_again(judged):
    tree = judged.graph
    count = hits(set(LIKED.split()), set(DISLIKED.split()))
    instance = tilted(tree, count, 1.5)
    total = 0.0
    for text, p in zip(tree.texts(), instance.reference.prob.to_float(), strict=True):
        words = re.split(r"[^a-z]+", text.lower())
        good, bad = (sum(word in set(listed.split()) for word in words) for listed in (LIKED, DISLIKED))
        total += p * math.exp(1.5 * (good - bad))
    assert instance.audit.log_partition == pytest.approx(math.log(total), rel=1e-12)


def test_masking_renormalises_at_each_step(judged):
    tree = judged.graph
    exact = constrained_texts(tree, CONSTRAINT)
    matches = np.array([re.fullmatch(CONSTRAINT, text, re.DOTALL) is not None for text in tree.texts()])
    reference = exact.reference.prob.to_float()
    assert math.exp(exact.audit.log_partition) == pytest.approx(reference[matches].sum(), rel=1e-12)
    # Level by level: children with a match below share what their parent has, by pi_ref.
    alive = [matches]
    for t in reversed(range(tree.horizon)):
        below = alive[0]
        source = tree.layer(t).sources()
        alive.insert(0, np.bincount(source, below, minlength=tree.n_level(t)) > 0)
    mass = np.ones(1)
    for t in range(tree.horizon):
        layer, source = tree.layer(t), tree.layer(t).sources()
        prob = layer.prob * alive[t + 1]
        total = np.bincount(source, prob, minlength=tree.n_level(t))
        mass = mass[source] * prob / np.where(total > 0, total, 1.0)[source]
    law = GuidedSMC().law(masked(exact))
    np.testing.assert_allclose(law.prob.to_float(), mass, atol=1e-15)
    wanted = np.where(matches, reference, 0.0) / reference[matches].sum()
    story = run(runs=1000)
    assert story.masking.mid == pytest.approx(0.5 * np.abs(mass - wanted).sum(), rel=1e-9)
    by_truth = story.guides[-1]
    assert (by_truth.name, by_truth.particles) == ("V*", distance(SMC(16), story.instance, runs=1000, seed=0))


def test_a_judge_is_scaled_to_the_mean_of_the_reward(judged):
    tree = judged.graph
    count = hits(set(LIKED.split()), set())
    instance = tilted(tree, count, 1.0)
    by_name = dict(guides(instance, judged, count, 1.0, seed=0))
    judge = by_name["a judge of the text so far"]
    for t in range(1, 6):
        here = judge.value[tree.level(t)].to_float()
        assert tree.reach[t] @ here == pytest.approx(math.exp(instance.audit.log_partition), rel=1e-12)
        ratio = here / judged.value[tree.level(t)].to_float()
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)
    far = by_name["the reward of the text so far"].value[tree.level(3)].to_float()
    np.testing.assert_allclose(far, [math.exp(count(text)) for text in tree.texts(3)], rtol=1e-12)
    assert by_name["nothing until the last token"].value[tree.level(4)].to_float().std() == 0.0


def test_a_tree_of_texts_of_one_s_own(judged):
    tree = judged.graph.truncate(3)
    own = instance_from_texts(tree, lambda texts: list(map(len, texts)), lambda texts: [1.0] * len(texts))
    story = run(own, liked="film", strength=2.0, constraint=".*film.*")
    assert story.instance.horizon == 3 and "film" in story.wanted[0][1]


def test_the_figure_shows_its_numbers_and_all_of_its_titles():
    drawn = figure(run(runs=1_000))
    draws = drawn.axes[2]
    drawn.draw_without_rendering()
    assert [label.get_text() for label in draws.get_xticklabels()] == ["1", "4", "16", "64", "256"]
    assert max(axes._left_title.get_window_extent().x1 for axes in drawn.axes) < drawn.bbox.x1
