"""Causal language models of transformers as policies of trees, and as judges of texts.

The tokens of a prompt are read once; after that a batch of prefixes costs what is new in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from treesim.arrays import FloatArray
from treesim.errors import TreeError
from treesim.graphs.model_trees import SamplingRules, tree_of_model
from treesim.graphs.tree import Tree

YES_OR_NO = ("Yes", " Yes", "yes", " yes"), ("No", " No", "no", " no")


@dataclass(frozen=True)
class LanguageModel:
    """A causal model and its tokenizer.

    Parameters
    ----------
    model, tokenizer
        Of transformers; the model is used as it is, so put it where and in what precision it shall run.

    Examples
    --------
    ::

        language = LanguageModel.load("SmolLM2-135M-Instruct.Q4_1.gguf")
        tree = language.tree("The movie was", horizon=6, rules=SamplingRules(top_k=4))
        instance = instance_from_texts(tree, language.judge("Is this movie review positive?\\nThe movie was{}"))
    """

    model: Any
    tokenizer: Any

    @classmethod
    def load(cls, path: str | Path, **settings: Any) -> LanguageModel:
        """A model from a folder, a GGUF file (with the packages gguf and accelerate), or a name of the hub.

        Parameters
        ----------
        path : str or Path
        **settings
            Of ``AutoModelForCausalLM.from_pretrained``; ``dtype`` is float32 if left out.

        Raises
        ------
        TreeError
            If it cannot be loaded.
        """
        place, more = (str(path), {}) if Path(path).suffix != ".gguf" else (
            str(Path(path).parent), {"gguf_file": Path(path).name}
        )  # fmt: skip
        try:
            tokenizer = AutoTokenizer.from_pretrained(place, **more)
            model = AutoModelForCausalLM.from_pretrained(place, **more, **({"dtype": torch.float32} | settings))
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            raise TreeError(f"cannot load {path}: {str(error).splitlines()[0]}") from error
        return cls(model.eval(), tokenizer)

    @property
    def stop(self) -> set[int]:
        """Tokens that end a text: what the model's configuration names, and the tokenizer."""
        named = self.model.generation_config.eos_token_id
        ends = named if isinstance(named, list) else [named]
        return {end for end in (*ends, self.tokenizer.eos_token_id) if end is not None}

    def tree(
        self, prompt: str, horizon: int, rules: SamplingRules | None = None, least: float = 0.0, rest: bool = False,
        batch: int = 64, stop: Collection[int] | None = None, report: Callable[[str], None] = lambda _: None,
        journal: Path | None = None,
    ) -> Tree:  # fmt: skip
        """The tree of what the model may write after a prompt: see `treesim.tree_of_model`.

        Parameters
        ----------
        prompt : str
            As it is; a chat's markers are the caller's (``tokenizer.apply_chat_template``).
        horizon, rules, least, rest, batch, report, journal
            Of `tree_of_model`.
        stop : collection of int, optional
            Tokens that end a text; those of the model if left out.
        """
        return tree_of_model(
            self.policy(prompt), self.decode, horizon, logits=True, rules=rules,
            stop=self.stop if stop is None else stop, least=least, rest=rest, batch=batch, report=report,
            journal=journal,
        )  # fmt: skip

    def decode(self, token: int) -> str:
        """What a token writes."""
        return str(self.tokenizer.decode([token]))

    def policy(self, prompt: str) -> Callable[[list[tuple[int, ...]]], FloatArray]:
        """Logits of the next token after a prompt and prefixes of one length, shape [n_prefixes, vocabulary]."""
        after = _Cached(self.model, self._ids(prompt))
        return lambda prefixes: after.logits([list(prefix) for prefix in prefixes])

    def judge(
        self,
        question: str,
        answers: tuple[Sequence[str], Sequence[str]] = YES_OR_NO,
        batch: int = 64,
    ) -> Callable[[list[str]], FloatArray]:
        """A function of texts: the probability of a positive answer among those of either kind.

        It serves as a reward of whole texts and as a value of partial ones, in `treesim.instance_from_texts`.

        Parameters
        ----------
        question : str
            With ``{}`` where the text stands, and whatever markers a chat has. What comes before is read once.
        answers : pair of sequences of str
            Positive and negative ones, a token each.
        batch : int
            How many texts the model reads at once.

        Raises
        ------
        TreeError
            If the question has no place for the text, or an answer is not one token.
        """
        before, place, behind = question.partition("{}")
        if not place:
            raise TreeError(f"the question is {question!r}, expected {{}} where the text stands")
        positive, negative = ([self._token(word) for word in words] for words in answers)
        after, tail = _Cached(self.model, self._ids(before)), self._ids(behind) if behind else []

        def score(texts: list[str]) -> FloatArray:
            rows = [[*self._ids(text), *tail] for text in texts]
            scores = np.empty(len(texts))
            # Rows of one length go together: no padding, which models treat in ways of their own.
            lengths = np.array([len(row) for row in rows])
            for length in np.unique(lengths).tolist():
                alike = np.flatnonzero(lengths == length)
                for chosen in np.split(alike, range(batch, len(alike), batch)):
                    logits = after.logits([rows[i] for i in chosen.tolist()]).astype(np.float64)
                    prob = np.exp(logits - logits.max(axis=1, keepdims=True))
                    good, bad = prob[:, positive].sum(axis=1), prob[:, negative].sum(axis=1)
                    scores[chosen] = good / (good + bad)
            return scores

        return score

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _token(self, word: str) -> int:
        ids = self._ids(word)
        if len(ids) != 1:
            raise TreeError(f"the answer {word!r} is {len(ids)} tokens, expected one")
        return ids[0]


class _Cached:
    """A model that has read a prompt: logits after the prompt and rows of tokens of one length."""

    def __init__(self, model: Any, prompt: list[int]) -> None:
        self.model, self._layers, self._last = model, [], None
        if prompt:
            with torch.no_grad():
                read = model(torch.tensor([prompt], device=model.device), use_cache=True)
            self._layers = [(layer.keys, layer.values) for layer in read.past_key_values.layers]
            self._last = read.logits[:, -1]

    def logits(self, rows: list[list[int]]) -> FloatArray:
        """Logits of what comes next, shape [n, vocabulary]."""
        if not rows[0]:
            if self._last is None:
                raise TreeError("the prompt is empty, expected at least one token")
            return _array(self._last.expand(len(rows), -1))
        cache = DynamicCache()
        for i, (keys, values) in enumerate(self._layers):
            cache.update(*(part.expand(len(rows), -1, -1, -1).contiguous() for part in (keys, values)), i)
        with torch.no_grad():
            read = self.model(torch.tensor(rows, device=self.model.device), past_key_values=cache, use_cache=True)
        return _array(read.logits[:, -1])


def _array(logits: Any) -> FloatArray:
    numbers: FloatArray = logits.float().cpu().numpy()
    return numbers
