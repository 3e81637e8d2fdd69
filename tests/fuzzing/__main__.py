"""Feed a target with what atheris makes of its seeds, led by the lines that it reaches.

    python -m tests.fuzzing chunkers --minutes 60 [--corpus FOLDER] [CRASH ...]

Ends with 0 after the time, and otherwise with the exception, and the input in a file crash-*;
files that are named are fed once instead.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["crossmodal"]):
    from tests.fuzzing.targets import MOST_BYTES, SEEDS, TARGETS

LONGEST_S = 20
"""For one input of 4 kB: more is a hang."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=list(TARGETS))
    parser.add_argument("inputs", nargs="*", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--corpus", type=Path, help="Kept, and gone on with by the next call.")
    given = parser.parse_args()
    corpus = given.corpus or Path(tempfile.mkdtemp())
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[given.name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={max(1, round(given.minutes * 60))}", f"-max_len={MOST_BYTES}"]
    options += [f"-timeout={LONGEST_S}", "-rss_limit_mb=4096", f"-artifact_prefix={corpus}/"]
    inputs = [str(path) for path in given.inputs] or [str(corpus)]
    atheris.Setup([sys.argv[0], *options, *inputs], TARGETS[given.name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
