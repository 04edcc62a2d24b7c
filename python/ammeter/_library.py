"""The shared library: where it is, the types of its functions, its errors as exceptions."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILDS = ("release", "bench", "ci", "default")  # sanitized builds cannot be loaded by Python
NAME = "libammeter.dylib" if sys.platform == "darwin" else "libammeter.so"
REGIME_BYTES = 160

_double_p = ctypes.POINTER(ctypes.c_double)


class LibraryNotFound(ImportError):
    """libammeter is nowhere to be found."""


class AmmeterError(Exception):
    """A call failed; the message is the library's, `status` its number."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ConstantInfo(ctypes.Structure):
    """amm_constant_info."""

    _fields_ = [
        ("owner", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("value", ctypes.c_double),
        ("low", ctypes.c_double),
        ("high", ctypes.c_double),
        ("fact", ctypes.c_int),
    ]


_VOID, _SIZE, _TEXT, _STATUS = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int
_FUNCTIONS = {
    "amm_context_create": (_STATUS, [ctypes.POINTER(_VOID), _VOID]),
    "amm_context_free": (None, [_VOID]),
    "amm_last_error": (_TEXT, []),
    "amm_text_free": (None, [_VOID, _VOID]),
    "amm_runs_create": (_STATUS, [ctypes.POINTER(_VOID), _VOID, _TEXT]),
    "amm_runs_free": (None, [_VOID]),
    "amm_runs_count": (_SIZE, [_VOID]),
    "amm_runs_cell": (_TEXT, [_VOID, _SIZE, _TEXT]),
    "amm_runs_reason": (_TEXT, [_VOID, _SIZE]),
    "amm_runs_owner": (_TEXT, [_VOID, _SIZE, ctypes.c_int]),
    "amm_runs_regime": (_STATUS, [_VOID, _SIZE, ctypes.c_char_p, _SIZE]),
    "amm_runs_size_key": (ctypes.c_char_p, [_SIZE]),
    "amm_runs_size": (ctypes.c_double, [_VOID, _SIZE, _SIZE]),
    "amm_runs_constant_count": (_SIZE, [_VOID]),
    "amm_runs_constant": (_STATUS, [_VOID, _SIZE, ctypes.POINTER(ConstantInfo)]),
    "amm_runs_default": (_STATUS, [_VOID, _SIZE, _double_p]),
    "amm_runs_predict": (_STATUS, [_VOID, _double_p, _double_p, _double_p]),
    "amm_runs_csv": (_STATUS, [_VOID, ctypes.POINTER(_VOID)]),
}


def candidates() -> list[pathlib.Path]:
    """Files to try: AMMETER_LIBRARY alone when it is set; else beside the package, then the build
    folders of the checkout that the package stands in, the newest first."""
    given = os.environ.get("AMMETER_LIBRARY")
    if given:
        return [pathlib.Path(given)]
    built = [HERE.parents[1] / "build" / b / NAME for b in BUILDS]
    built = sorted((b for b in built if b.is_file()), key=lambda b: -b.stat().st_mtime)
    return [HERE / NAME, *built]


@functools.cache
def library() -> ctypes.CDLL:
    """The loaded library. Calls into it release the interpreter's lock."""
    tried = candidates()
    found = next((str(p) for p in tried if p.is_file()), None)
    if found is None and "AMMETER_LIBRARY" not in os.environ:
        found = ctypes.util.find_library("ammeter")
    if found is None:
        raise LibraryNotFound(
            f"{NAME} not found (looked at {', '.join(map(str, tried))}, build/{{{','.join(BUILDS)}}} of the checkout and the "
            "system): build it with `cmake --preset release && cmake --build --preset release`, or set AMMETER_LIBRARY"
        )
    lib = ctypes.CDLL(found)
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(lib, name, None)
        if function is None:
            raise LibraryNotFound(f"{found} has no {name}: it is older than this package, build it again")
        function.restype, function.argtypes = result, arguments
    return lib


def check(status: int) -> None:
    """Raises AmmeterError for a status other than 0."""
    if status != 0:
        message = library().amm_last_error()
        raise AmmeterError(status, message.decode() if message else f"status {status}")
