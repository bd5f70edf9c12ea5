import pytest

from treesim import Instance, Scaled, Tree


@pytest.fixture
def deceptive():
    """Two prefixes: the left is worth 9 and looks worth 1, the right is worth 1 and looks worth 2."""
    tree = Tree.complete(2, 2, policy=[0.5, 0.5, 0.9, 0.1, 0.9, 0.1])
    return Instance(tree, Scaled.from_float([5.0, 1.0, 2.0, 9.5, 4.5, 1.0, 1.0]))
