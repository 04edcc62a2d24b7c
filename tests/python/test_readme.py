"""The examples of README.md are what the program prints."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    subprocess.run([sys.executable, ROOT / "tools/readme_examples.py", os.environ["AMMETER"], "--check"], check=True)
