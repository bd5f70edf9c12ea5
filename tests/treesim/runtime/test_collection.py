import gc

import pytest

from treesim.runtime.collection import without_collector


def test_the_collector_is_on_again_after_an_error_and_stays_off_where_it_was():
    with pytest.raises(KeyError), without_collector():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    try:
        with without_collector():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
