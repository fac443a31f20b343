"""A copy of an object with a state shares nothing that changes."""

import numpy as np

from uncodec.cloning import Cloneable


class Part(Cloneable):
    def __init__(self):
        self.memory = np.zeros(3)


class Whole(Cloneable):
    """Parts in every place where the package's objects have some."""

    def __init__(self, model):
        self.count = 1
        self.model = model
        self.memory = np.arange(4.0)
        self.part = Part()
        self.parts = (self.part, None, Part())
        self.lists = [[np.ones(2)], []]


def test_a_copy_shares_the_model_alone():
    model = object()
    whole = Whole(model)
    twin = whole.clone()
    assert twin.model is model
    whole.count = 2
    for array in (whole.memory, whole.part.memory, whole.parts[2].memory, whole.lists[0][0]):
        array += 7
    whole.lists[1].append(1)
    assert twin.count == 1
    np.testing.assert_array_equal(twin.memory, np.arange(4.0))
    np.testing.assert_array_equal(twin.part.memory, np.zeros(3))
    np.testing.assert_array_equal(twin.parts[2].memory, np.zeros(3))
    np.testing.assert_array_equal(twin.lists[0][0], np.ones(2))
    assert twin.lists[1] == []


def test_a_part_that_stands_in_two_places_does_so_in_the_copy():
    twin = Whole(None).clone()
    assert twin.part is twin.parts[0]
    assert isinstance(twin.parts, tuple)
