"""Kernels neither spill nor grow: tools/sass_counts.py against its table. Needs nvcc, no device."""
import os
import pathlib
import subprocess
import sys

sys.exit(subprocess.run([sys.executable,
                         pathlib.Path(os.environ["SRC"]) / "tools" / "sass_counts.py"],
                        check=False).returncode)
