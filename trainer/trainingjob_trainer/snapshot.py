"""A copy of a checkpoint in the CPU's memory, so that training goes on while it is written.

The copy's memory is kept for the next one: fresh pages cost as much as the copying. Tensors that share memory share it
in the copy, too. Never writes anything.
"""

import copy
import ctypes
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Key = tuple[Any, ...]


class Snapshot:
    """One copy at a time: taking the next one overwrites the last."""

    def __init__(self) -> None:
        self._buffers: dict[Key, list[Tensor]] = {}
        self._used: dict[Key, int] = {}
        self._seen: dict[Key, Tensor] = {}

    def take(self, value: dict[str, Any]) -> dict[str, Any]:
        """The same structure, every tensor on the CPU; other values are copied deeply."""
        self._used, self._seen = {}, {}
        taken: dict[str, Any] = self._copy(value)
        self._seen = {}
        return taken

    def reserve(self, tensors: Sequence[Tensor]) -> Callable[[], None]:
        """Make room for tensors of these shapes before the first snapshot: returns what does so, for another thread."""
        kinds = Counter(_kind(tensor) for tensor in tensors)
        examples = {_kind(tensor): torch.empty_like(tensor, device="meta") for tensor in tensors}

        def make_room() -> None:
            for kind, count in kinds.items():
                room = self._buffers.setdefault(kind, [])
                # Writing zeros is what makes the pages.
                room += [torch.zeros_like(examples[kind], device="cpu") for _ in range(count - len(room))]

        return make_room

    def _copy(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, dict):
            # A shallow copy first: an OrderedDict of weights carries attributes.
            same = copy.copy(value)
            same.update((key, self._copy(entry)) for key, entry in value.items())
            return same
        if type(value) in (list, tuple):
            return type(value)(self._copy(entry) for entry in value)
        return value if isinstance(value, str | int | float | bool | None) else _other(value)

    def _tensor(self, tensor: Tensor) -> Tensor:
        place = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if tensor.layout != torch.strided or not tensor.numel():
            return tensor.detach().cpu().clone()
        if place not in self._seen:
            buffer = self._buffer(tensor)
            _copy_values(tensor.detach(), buffer)
            self._seen[place] = buffer
        return self._seen[place]

    def _buffer(self, tensor: Tensor) -> Tensor:
        """Memory of the last snapshot that has this shape, or new one."""
        kind = _kind(tensor)
        buffers, number = self._buffers.setdefault(kind, []), self._used.get(kind, 0)
        self._used[kind] = number + 1
        if number == len(buffers):
            buffers.append(torch.empty_like(tensor, device="cpu", requires_grad=False))
        return buffers[number]


def _kind(tensor: Tensor) -> Key:
    return (tensor.dtype, tensor.shape, tensor.stride())


def _copy_values(tensor: Tensor, buffer: Tensor) -> None:
    """One thread is as fast as the memory; torch takes all, and was measured to need seven times as long for it when
    the CPUs have other work to do."""
    if tensor.device.type == "cpu" and tensor.is_contiguous() and buffer.is_contiguous():
        ctypes.memmove(buffer.data_ptr(), tensor.data_ptr(), tensor.nbytes)
    else:
        buffer.copy_(tensor)


def _other(value: Any) -> Any:
    """A value that may change while it is written; ``Mapping`` that is no dict (a module's parameters) as a dict."""
    return copy.deepcopy(dict(value) if isinstance(value, Mapping) else value)
