"""Stacks of recurrent layers one frame at a time, for a live stream.

`RecurrentLayer.forward` is made for runs of many frames. Here one frame goes through a linear
layer, the stack, and another linear layer in one compiled kernel: most of its time is reading the
weights, which are kept in half precision, as they are released. Only rounding differs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from uncodec.compiled import compiled
from uncodec.signals import Array

__all__ = ["RecurrentStep"]

Halves = NDArray[np.uint16]

# Single precision throughout: a bare number would make Numba compute in double.
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_TINY = np.float32(torch.finfo(torch.float32).eps)
# The sign and the rest of a number of half precision, moved to where single precision has them, are
# that number times 2**-112.
_SIGN, _REST, _UP, _FAR = np.uint32(0x8000), np.uint32(0x7FFF), np.uint32(13), np.uint32(16)
_RAISED = np.float32(2.0**112)


def _product(weight: Halves, bias: Array, x: Array, out: Array) -> None:
    """A linear layer; its weights are the bits of numbers of half precision: half to read."""
    for row in range(len(out)):
        total = _ZERO
        line = weight[row]
        for column in range(len(x)):
            bits = np.uint32(line[column])
            moved = np.uint32(((bits & _REST) << _UP) | ((bits & _SIGN) << _FAR))
            total += moved.view(np.float32) * _RAISED * x[column]
        out[row] = bias[row] + total


def _scale(x: Array) -> np.float32:
    """What brings a vector to a root mean square of 1."""
    total = _ZERO
    for i in range(len(x)):
        total += x[i] * x[i]
    return np.float32(_ONE / np.sqrt(total / np.float32(len(x)) + _TINY))


_product_kernel = compiled(
    "void(uint16[:, ::1], float32[::1], float32[::1], float32[::1])",
    _product,
    fastmath={"reassoc", "contract"},
)
_scale_kernel = compiled("float32(float32[::1])", _scale, fastmath={"reassoc", "contract"})


def _think(
    heard: Array,
    recurrent: Array,
    enter: Halves,
    enter_bias: Array,
    norm: Array,
    mix: Halves,
    mix_bias: Array,
    back: Halves,
    back_bias: Array,
    norm_forward: Array,
    up: Halves,
    up_bias: Array,
    down: Halves,
    down_bias: Array,
    norm_last: Array,
    leave: Halves,
    leave_bias: Array,
    stream: Array,
    normal: Array,
    mixed: Array,
    passed: Array,
    fed: Array,
    said: Array,
) -> None:
    """All layers of a frame; the last seven arrays are room to work in and get the result."""
    layers, inner = recurrent.shape
    _product_kernel(enter, enter_bias, heard, stream)
    width = len(stream)
    for layer in range(layers):
        scale = _scale_kernel(stream)
        for i in range(width):
            normal[i] = stream[i] * scale * norm[layer, i]
        _product_kernel(mix[layer], mix_bias[layer], normal, mixed)
        memory = recurrent[layer]
        for i in range(inner):
            update = _ONE / (_ONE + np.exp(-mixed[inner + i]))
            memory[i] += update * (mixed[i] - memory[i])
            open_ = mixed[2 * inner + i]
            passed[i] = memory[i] * open_ / (_ONE + np.exp(-open_))
        _product_kernel(back[layer], back_bias[layer], passed, normal)
        for i in range(width):
            stream[i] += normal[i]
        scale = _scale_kernel(stream)
        for i in range(width):
            normal[i] = stream[i] * scale * norm_forward[layer, i]
        _product_kernel(up[layer], up_bias[layer], normal, fed)
        for i in range(len(fed)):
            fed[i] = fed[i] / (_ONE + np.exp(-fed[i]))
        _product_kernel(down[layer], down_bias[layer], fed, normal)
        for i in range(width):
            stream[i] += normal[i]
    scale = _scale_kernel(stream)
    for i in range(width):
        normal[i] = stream[i] * scale * norm_last[i]
    _product_kernel(leave, leave_bias, normal, said)


_think_kernel = compiled(
    "void(float32[::1], float32[:, ::1], uint16[:, ::1], float32[::1], float32[:, ::1],"
    " uint16[:, :, ::1], float32[:, ::1], uint16[:, :, ::1], float32[:, ::1], float32[:, ::1],"
    " uint16[:, :, ::1], float32[:, ::1], uint16[:, :, ::1], float32[:, ::1], float32[::1],"
    " uint16[:, ::1], float32[::1], float32[::1], float32[::1], float32[::1], float32[::1],"
    " float32[::1], float32[::1])",
    _think,
    fastmath={"reassoc", "contract"},
)


class RecurrentStep:
    """A stack of one direction that goes through a stream frame by frame, with its state inside.

    Parameters
    ----------
    enter : Linear
        Before the layers.
    layers : ModuleList of RecurrentLayer
        Of one direction, on the CPU.
    norm : RMSNorm
        Behind them.
    leave : tuple of Linear
        At the end; what they say lies one behind the other in `said`.

    Attributes
    ----------
    heard : ndarray [shape=(in,)], float32
        To be written before each step.
    said : ndarray [shape=(out,)], float32
        What the last step said.
    memory : ndarray [shape=(layers, inner)], float32
        What the recurrences remember.
    """

    def __init__(
        self,
        enter: nn.Linear,
        layers: nn.ModuleList,
        norm: nn.RMSNorm,
        leave: tuple[nn.Linear, ...],
    ) -> None:
        self._weights = _packed(enter, list(layers), norm, leave)
        self._begin()

    def _begin(self) -> None:
        enter, mix_bias, leave = self._weights[0], self._weights[4], self._weights[-2]
        layers, inner, width = len(mix_bias), mix_bias.shape[1] // 3, len(enter)
        sizes = (width, width, 3 * inner, inner, 2 * width)
        self._room = tuple(np.zeros(size, np.float32) for size in sizes)
        self.heard: Array = np.zeros(enter.shape[1], np.float32)
        self.said: Array = np.zeros(len(leave), np.float32)
        self.memory: Array = np.zeros((layers, inner), np.float32)

    def clone(self) -> RecurrentStep:
        """An independent copy that goes on from the same state; the weights are shared."""
        twin: RecurrentStep = object.__new__(RecurrentStep)
        twin._weights = self._weights
        twin._begin()
        twin.memory[:] = self.memory
        return twin

    def step(self) -> None:
        """Take the next frame from `heard`; `said` holds what is said of it then."""
        _think_kernel(self.heard, self.memory, *self._weights, *self._room, self.said)


def _packed(
    enter: nn.Linear, layers: list[Any], norm: nn.RMSNorm, leave: tuple[nn.Linear, ...]
) -> tuple[Any, ...]:
    """Weights as the kernel takes them, in half precision as they are released."""

    def plain(tensor: Tensor) -> Array:
        made: Array = np.array(tensor.detach().cpu().numpy(), np.float32, order="C")
        return made

    def halves(tensor: Tensor) -> Halves:
        return plain(tensor).astype(np.float16).view(np.uint16)

    def stack(tensors: list[Tensor]) -> Tensor:
        return torch.stack([tensor.detach() for tensor in tensors])

    return (
        halves(enter.weight),
        plain(enter.bias),
        plain(stack([layer.norm.weight for layer in layers])),
        halves(stack([layer.mix.weight for layer in layers])),
        plain(stack([layer.mix.bias for layer in layers])),
        halves(stack([layer.out.weight for layer in layers])),
        plain(stack([layer.out.bias for layer in layers])),
        plain(stack([layer.norm_forward.weight for layer in layers])),
        halves(stack([layer.up.weight for layer in layers])),
        plain(stack([layer.up.bias for layer in layers])),
        halves(stack([layer.down.weight for layer in layers])),
        plain(stack([layer.down.bias for layer in layers])),
        plain(norm.weight),
        halves(torch.cat([part.weight for part in leave])),
        plain(torch.cat([part.bias for part in leave])),
    )
