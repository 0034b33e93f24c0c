"""Measure how a model's density comes out, and write it in its file. Run after new weights:

    python -m scripts.measure_density --data clean.npz --model presets/default.pt

Without it the model is given the density that is wanted, and plays fewer onsets than that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bridge.cli.score import as_played
from engine.evaluation.density_curve import density_facts
from engine.evaluation.held_out import EvaluateSettings
from engine.model.export import add_metadata
from engine.model.generator import Generator
from engine.training.dataset import load_pack


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="packed music, as `train` takes")
    parser.add_argument("--model", type=Path, required=True, help="an export; it is written anew")
    parser.add_argument("--windows", type=int, default=64, help="to harmonize at each density")
    parser.add_argument("--beats", type=int, default=16, help="length of a window")
    options = parser.parse_args()
    wanted = EvaluateSettings(split="train", windows=options.windows, beats=options.beats, seed=5)
    generator = Generator.load(options.model, "cpu")
    settings = as_played(generator, dict.fromkeys(("sampler", "steps", "temperature")), wanted.seed)
    facts = density_facts(generator, settings, load_pack(options.data), wanted, print)
    add_metadata(options.model, facts)


if __name__ == "__main__":
    main()
