#!/usr/bin/env python3
"""Writes the named constants of src/formula/cost/{rates,facts}.h, with their bounds, into the
schemas of devices and runtimes and the tables of docs/formats.md: schema_constants.py [--check]."""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CALL = re.compile(r"X\((\w+),\s*([^,]+),\s*([^,]+),\s*(?:([^,\"]+),\s*)?\"([^\"]+)\"\)")


def rows(header, macro):
    text = (ROOT / "src/formula/cost" / header).read_text()
    body = re.search(r"#define " + macro + r"\(X\)(.*?)\n\n", text, re.S).group(1)
    return CALL.findall(body.replace("\\\n", " "))


def sizes():
    text = (ROOT / "src/describe/describe.h").read_text()
    return re.findall(r"X\((\w+), \"", re.search(r"#define AMM_SIZE_LIST\(X\)(.*?)\n\n", text, re.S).group(1))


def constant(low, high, what):
    return {
        "description": what,
        "type": "object",
        "properties": {
            "value": {"type": "number", "minimum": float(low), "maximum": float(high)},
            "low": {"type": "number"},
            "high": {"type": "number"},
            "sd": {"description": "spread; absent: not known", "type": "number", "minimum": 0},
            "source": {"type": "string", "maxLength": 4096},
        },
        "required": ["value", "source"],
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }


def objects(header, macro):
    return {
        "type": "object",
        "properties": {n: constant(low, high, what) for n, low, high, _, what in rows(header, macro)},
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }


def peaks():
    found = rows("rates.h", "AMM_PEAK_LIST")
    return {
        "description": "datasheet figures, dense",
        "type": "object",
        "properties": {
            n: {"description": what, "type": "number", "minimum": float(low), "maximum": float(high)}
            for n, low, high, _, what in found
        },
        "required": [n for n, *_ in found],
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }


def posterior():
    names = [n for n, *_ in rows("rates.h", "AMM_RATE_LIST")]
    sd = {"type": "number", "minimum": 0, "maximum": 5}
    bounds = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number", "exclusiveMinimum": 0}}
    return {
        "description": "what a fit leaves unknown (docs/calibration.md)",
        "type": "object",
        "properties": {
            "names": {
                "description": "constants of the covariance, in its order",
                "type": "array",
                "uniqueItems": True,
                "items": {"enum": names},
            },
            "covariance": {
                "description": "of the constants, one row and column per name, symmetric",
                "type": "array",
                "maxItems": len(names),
                "items": {"type": "array", "maxItems": len(names), "items": {"type": "number"}},
            },
            "residual": {
                "description": "sd of ln(measured / predicted) beyond that, by regime",
                "type": "object",
                "properties": {"generic": sd},
                "required": ["generic"],
                "maxProperties": 64,
                "additionalProperties": sd,
            },
            "residual_correlation": {
                "description": "of ln(measured / predicted) beyond that, between two runs of one job in different layouts",
                "type": "number",
                "default": 0,
                "minimum": 0,
                "maximum": 1,
            },
            "measured": {
                "description": "least and largest sizes of the runs fitted on",
                "type": "object",
                "properties": {size: bounds for size in sizes()},
                "required": sizes(),
                "patternProperties": {"^x-": {}},
                "additionalProperties": False,
            },
        },
        "required": ["names", "covariance", "residual", "measured"],
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }


def update(kind, members, check):
    path = ROOT / "schemas" / f"{kind}.schema.json"
    schema = json.loads(path.read_text())
    schema["$defs"]["description"]["properties"].update(members)
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    if check:
        assert json.loads(path.read_text()) == json.loads(text), f"{path.name}: run tools/schema_constants.py"
    else:
        path.write_text(text)


def plain(number):
    value = float(number)
    return f"{value:g}"


def table(header, macro, prior):
    head = "| key | range | " + ("without it | " if prior else "") + "|\n|---|---|---|" + ("---|" if prior else "") + "\n"
    return head + "\n".join(
        f"| `{n}` | {plain(low)} to {plain(high)} | " + (f"{plain(usual)} | " if prior else "") + f"{what} |"
        for n, low, high, usual, what in rows(header, macro)
    )


def document(tables, check):
    path = ROOT / "docs/formats.md"
    text = path.read_text()
    for key, body in tables.items():
        begin, end = f"<!-- {key}: tools/schema_constants.py -->\n", f"\n<!-- end {key} -->"
        before, rest = text.split(begin)
        text = before + begin + body + end + rest.split(end, 1)[1]
    if check:
        assert path.read_text() == text, "docs/formats.md: run tools/schema_constants.py"
    else:
        path.write_text(text)


def main():
    check = "--check" in sys.argv
    word = {"type": "string", "minLength": 1, "maxLength": 128}
    update("device", {
        "peaks": peaks(),
        "constants": objects("rates.h", "AMM_RATE_LIST"),
        "constants_of": {"description": "device whose constants these are: the same silicon", **word},
        "regime": {"description": "calibrated: constants fitted on measured runs; uncalibrated: datasheet and priors", "enum": ["calibrated", "uncalibrated"]},
        "posterior": posterior(),
    }, check)
    update("runtime", {
        "frameworks": {"description": "names under which measured runs list it", "type": "array", "maxItems": 4, "items": word},
        "facts": objects("facts.h", "AMM_FACT_LIST"),
    }, check)
    document({
        "peaks": table("rates.h", "AMM_PEAK_LIST", False),
        "constants": table("rates.h", "AMM_RATE_LIST", True),
        "facts": table("facts.h", "AMM_FACT_LIST", True),
    }, check)


if __name__ == "__main__":
    main()
