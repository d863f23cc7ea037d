#!/usr/bin/env python3
"""Fails when a file under src/ includes a header of a layer that src/LAYERS does not allow."""
import pathlib
import re
import sys

SRC = pathlib.Path(__file__).resolve().parent.parent / "src"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def read_layers(path):
    allowed = {}
    for line in path.read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            folder, _, rest = line.partition(":")
            allowed[folder.strip()] = set(rest.split()) | {folder.strip()}
    return allowed


def check(src):
    allowed, errors = read_layers(src / "LAYERS"), []
    for path in sorted([*src.glob("*/*.[ch]"), *src.glob("*/*.def")]):
        folder = path.parent.name
        if folder not in allowed:
            errors.append(f"{path}: folder '{folder}' has no row in src/LAYERS")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target = match.group(1).split("/")[0]
            if "/" not in match.group(1):
                errors.append(f"{path}:{number}: include with the folder, as in \"base/slice.h\"")
            elif target not in allowed[folder]:
                errors.append(f"{path}:{number}: {folder} may not include {match.group(1)}")
    return errors


if __name__ == "__main__":
    problems = check(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else SRC)
    print("\n".join(problems) or "layers: ok")
    sys.exit(bool(problems))
