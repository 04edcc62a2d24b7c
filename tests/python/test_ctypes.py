"""The C ABI from ctypes: a binding needs no header, only handles, texts and flat numbers."""
import ctypes
import json
import os
import pathlib
import sys

found = sorted(pathlib.Path(os.environ["AMMETER"]).resolve().parent.rglob("libammeter.so"))
if not found:
    print("no shared library beside the command: skipped")
    sys.exit(77)
if b"__asan_init" in found[0].read_bytes():
    print("a sanitized library needs its run-time loaded first: skipped")
    sys.exit(77)
lib = ctypes.CDLL(str(found[0]))
lib.amm_last_error.restype = ctypes.c_char_p
lib.amm_version.restype = ctypes.c_char_p
lib.amm_result_time_s.restype = ctypes.c_double
lib.amm_result_time_s.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
lib.amm_result_count.restype = ctypes.c_size_t
lib.amm_result_count.argtypes = [ctypes.c_void_p]


def call(function, *arguments):
    status = function(*arguments)
    assert status == 0, lib.amm_last_error().decode()


context, spec, result, text = (ctypes.c_void_p() for _ in range(4))
call(lib.amm_context_create, ctypes.byref(context), None)
call(lib.amm_spec_create, ctypes.byref(spec), context, b"amp-homogeneous")
call(lib.amm_spec_set, spec, b"global_batch", b"64")
call(lib.amm_plan, ctypes.byref(result), spec, None)
assert lib.amm_result_count(result) == 10
call(lib.amm_result_json, result, ctypes.byref(text), 0)
plans = json.loads(ctypes.string_at(text))["plans"]
assert [p["time_s"] for p in plans] == [lib.amm_result_time_s(result, k) for k in range(10)]

status = lib.amm_spec_set(spec, b"cluster", b"4xnode:4xT4")
assert status == 3 and b"intra" in lib.amm_last_error(), lib.amm_last_error()

lib.amm_text_free(context, text)
lib.amm_result_free(result)
lib.amm_spec_free(spec)
lib.amm_context_free(context)
print("ctypes: plan, numbers and errors agree")
