"""What the trainings on a device are told, and a step of each on the made pack."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.denoisers.harmony import lead_features, plan_of
from engine.denoisers.harmony_transformer import HarmonyTransformer, HarmonyTransformerConfig
from engine.denoisers.key_shift import turned
from engine.diffusion.batch import density_bucket
from engine.model import checkpoint
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO
from engine.training.clocked_run import Recipe
from engine.training.dataset import Pack, load_pack
from engine.training.device_windows import DevicePack, roll_of, with_voices
from engine.training.folded_cells import plan_of_tokens
from engine.training.harmony_loss import draw_plan, plan_prior
from engine.training.harmony_scores import kept_share
from engine.training.harmony_training import train_harmony
from engine.training.harmony_windows import HarmonyMusic, harmony_example, harmony_task
from engine.training.texture_training import train_texture, with_sampled_past
from engine.training.texture_windows import TextureMusic, texture_prior

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pack(made_pack: Path) -> Pack:
    return load_pack(made_pack)


@pytest.fixture(scope="module")
def harmonies(pack: Pack) -> HarmonyMusic:
    return HarmonyMusic(DevicePack(pack, 0, CPU), chunk=3)


@pytest.fixture(scope="module")
def textures(pack: Pack) -> TextureMusic:
    return TextureMusic(DevicePack(pack, 0, CPU), 0, (8,))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_plans_and_leads_are_those_of_the_whole_piece(pack: Pack, harmonies: HarmonyMusic) -> None:
    device = harmonies.pack
    for piece in range(8):
        beats = int(pack.piece_beats[piece])
        windows = device.at(torch.tensor([piece]), torch.tensor([0]), beats)
        yes = torch.tensor([True])
        cells = roll_of(with_voices(device.notes(windows), yes, ~yes), 1, beats * 24).float()
        rows = slice(int(device.first_row[piece]), int(device.first_row[piece]) + beats)
        plan = plan_of(cells[:, ACCOMPANIMENT], PIANO.low)[0].T
        assert torch.equal(harmonies.plan[0, rows].float(), plan)
        lead = lead_features(cells[:, LEAD], PIANO.low)[0]
        assert torch.equal(harmonies.lead[0, rows].float(), lead)
        assert not harmonies.plan[:, rows.stop : int(device.first_row[piece + 1])].any()
    assert not harmonies.plan[:, int(device.first_row[8]) :].any()  # of the other split


def test_a_batch_of_plans_is_in_c_and_known_in_part(harmonies: HarmonyMusic) -> None:
    batch = harmonies.batch(64, 16, seeded())
    plan, inputs = harmony_example(batch, seeded(1))
    assert not (inputs.known * (1 - inputs.mask)).any()
    hidden = 1.0 - inputs.lead_known.repeat_interleave(24, dim=2)
    assert not (inputs.lead * hidden).any()
    shifts = [torch.full((64,), s) for s in range(-6, 6)]
    fits = torch.stack([(turned(batch.plan, s) == plan).flatten(1).all(dim=1) for s in shifts])
    assert fits.any(dim=0).all()


def test_own_and_strange_pasts_are_heard_where_live_they_would_be_own(
    harmonies: HarmonyMusic,
) -> None:
    batch = harmonies.batch(512, 16, seeded())
    own = 1.0 - batch.plan
    task = harmony_task(512, 16, seeded(1), CPU)  # the same draw as below
    plan, inputs = harmony_example(batch, seeded(1), own)
    mask = inputs.mask
    wrong = (inputs.known != plan) & (mask > 0)
    share = wrong.flatten(1).sum(dim=1) / mask.flatten(1).sum(dim=1).clamp_min(1.0)
    has = mask.flatten(1).any(dim=1)
    assert float(share[has & ~task.played].max()) < 0.15  # flips alone
    strange = has & task.played & (share < 0.6)
    assert float(share[has & task.played & ~strange].min()) > 0.75  # its own, but for flips
    among = float(strange.float().sum() / (has & task.played).float().sum())
    assert among == pytest.approx(0.2, abs=0.06)


def test_harmony_tasks_come_as_often_as_they_should() -> None:
    task = harmony_task(4000, 16, seeded(), CPU)
    mask, lead = task.mask.bool(), task.lead_known.bool()
    whole_lead, no_plan = lead.flatten(1).all(dim=1), ~mask.flatten(1).any(dim=1)
    assert float((whole_lead & no_plan).float().mean()) == pytest.approx(0.36, abs=0.04)
    nothing = no_plan & ~lead.flatten(1).any(dim=1)
    assert float(nothing.float().mean()) == pytest.approx(0.08, abs=0.04)
    half = mask[:, :12].any(dim=(1, 2)) & ~mask[:, 12:].any(dim=(1, 2))
    assert float(half.float().mean()) == pytest.approx(0.04, abs=0.02)


def test_a_drawn_plan_has_the_known_cells(harmonies: HarmonyMusic) -> None:
    torch.manual_seed(0)
    sizes = {"width": 16, "layers": 1, "heads": 2, "condition_width": 8}
    network = HarmonyTransformer(HarmonyTransformerConfig(**sizes)).eval()
    inputs = harmony_example(harmonies.batch(32, 8, seeded()), seeded(1)).inputs
    drawn = draw_plan(network, inputs, plan_prior(CPU), 4, seeded(2))
    assert inputs.mask.any()
    assert torch.equal(drawn * inputs.mask, inputs.known)
    assert set(drawn.flatten().tolist()) == {0.0, 1.0}


def test_kept_chords_are_counted_where_something_sounds() -> None:
    plan = torch.zeros(1, 24, 6)
    plan[0, 0, :3] = plan[0, 5, 3] = 1.0
    assert kept_share(plan) == pytest.approx(2 / 3)


def test_a_texture_batch_fits_together(textures: TextureMusic) -> None:
    batch = textures.batch(200, 8, seeded())
    assert batch.target.shape == batch.context.shape == (200, 32, 24, PIANO.size)
    assert batch.mask.shape == (200, 32, 2)
    assert set(batch.style.tolist()) == {0}  # nothing is told of made music
    assert ((batch.phase >= 0) & (batch.phase < batch.bar)).all()
    beats = batch.phase.view(200, 8, 4)
    assert (beats == beats[:, :, :1] + torch.tensor([0, 6, 12, 18])).all()
    assert not (batch.plan * (1 - batch.planned[:, None])).any()
    wrong = (batch.plan != plan_of_tokens(batch.target)) & (batch.planned[:, None] > 0)
    assert float(wrong.float().mean()) == pytest.approx(0.02, abs=0.01)
    free = batch.mask[:, :, ACCOMPANIMENT] == 0
    onsets = batch.target[:, :, 12:18].sum(dim=(2, 3))
    assert (batch.density > 0).any()
    for row in batch.density.nonzero()[:, 0].tolist():
        struck = float((onsets[row] * free[row]).sum())
        per_beat = struck / max(float(free[row].sum()) / 4, 0.25)
        assert int(batch.density[row]) == density_bucket(per_beat)


def test_without_augmentation_the_past_is_as_composed(textures: TextureMusic) -> None:
    mask = torch.zeros(40, 2, 32, dtype=torch.bool)
    mask[:, LEAD] = True
    batch = textures.batch(40, 8, seeded(), mask, augment=0.0)
    assert torch.equal(batch.target, batch.context)
    assert batch.target[:, :, :12].any()


def test_the_density_of_noise_is_that_of_the_music(textures: TextureMusic) -> None:
    prior = texture_prior(textures, seeded())
    assert prior.shape == (1, 1, 24, 1)
    planes = prior.view(4, 6)
    assert (planes == planes[:, :1]).all()
    # One note a beat leads, three every other beat accompany, of 88 rows and 24 steps.
    wanted = [1 / (88 * 24), 23 / (88 * 24), 1.5 / (88 * 24), 3 * 23.5 / (88 * 24)]
    assert planes[:, 0].tolist() == pytest.approx(wanted, rel=0.35)


def test_its_own_past_is_heard_from_some_place_on(textures: TextureMusic) -> None:
    torch.manual_seed(0)
    network = checkpoint.build(
        "frame-transformer",
        {"width": 16, "layers": 1, "heads": 2, "beat_width": 16, "beat_heads": 2},
    ).eval()
    mask = torch.zeros(16, 2, 32, dtype=torch.bool)
    mask[:8, ACCOMPANIMENT, :20] = mask[8:, LEAD] = True
    batch = textures.batch(16, 8, seeded(), mask)
    prior = texture_prior(textures, seeded(1))
    found = with_sampled_past(network, batch, prior, seeded(2))  # type: ignore[arg-type]
    assert torch.equal(found.target, batch.target)
    assert torch.equal(found.context[8:], batch.context[8:])  # no past of its own to hear
    assert torch.equal(found.context[:, :, :12], batch.context[:, :, :12])
    assert (found.context[:8] != batch.context[:8]).any()


RECIPE = Recipe(
    60.0,
    beats=32,
    scored=4,
    most_steps=1,
    most_pieces=2,
    sizes={"width": 16, "layers": 1, "heads": 2, "condition_width": 8},
)


def test_one_step_of_each_and_the_checkpoints_it_leaves(pack: Pack, tmp_path: Path) -> None:
    lines: list[str] = []
    harmony = train_harmony(pack, RECIPE, CPU, tmp_path / "harmony.pt", lines.append)
    texture = train_texture(pack, RECIPE, CPU, tmp_path / "texture.pt", lines.append)
    for name, network in (("harmony", harmony), ("texture", texture)):
        found: Any = checkpoint.load(tmp_path / f"{name}.pt")
        assert found["progress"]["step"] == 1
        kept = checkpoint.build(found["family"], found["sizes"])
        kept.load_state_dict(found["averaged"])
        for mine, theirs in zip(kept.parameters(), network.parameters(), strict=True):
            assert torch.allclose(mine, theirs, atol=2e-3)
    losses = [line.split(" loss ")[1].split()[0] for line in lines if " loss " in line]
    assert len(losses) == 2
    assert all(math.isfinite(float(loss)) for loss in losses)
    assert sum("done: 1 steps" in line for line in lines) == 2
