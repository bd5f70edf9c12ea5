import json
from pathlib import Path

import pytest

from treesim import TreesimError
from treesim.runtime.journal import Journal


def test_what_is_known_is_not_found_again(tmp_path):
    path, calls = tmp_path / "j.jsonl", []

    def find(n):
        calls.append(n)
        return {"square": n * n}

    journal = Journal(path, "squares")
    assert [journal.recall({"n": n, "of": "x"}, lambda n=n: find(n))["square"] for n in (1, 2, 1)] == [1, 4, 1]
    again = Journal(path, "squares")
    # Keys are the same in any order.
    assert again.recall({"of": "x", "n": 2}, lambda: find(2)) == {"square": 4}
    assert calls == [1, 2] and len(again) == 2
    assert again.knows({"n": 1, "of": "x"}) and not again.knows({"n": 3, "of": "x"})
    nowhere = Journal(None, "squares")
    assert nowhere.recall({"n": 5}, lambda: find(5)) == nowhere.recall({"n": 5}, lambda: find(6)) == {"square": 25}


def test_a_line_that_was_cut_is_written_again(tmp_path):
    path = tmp_path / "j.jsonl"
    journal = Journal(path, "squares")
    for n in (1, 2):
        journal.recall({"n": n}, lambda n=n: {"square": n * n})
    whole = path.read_text()
    path.write_text(whole[:-9])
    cut = Journal(path, "squares")
    assert cut.knows({"n": 1}) and not cut.knows({"n": 2})
    cut.recall({"n": 2}, lambda: {"square": 4})
    assert path.read_text() == whole


def test_what_is_no_journal_is_left_alone(tmp_path):
    path = tmp_path / "j.jsonl"
    for text, message in (
        ("notes\n", "is no journal of 'squares'; choose another name, or delete it"),
        ('{"treesim": "0", "journal": "cubes"}\n', "is no journal of 'squares'"),
        ('{"treesim": "0.0.1", "journal": "squares"}\n', "was written by treesim 0.0.1, and this is "),
    ):
        path.write_text(text)
        with pytest.raises(TreesimError, match=message):
            Journal(path, "squares")
        assert path.read_text() == text
    path.unlink()
    Journal(path, "squares").recall({"n": 1}, dict)
    path.write_text(path.read_text() + json.dumps({"n": 1}) + "\n")
    with pytest.raises(TreesimError, match=r"line 3 of .* is damaged; delete it, or the file"):
        Journal(path, "squares")
    with pytest.raises(TreesimError, match="cannot hold a journal: "):
        Journal(Path(tmp_path), "squares")
