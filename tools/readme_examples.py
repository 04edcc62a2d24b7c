#!/usr/bin/env python3
"""Runs the examples of README.md and writes what they print: readme_examples.py AMMETER [--check].

An example is a fenced block with a line "$ ammeter …"; a file that it shows with "$ cat NAME" is there when it runs. Where a
block leaves something out with "…", what it shows starts and ends at lines with the first words that it had. --check writes
nothing and fails where README.md differs, the seconds of a search aside."""

import argparse
import difflib
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

README = pathlib.Path(__file__).resolve().parent.parent / "README.md"
LINE = r"(?!```|\$ ).*\n"
BLOCK = re.compile(rf"^```\n(?P<head>(?:\$ cat .*\n(?:{LINE})*)?\$ ammeter (?P<command>.*)\n)(?P<body>(?:{LINE})*)```\n", re.M)
FILE = re.compile(rf"^\$ cat (?P<name>.*)\n(?P<text>(?:{LINE})*)", re.M)
LEFT_OUT = "…"


def printed(ammeter: pathlib.Path, head: str, command: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        for file in FILE.finditer(head):
            (pathlib.Path(folder) / file["name"]).write_text(file["text"], encoding="utf-8")
        out = subprocess.run([ammeter, *shlex.split(command)], cwd=folder, capture_output=True, text=True, check=True)
    return out.stdout.splitlines()


def shown(body: list[str], lines: list[str]) -> list[str]:
    """What a body shows of newly printed lines."""
    result, place = [], 0
    if LEFT_OUT not in body:
        return lines
    for part in re.split(rf"^({LEFT_OUT})\n", "".join(line + "\n" for line in body), flags=re.M):
        part_lines = part.splitlines()
        if part_lines in ([], [LEFT_OUT]):
            result += part_lines
            continue
        word = [line.split()[:1] for line in lines]
        first = word.index(part_lines[0].split()[:1], place)
        place = word.index(part_lines[-1].split()[:1], first) + 1
        result += lines[first:place]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ammeter", type=lambda path: pathlib.Path(path).resolve(), help="the built command")
    parser.add_argument("--check", action="store_true", help="write nothing")
    given = parser.parse_args()
    old = README.read_text(encoding="utf-8")

    def again(block: re.Match) -> str:
        lines = shown(block["body"].splitlines(), printed(given.ammeter, block["head"], block["command"]))
        return "```\n" + block["head"] + "".join(line.rstrip() + "\n" for line in lines).rstrip("\n") + "\n```\n"

    new = BLOCK.sub(again, old)
    if not given.check:
        README.write_text(new, encoding="utf-8")
        return
    texts = [re.sub(r" · [0-9.e-]+ s$", " · … s", text, flags=re.M).splitlines() for text in (old, new)]
    found = list(difflib.unified_diff(*texts, "README.md", "printed", lineterm="", n=0))
    if found:
        sys.exit("\n".join([*found, "README.md: run tools/readme_examples.py"]))


if __name__ == "__main__":
    main()
