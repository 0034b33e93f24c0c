"""Ten held-out melodies of a style, harmonized with that style's preset, to be looked at and heard.

    python -m scripts.listen --data clean.npz --style hymn --out out/hymn

Writes for each melody NN.mid with melody and reply, NN.png and, with --wav, NN.wav (fluidsynth and
a soundfont); `sheet.png` has all pictures, `told.json` what was counted, each beside the composer.
Melodies begin on a bar line; the composers' accompaniments are counted, not shown.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bridge.cli.options import knobs_for
from bridge.demo import show as demo
from bridge.settings import presets
from engine.diffusion.batch import Batch
from engine.evaluation import metrics
from engine.evaluation.held_out import meters_of, pick
from engine.evaluation.rollout_stage import notes_begun_inside
from engine.model.generator import Generator
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO, MeterMap
from engine.music.roll import Note, PianoRoll, roll_to_notes
from engine.requests.request import STYLES, FillRequest
from engine.requests.tasks import harmonize_mask
from engine.scores import midi_write, render
from engine.scores.picture import picture
from engine.training.corpus import SPLITS
from engine.training.corpus_table import CORPORA
from engine.training.dataset import Pack, Windows, load_pack

BEATS = 32
FEWEST_LEAD_NOTES = 12
BPM = 100.0
DESCRIBED = (
    "mean_onsets_per_beat",
    "mean_notes_per_frame",
    "dissonant",
    "out_of_scale",
    "silent",
    "repeats",
    "one_beat",
)


@dataclass(frozen=True, slots=True)
class Harmonized:
    """One melody and both accompaniments; rolls are bool[2, 2, 88, S]."""

    meters: MeterMap
    composed: PianoRoll
    played: PianoRoll

    def told(self) -> dict[str, dict[str, float]]:
        """Count of both, in the composer's scale."""
        pairs = [(roll.cells[LEAD], roll.cells[ACCOMPANIMENT]) for roll in self._both()]
        heard = np.asarray(self.composed.cells.any(axis=(0, 1)))
        scale = metrics.scale_of(metrics.pitch_class_steps(heard, PIANO.low))
        found = {}
        for name, pair in zip(("composer", "model"), pairs, strict=True):
            profile = metrics.profile(metrics.count([pair], [scale], PIANO.low))
            found[name] = {key: round(profile[key], 3) for key in DESCRIBED}
        return found

    def _both(self) -> tuple[PianoRoll, PianoRoll]:
        return self.composed, self.played


def melodies(pack: Pack, style: str, count: int, seed: int) -> Batch:
    """Windows of valid pieces of the style that begin on a bar line and have a melody."""
    weights = {name: share * (of == style) for name, (of, share) in CORPORA.items()}
    weights |= {name: 0.0 for name in pack.corpora if name not in CORPORA}
    rng = np.random.default_rng(seed)
    windows = Windows(pack, SPLITS.index("valid"), weights, {}, rng)
    found: list[Batch] = []
    while len(found) < count:
        batch = windows.batch(16, BEATS, augment=0.0)
        notes = batch.target[:, LEAD, 0].sum(axis=(1, 2))
        good = (batch.phase[:, 0] == 0) & (notes >= FEWEST_LEAD_NOTES)
        found += [pick(batch, np.array([row])) for row in np.flatnonzero(good)]
    return Batch(
        *(np.concatenate([getattr(one, name) for one in found[:count]]) for name in Batch.__slots__)
    )


def harmonized(pack: Pack, style: str, count: int, seed: int) -> Iterator[Harmonized]:
    """Each melody with its reply, as `midi-diffuse harmonize --preset STYLE` fills it."""
    preset = presets.load(style)
    assert preset.model is not None
    generator = Generator.load(preset.model)
    knobs = knobs_for(preset, {}, mode="harmonize")
    batch = melodies(pack, style, count, seed)
    for index in range(count):
        composed = PianoRoll(notes_begun_inside(batch.target[index]))
        meters = meters_of(batch.phase[index], batch.bar[index])
        known = harmonize_mask(composed)
        settings = replace(knobs.sample_settings(knobs.integer("steps")), seed=seed + index)
        request = FillRequest(
            PianoRoll(composed.cells & known, composed.pitches), known, meters, settings
        )
        yield Harmonized(meters, composed, generator.fill(request))


def save(one: Harmonized, stem: Path, title: str, wav: bool) -> Image.Image:
    """MIDI, picture and perhaps a recording of one; gives the picture."""
    notes = roll_to_notes(one.played)
    lead, reply = _of(notes, LEAD), _of(notes, ACCOMPANIMENT)
    tracks = [midi_write.NewTrack("melody", lead), midi_write.NewTrack("reply", reply)]
    midi_write.write(midi_write.new_file(tracks, BPM, one.meters, title), stem.with_suffix(".mid"))
    drawn = render.draw(picture(title, lead, reply, one.meters))
    render.save_png(drawn, stem.with_suffix(".png"))
    if wav:
        demo.make_wav(stem.with_suffix(".mid"), stem.with_suffix(".wav"), None)
    return drawn


def _of(notes: Sequence[Note], voice: int) -> list[Note]:
    return [note for note in notes if note.voice == voice]


def sheet(drawn: Sequence[Image.Image], columns: int = 2) -> Image.Image:
    """All pictures on one, half as large."""
    small = [image.resize((image.width // 2, image.height // 2)) for image in drawn]
    rows = [small[first : first + columns] for first in range(0, len(small), columns)]
    width = columns * max(image.width for image in small)
    whole = Image.new("RGB", (width, sum(max(i.height for i in row) for row in rows)), "white")
    top = 0
    for row in rows:
        for column, image in enumerate(row):
            whole.paste(image, (column * width // columns, top))
        top += max(image.height for image in row)
    return whole


def main(arguments: Sequence[str] | None = None) -> None:
    """Harmonize, save, count."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser("python -m scripts.listen", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a packed corpus")
    parser.add_argument("--style", choices=[s for s in STYLES if s != "any"], required=True)
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wav", action="store_true", help="recordings too")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    told: list[dict[str, Any]] = []
    drawn = []
    pack = load_pack(given.data)
    for index, one in enumerate(harmonized(pack, given.style, given.count, given.seed)):
        title = f"{given.style} {index + 1}"
        drawn.append(save(one, given.out / f"{index + 1:02}", title, given.wav))
        told.append({"title": title} | one.told())
        print(json.dumps(told[-1]))
    (given.out / "told.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    render.save_png(sheet(drawn), given.out / "sheet.png")


if __name__ == "__main__":
    main()
