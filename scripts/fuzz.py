"""Fuzz by grammar for as long, or with as many inputs, as told: `scripts/fuzz --minutes 20`.

Each round runs the tests of tests/bridge/test_grammar_fuzz*.py with inputs of its own, on every
core at the lowest priority, until the time is up, the count is reached, or an input is found that
a test fails on. That input is printed: it becomes an `@example` of its test.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TESTS = sorted(Path("tests/bridge").glob("test_grammar_fuzz*.py"))
A_ROUND = 2_000
"""Inputs of each test in a round: hypothesis has a memory of its own, which is to stay small."""
NICE = 19


@dataclass(frozen=True, slots=True)
class Round:
    """How one went. inputs: those that a test took and passed on."""

    seed: int
    inputs: int
    ok: bool
    text: str


def passed(text: str) -> int:
    """Return inputs that were passed, from what hypothesis tells of a run."""
    return sum(int(each) for each in re.findall(r"- (\d+) passing", text))


def run(seed: int, examples: int, tests: Sequence[Path]) -> Round:
    """One round in a process of its own."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=0"]
    words += ["--hypothesis-show-statistics", f"--hypothesis-seed={seed}", *map(str, tests)]
    done = subprocess.run(
        words,
        env={**os.environ, "GRAMMAR_EXAMPLES": str(examples)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        preexec_fn=lambda: os.nice(NICE),
    )
    inputs = passed(done.stdout)
    return Round(seed, inputs, done.returncode == 0 and inputs > 0, done.stdout)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz; exit code 1 where an input was found that a test fails on."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--inputs", type=int, default=0, help="enough are so many; 0: no limit")
    parser.add_argument("--examples", type=int, default=A_ROUND, help="of each test in a round")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    begun_s, inputs, rounds = time.monotonic(), 0, 0
    with ThreadPoolExecutor(given.jobs) as pool:
        while True:
            seeds = [random.SystemRandom().randrange(2**32) for _ in range(given.jobs)]
            for ran in pool.map(lambda seed: run(seed, given.examples, TESTS), seeds):
                inputs, rounds = inputs + ran.inputs, rounds + 1
                if not ran.ok:
                    print(ran.text, f"found by seed {ran.seed}", sep="\n")
                    return 1
            minutes = (time.monotonic() - begun_s) / 60
            print(f"{inputs:,} inputs in {minutes:.1f} min, {rounds} rounds", file=sys.stderr)
            if minutes >= given.minutes or (given.inputs and inputs >= given.inputs):
                break
    figure = f"{inputs:,} of {inputs:,} in {minutes:.0f} min"
    print(f'{{"inputs": {inputs}, "minutes": {minutes:.1f}, "survived": "{figure}"}}')
    return 0


if __name__ == "__main__":
    sys.exit(main())
