#!/usr/bin/env python3
"""What nvcc makes of the kernels, without a device: registers, stack and spills of each, and the
instructions of the inner loops of score and sweep by candidate (from nvdisasm).

A figure by candidate is the body of the smallest loop that holds the objective's maxima of four candidates,
over four. score: one turn is one stage of four candidates a lane, nothing in it is rare. sweep: one turn is
a row against four columns a lane; of its body only what comes before the vote counts: after it the rare
case stands, a cost below the threshold, and only the way back, a handful, is missed. Skipped and predicated
instructions count as if they ran. Figures may grow by 5 %.

    tools/sass_counts.py          checks against cuda/sass_counts.csv: no spills, the same rows, no figure
                                  larger. Exit code 1: a fault; 77: a tool is missing (without nvdisasm
                                  registers and spills are checked all the same)
    tools/sass_counts.py --write  writes it anew; with both tools only

$NVCC and $NVDISASM name the tools; else they are looked for on PATH and in /usr/local/cuda/bin.
"""
import csv
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "cuda" / "sass_counts.csv"
ARCHITECTURES = ("sm_80", "sm_90")
SLACK = 1.05  # of a count in the table
GROUP = 4  # candidates of a lane and turn
# Inner loop: the smallest that has so many of an instruction, and where the common path ends.
LOOPS = {"score": ("FMNMX", 12, None), "sweep": ("FFMA", 4, "VOTE")}


def find(variable, name):
    """Of the tool, its path; None: not there. What the variable names is not looked for elsewhere."""
    if given := os.environ.get(variable):
        return shutil.which(given)
    return shutil.which(name) or shutil.which(name, path="/usr/local/cuda/bin")


def compile_kernels(nvcc, arch, folder):
    """The cubin, and {kernel: {registers, stack, spill}} as ptxas reports."""
    source = folder / "kernels.cu"
    source.write_text('#include "kernels.h"\n')
    cubin = folder / f"{arch}.cubin"
    includes = [f"-I{ROOT / part}" for part in ("cuda", "src", "include")]
    run = subprocess.run(
        [nvcc, "-std=c++17", f"-arch={arch}", "-O3", "--fmad=false", "-Xptxas", "-v", "-cubin",
         *includes, "-o", cubin, source], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(run.stderr)
    kernels = {}
    for line in run.stderr.splitlines():
        if match := re.search(r"Compiling entry function 'amm_kernel_(\w+)'", line):
            here = kernels.setdefault(match[1], {})
        elif match := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores", line):
            here.update(stack=int(match[1]), spill=int(match[2]))
        elif match := re.search(r"Used (\d+) registers", line):
            here["registers"] = int(match[1])
    return cubin, kernels


def loops_of(lines):
    """Bodies of all loops of one kernel: instruction lists between a label and a branch back to it."""
    instructions, labels = [], {}
    for line in lines:
        if match := re.match(r"\s*\.?(L_x_\d+):", line):
            labels[match[1]] = len(instructions)
        elif match := re.match(r"\s+/\*[0-9a-f]+\*/\s+(.*?);", line):
            instructions.append(match[1])
    for at, text in enumerate(instructions):
        match = re.search(r"BRA.*?\(?\.(L_x_\d+)\)?", text)
        if match and labels.get(match[1], at + 1) <= at:
            yield instructions[labels[match[1]]:at + 1]


def loop_size(nvdisasm, cubin, kernel):
    text = subprocess.run([nvdisasm, "-c", cubin], capture_output=True, text=True, check=True).stdout
    start = text.index(f".text.amm_kernel_{kernel}:")
    end = text.find("\n.text.", start + 1)
    word, least, stop = LOOPS[kernel]
    bodies = [body for body in loops_of(text[start:end].splitlines())
              if sum(bool(re.search(rf"\b{word}", one)) for one in body) >= least]
    body = min(bodies, key=len, default=[])
    if stop:
        ends = [at for at, one in enumerate(body) if re.search(rf"\b{stop}", one)]
        body = body[:ends[0] + 1] if ends else []
    return len(body) / GROUP if body else None


def compare(rows, known):
    """Faults of `rows` against the table `known` {(architecture, kernel, what): count}: figures that grew,
    rows that only one of them has."""
    seen = {tuple(key): count for *key, count in rows}
    faults = [f"{' '.join(key)}: in the table only" for key in known if key not in seen]
    for key, count in seen.items():
        if key not in known:
            faults.append(f"{' '.join(key)}: not in the table, got {count:g}")
        elif count > known[key] * SLACK:
            faults.append(f"{' '.join(key)}: {count:g}, allowed up to {known[key] * SLACK:g}")
    return faults


def read_table(counted):
    """The table; without its instructions where nobody counted them."""
    with TABLE.open(newline="") as table:
        known = {tuple(row[:3]): float(row[3]) for row in list(csv.reader(table))[1:]}
    return {key: count for key, count in known.items() if counted or key[2] == "registers"}


def main():
    nvcc, nvdisasm = find("NVCC", "nvcc"), find("NVDISASM", "nvdisasm")
    if not nvcc or ("--write" in sys.argv and not nvdisasm):
        print("skipped: no", "nvdisasm" if nvcc else "nvcc")
        sys.exit(77)
    rows, faults = [], []
    with tempfile.TemporaryDirectory() as folder:
        for arch in ARCHITECTURES:
            cubin, kernels = compile_kernels(nvcc, arch, pathlib.Path(folder))
            for name, seen in sorted(kernels.items()):
                if seen["stack"] or seen["spill"]:
                    faults.append(f"{arch} {name}: {seen['stack']} bytes of stack, {seen['spill']} spilled")
                rows.append([arch, name, "registers", seen["registers"]])
            for name in LOOPS if nvdisasm else ():
                count = loop_size(nvdisasm, cubin, name)
                if count is None:
                    faults.append(f"{arch} {name}: inner loop not found")
                else:
                    rows.append([arch, name, "instructions_per_candidate", count])
    if "--write" in sys.argv:
        with TABLE.open("w", newline="") as out:
            csv.writer(out, lineterminator="\n").writerows(
                [["architecture", "kernel", "what", "count"], *rows])
    else:
        faults += compare(rows, read_table(counted=bool(nvdisasm)))
    for row in rows:
        print(*row)
    print(*faults, sep="\n")
    if not nvdisasm:
        print("skipped: no nvdisasm, instructions were not counted")
    sys.exit(1 if faults else 0 if nvdisasm else 77)


if __name__ == "__main__":
    main()
