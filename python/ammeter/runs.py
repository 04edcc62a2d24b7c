"""Measured training runs, as the analytic model reads them."""

from __future__ import annotations

import ctypes
import os
import weakref

import numpy as np

from ammeter._library import REGIME_BYTES, ConstantInfo, check, library

_double_p = ctypes.POINTER(ctypes.c_double)


def _release(runs: ctypes.c_void_p, context: ctypes.c_void_p) -> None:
    library().amm_runs_free(runs)
    library().amm_context_free(context)


class Runs:
    """A table of measured runs (docs/formats.md, "Measured runs").

    Read-only after creation: several threads may predict at once, with different constants, and do
    so in parallel.

    names:   "owner/constant" of every constant that the table's devices and runtimes have
    values:  of these as shipped, in SI units; low, high: their bounds (same order)
    defaults: where no file gives a value (for facts: the generic runtime's)
    is_fact: True where the owner is a runtime
    reasons: why a row has no prediction, "" where it has one
    devices, runtimes: owners of the constants that a row takes ("" where there is a reason)
    regimes: of the rows, such as "A100/dense/tp-pp/16bit"
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        lib = library()
        context, handle = ctypes.c_void_p(), ctypes.c_void_p()
        check(lib.amm_context_create(ctypes.byref(context), None))
        try:
            check(lib.amm_runs_create(ctypes.byref(handle), context, os.fsencode(path)))
        except Exception:
            lib.amm_context_free(context)
            raise
        self._handle, self._context = handle, context
        self._close = weakref.finalize(self, _release, handle, context)
        self.count = int(lib.amm_runs_count(handle))
        self._read_constants()
        self.reasons = [lib.amm_runs_reason(handle, i).decode() for i in range(self.count)]
        self.devices = [lib.amm_runs_owner(handle, i, 0).decode() for i in range(self.count)]
        self.runtimes = [lib.amm_runs_owner(handle, i, 1).decode() for i in range(self.count)]
        self.regimes = [self._regime(i) for i in range(self.count)]

    def _read_constants(self) -> None:
        lib, info = library(), ConstantInfo()
        count = int(lib.amm_runs_constant_count(self._handle))
        self.names: list[str] = []
        self.values, self.low, self.high, self.defaults = (np.empty(count) for _ in range(4))
        default = ctypes.c_double()
        self.is_fact = np.empty(count, bool)
        for i in range(count):
            check(lib.amm_runs_constant(self._handle, i, ctypes.byref(info)))
            self.names.append(f"{info.owner.decode()}/{info.name.decode()}")
            self.values[i], self.low[i], self.high[i] = info.value, info.low, info.high
            self.is_fact[i] = info.fact != 0
            check(lib.amm_runs_default(self._handle, i, ctypes.byref(default)))
            self.defaults[i] = default.value

    def _regime(self, row: int) -> str:
        text = ctypes.create_string_buffer(REGIME_BYTES)
        check(library().amm_runs_regime(self._handle, row, text, REGIME_BYTES))
        return text.value.decode()

    def sizes(self) -> dict[str, np.ndarray]:
        """Sizes of the rows by their keys in device files, NaN where there is a reason."""
        lib, out = library(), {}
        while (key := lib.amm_runs_size_key(len(out))) is not None:
            size = len(out)
            out[key.decode()] = np.array([lib.amm_runs_size(self._handle, i, size) for i in range(self.count)])
        return out

    def __len__(self) -> int:
        return self.count

    def cells(self, column: str) -> list[str]:
        """A column by name, as text; all "" when there is none."""
        lib, name = library(), column.encode()
        return [lib.amm_runs_cell(self._handle, i, name).decode() for i in range(self.count)]

    def numbers(self, column: str) -> np.ndarray:
        """A column as numbers, NaN where a cell is empty."""
        return np.array([float(c) if c else np.nan for c in self.cells(column)])

    def predict(
        self, constants: np.ndarray | None = None, memory: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Seconds per step of every row, NaN where there is a reason; with `memory` also the peak
        bytes of its fullest device. `constants`: in the order of `names`, within their bounds
        (None: as shipped)."""
        time_s = np.empty(self.count)
        memory_bytes = np.empty(self.count) if memory else None
        given = None
        if constants is not None:
            given = np.ascontiguousarray(constants, dtype=float)
            if given.shape != self.values.shape:
                raise ValueError(f"constants: wrong shape, got {given.shape}, allowed {self.values.shape}")
        check(
            library().amm_runs_predict(
                self._handle,
                None if given is None else given.ctypes.data_as(_double_p),
                time_s.ctypes.data_as(_double_p),
                None if memory_bytes is None else memory_bytes.ctypes.data_as(_double_p),
            )
        )
        return time_s if memory_bytes is None else (time_s, memory_bytes)

    def csv(self) -> str:
        """The table with the predictions at the shipped constants, as `ammeter validate
        --predictions` writes it."""
        text = ctypes.c_void_p()
        check(library().amm_runs_csv(self._handle, ctypes.byref(text)))
        try:
            return ctypes.string_at(text).decode()
        finally:
            library().amm_text_free(self._context, text)
