"""A board as a list: what pedalboard.Pedalboard does, and slices."""

import copy
import re

import pedalboard
import pytest

from uncodec import Board
from uncodec.errors import InvalidType, InvalidValue


@pytest.fixture
def plugins(delayed):
    return [pedalboard.Gain(1.0), delayed(5), pedalboard.Reverb(), None]


def same(board, plugins):
    return len(board) == len(plugins) and all(a is b for a, b in zip(board, plugins, strict=True))


# Each runs on a Board and on a Pedalboard of the same three native plugins; both must agree.
OPERATIONS = {
    "index": lambda b, p: b[1],
    "negative index": lambda b, p: b[-1],
    "index out of range": lambda b, p: b[3],
    "negative index out of range": lambda b, p: b[-4],
    "index of a wrong type": lambda b, p: b["a"],
    "append": lambda b, p: b.append(p),
    "append nothing": lambda b, p: b.append(None),
    "append a wrong type": lambda b, p: b.append(3),
    "insert": lambda b, p: b.insert(1, p),
    "insert at the end": lambda b, p: b.insert(3, p),
    "insert from the end": lambda b, p: b.insert(-1, p),
    "insert out of range": lambda b, p: b.insert(9, p),
    "insert out of negative range": lambda b, p: b.insert(-9, p),
    "insert a wrong type": lambda b, p: b.insert(0, "x"),
    "remove": lambda b, p: b.remove(b[1]),
    "remove what is not there": lambda b, p: b.remove(p),
    "remove a wrong type": lambda b, p: b.remove(3),
    "set": lambda b, p: b.__setitem__(1, p),
    "set out of range": lambda b, p: b.__setitem__(5, p),
    "set a wrong type": lambda b, p: b.__setitem__(0, "x"),
    "delete": lambda b, p: b.__delitem__(-2),
    "delete out of range": lambda b, p: b.__delitem__(7),
    "length": lambda b, p: len(b),
    "truth": lambda b, p: bool(b),
    "contains": lambda b, p: b[0] in b,
    "does not contain": lambda b, p: p in b,
    "contains a wrong type": lambda b, p: 3 in b,
    "iteration": lambda b, p: list(b),
    "reversed": lambda b, p: list(reversed(b)),
    "is effect": lambda b, p: b.is_effect,
    "is instrument": lambda b, p: b.is_instrument,
    "equal to itself": lambda b, p: b == b,
    "hash": lambda b, p: isinstance(hash(b), int),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_do_what_they_do_on_a_pedalboard(name):
    outcomes = []
    for kind in (pedalboard.Pedalboard, Board):
        plugins = [pedalboard.Gain(), pedalboard.Reverb(), pedalboard.Delay()]
        extra = pedalboard.Chorus()
        label = {id(plugin): index for index, plugin in enumerate([*plugins, extra])}
        board = kind(plugins)

        def named(value, label=label):
            if isinstance(value, list):
                return [named(each) for each in value]
            return label.get(id(value), value)

        try:
            result = named(OPERATIONS[name](board, extra))
        except Exception as error:
            result = next(
                kind for kind in (TypeError, IndexError, ValueError) if isinstance(error, kind)
            )
        outcomes.append((result, named(list(board))))
    assert outcomes[0] == outcomes[1]


def test_it_is_made_from_what_a_pedalboard_is_made_from(plugins):
    assert same(Board(plugins), plugins)
    assert same(Board(tuple(plugins)), plugins)
    assert same(Board(plugins=plugins), plugins)
    assert same(Board(), [])
    assert same(Board(None), [])
    native = pedalboard.Pedalboard([pedalboard.Gain()])
    assert same(Board(native), [native[0]])
    assert same(Board([native]), [native])


@pytest.mark.parametrize("wrong", [3, "x", [3], ["x"], pedalboard.Gain(), object()])
def test_other_things_are_refused(wrong):
    with pytest.raises(InvalidType, match="must be a"):
        Board(wrong)


def test_the_list_given_is_not_the_list_kept(plugins):
    board = Board(plugins)
    plugins.clear()
    assert len(board) == 4


def test_slices(plugins):
    board = Board(plugins)
    assert isinstance(board[1:3], Board)
    assert same(board[1:3], plugins[1:3])
    assert same(board[::-1], plugins[::-1])
    extra = [pedalboard.Chorus(), pedalboard.Phaser(), pedalboard.Limiter()]
    board[0:2] = extra
    assert same(board, extra + plugins[2:])
    del board[1:]
    assert same(board, extra[:1])
    with pytest.raises(InvalidType, match="plugin='x'"):
        board[0:1] = ["x"]
    assert same(board, extra[:1])


def test_what_lists_have_besides(plugins):
    board = Board(plugins)
    assert board.index(plugins[2]) == 2
    assert board.pop() is None
    assert board.pop(0) is plugins[0]
    board.extend([plugins[0]])
    assert same(board, [plugins[1], plugins[2], plugins[0]])
    with pytest.raises(InvalidType):
        board.extend([pedalboard.Gain(), 3])
    assert len(board) == 3
    board.clear()
    assert not board
    with pytest.raises(IndexError, match="index=-1: out of range for 0 plugin"):
        board.pop()


def test_repr(delayed):
    assert repr(Board()) == "<Board with 0 plugins: []>"
    shown = repr(Board([pedalboard.Gain(1.0), delayed(5)]))
    assert re.fullmatch(
        r"<Board with 2 plugins: \[<pedalboard.Gain .*>, <uncodec.Delayed .*>\]>", shown
    )
    assert repr(Board([delayed()])).startswith("<Board with 1 plugin: [")


def test_a_shallow_copy_holds_the_same_plugins(plugins):
    board = Board(plugins)
    twin = copy.copy(board)
    twin.append(pedalboard.Gain())
    assert same(board, plugins)
    assert same(twin[:4], plugins)


def test_a_deep_copy_is_as_impossible_as_that_of_its_plugins(delayed):
    twin = copy.deepcopy(Board([delayed(3)]))
    assert twin[0].latency == 3
    with pytest.raises(TypeError, match="cannot pickle"):
        copy.deepcopy(Board([pedalboard.Gain()]))


def test_instruments_are_refused():
    class Instrument(pedalboard.Gain):
        """Stands for a plugin that is played, which needs a VST3 file to be real."""

        is_instrument = True

    with pytest.raises(InvalidValue, match="must take audio"):
        Board([Instrument()])
