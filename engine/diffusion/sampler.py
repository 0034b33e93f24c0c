"""The reverse process: from noise to music, known cells kept. One scripted module.

`Sampler.forward` is the whole loop and reads beside Algorithm 1 of the paper:

    for t = T .. 1:   x0 = network(x_t);   x_{t-1} = x0 where the mask is 0, x_T where it is 1

The rules for the second half (which cells take noise back) are in `reverse.py`, one per name in
`requests.request.SAMPLERS`. A model with a planner first draws a harmony plan by the same process
(`harmony_sampler.py`), and conditions the network. Everything here is TorchScript-compatible:
scripted, the loops run without Python's lock, which is what keeps the player thread on time.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.denoisers.harmony import known_beats, known_sixteenths, lead_features, plan_of
from engine.denoisers.inputs import (
    Context,
    HarmonyInputs,
    Inputs,
    conditional_and_unconditional,
    no_plan,
)
from engine.diffusion.cell_evidence import CellEvidence
from engine.diffusion.figure import places_in_bar, tied_bars
from engine.diffusion.harmony_sampler import (
    HarmonyRequest,
    HarmonySampler,
    goes_on,
    sounding_classes,
)
from engine.diffusion.keyed_noise import keyed_uniform
from engine.diffusion.noise import alpha_bar, diffuse, own_evidence
from engine.diffusion.reverse import back, beside_lead, levels, rule_of, tempered, x0_of


class Request(NamedTuple):
    """What is to be filled, B windows of one length.

    source, mask: float [B, V, P, K, S], the known cells (and vary's original) and where they are
    known. allowed: the same shape, 0 where no note may sound: such cells are silent in every x0.
    Their noise stays: silence there would tell the network of a sparser music (measured: a scale
    lock left 60 % of the notes, a chord lock 35 %). phase, bar: int64 [B, N]. style, density,
    seed, first_step: int64 [B]. chords, chords_known: float [B, 24, T], cells of the harmony plan
    that are given (`engine.denoisers.harmony`), and where.
    """

    source: Tensor
    mask: Tensor
    allowed: Tensor
    phase: Tensor
    bar: Tensor
    style: Tensor
    density: Tensor
    seed: Tensor
    first_step: Tensor
    chords: Tensor
    chords_known: Tensor


class Loop(NamedTuple):
    """How it is to be filled, all windows alike.

    variation: noise level to start from, 0..1. doubling: with `avoid` the accompaniment leaves the
    pitch free where a call guesses the lead (where the lead is known, `allowed` must say so).
    ending: beats of silence that are known to follow the window when the plan is drawn, since the
    piece ends there. plan_calls, plan_temperature: of the loop that draws the plan;
    plan_choices: how many it draws to choose from. chords_from: `notes`, or `melody` where the
    planner does not hear known accompaniment, and plays on while the melody does. figure: how
    much the bars share a rhythm, 0..1 (`figure.py`); the exact chain (`ancestral`) goes without.
    """

    steps: int
    sampler: str
    temperature: float = 1.0
    guidance: float = 1.0
    variation: float = 1.0
    doubling: str = "allow"
    ending: int = 0
    plan_calls: int = 5
    plan_temperature: float = 0.7
    plan_choices: int = 24
    chords_from: str = "notes"
    figure: float = 0.0


class Filled(NamedTuple):
    """Filled cells (0.0 or 1.0) and the last call's probabilities, both [B, V, P, K, S]; the
    harmony plan they follow, [B, 24, T], and the beats in which there is one, [B, T]."""

    cells: Tensor
    probability: Tensor
    plan: Tensor
    planned: Tensor


class Sampler(nn.Module):
    """A network and the loop around it. Scriptable; metadata travels beside it in the export."""

    prior: Tensor

    def __init__(
        self,
        network: nn.Module,
        prior: Tensor,
        schedule: str,
        low_pitch: int,
        exact: nn.Module | None = None,
        spacing: float = 1.0,
        corrections: int = 0,
        harmony: HarmonySampler | None = None,
    ) -> None:
        """spacing: power of the fall of the noise level. corrections: calls that are spent at low
        noise, each of which draws x0 and noises it anew (`engine.evaluation.study` tries both).

        exact: what stands behind the network in the exact chain (`ancestral`, and the likelihood
        bound), from `cell_evidence.py`. The other samplers leave it out: each call then redraws
        what earlier calls got wrong instead of believing it.

        harmony: draws the plan that conditions the network; without it there is none.
        """
        super().__init__()
        self.exact = CellEvidence(0.0) if exact is None else exact
        self.network: Any = network  # a Denoiser
        self.harmony = harmony
        self.register_buffer("prior", prior)
        self.schedule = schedule
        self.low_pitch = low_pitch
        self.spacing, self.corrections = spacing, corrections

    def forward(self, request: Request, loop: Loop) -> Filled:
        """Return the request with its free cells filled; see `Request` and `Loop`."""
        plan, planned = self.plan_of_request(request, loop)
        known, free = request.source * request.mask, 1.0 - request.mask
        room = free * request.allowed
        locked = bool((room < free).any())
        guessing = loop.doubling == "avoid" and bool((free[:, 0] > 0.0).any())
        way, drawing = rule_of(loop.sampler)
        figure = 0.0 if way == "ancestral" else loop.figure
        places = places_in_bar(request.phase, known.size(-1))
        shape = list(known.shape[1:])
        start = torch.full([known.shape[0]], loop.variation, device=known.device)
        noise = self._noise(request, 0, shape)
        x_start = diffuse(request.source, self._alpha(start), self.prior, noise) * free
        power = self.spacing * (1.5 if way == "ddim" else 1.0)
        falls = levels(loop.steps, loop.variation, power, min(self.corrections, loop.steps - 1))
        inputs = Inputs(
            x_start,
            known,
            request.mask,
            start,
            request.phase,
            request.bar,
            request.style,
            request.density,
            plan,
            planned,
        )
        if loop.guidance != 1.0:
            inputs = conditional_and_unconditional(inputs)
        context = self.network.encode(inputs)
        x, probability = x_start, x_start
        for i in range(loop.steps):
            level = torch.full_like(start, falls[i])
            after = torch.full_like(start, falls[i + 1])
            logits = self._logits(x, level, context, loop.guidance)
            if way == "ancestral":
                seen = own_evidence(x, self._alpha(level), self.prior)
                logits = self.exact(logits, seen, known, request.mask, level)
            if loop.temperature != 1.0 or locked:
                logits = tempered(logits, free, room, loop.temperature)
            probability = torch.sigmoid(logits) * room
            u_cell = self._noise(request, 1 if drawing == "coupled" else 2 * i + 1, shape)
            u_mask = self._noise(request, 2 * i + 2, shape)
            if figure > 0.0:
                probability = tied_bars(probability, known, places, figure)
            x0 = x0_of(probability, u_cell, drawing, known, loop.steps - i - 1)
            if guessing:
                beside = beside_lead(x0, known)
                x0, probability = x0 * beside, probability * beside
            stays = falls[i + 1] >= falls[i]  # a correction
            kept = [self._alpha(each) for each in (start, level, after)]
            x = free * back(
                "renoise" if stays else way, x, x0, x_start, probability, kept, self.prior, u_mask
            )
        if guessing:  # the exact chain draws once more after x0
            x = x * beside_lead(x, known)
        return Filled(x + known, probability, plan, planned)

    def _logits(self, x: Tensor, level: Tensor, context: Context, guidance: float) -> Tensor:
        """Call the network once; with guidance two in one batch (classifier-free
        guidance)."""
        if guidance == 1.0:
            alone: Tensor = self.network.denoise(x, level, context)
            return alone
        both: Tensor = self.network.denoise(torch.cat([x, x]), torch.cat([level, level]), context)
        conditional, unconditional = both.chunk(2)
        return unconditional + guidance * (conditional - unconditional)

    def plan_of_request(self, request: Request, loop: Loop) -> tuple[Tensor, Tensor]:
        """Return the plan [B, 24, T] and the beats in which it is shown [B, T]: all of them, or
        none where there is no planner. Known accompaniment says its own chords, the request others;
        what is then free is drawn."""
        if self.harmony is None:
            return no_plan(request.source[:, :, 0, 0])
        known, mask = request.source * request.mask, request.mask.amin(dim=[2, 3])  # [B, V, S]
        sounding = known_beats(mask[:, 1])[:, None].expand_as(request.chords)
        played = plan_of(known[:, 1], self.low_pitch)
        given = torch.maximum(sounding, request.chords_known)
        chords = torch.where(sounding > 0.5, played, request.chords) * given
        if bool((given > 0.5).all()):
            return chords, torch.ones_like(chords[:, 0])
        if loop.chords_from == "melody":
            given = request.chords_known
            chords = request.chords * given
        beats, ending = chords.size(2), loop.ending
        lead_known = known_sixteenths(mask[:, 0])  # [B, T, 4]
        lead = lead_features(known[:, 0], self.low_pitch)  # [B, T, 96]
        lead = lead * lead_known.repeat_interleave(24, dim=2)
        allowed = sounding_classes(request.allowed[:, 1].amax(dim=1), self.low_pitch)
        sounds = torch.zeros_like(chords[:, 0])
        if loop.chords_from == "melody":
            sounds = goes_on(lead, lead_known)
        phase, bar = request.phase[:, ::4], request.bar[:, ::4]
        further = 24 * torch.arange(1, ending + 1, device=phase.device)[None]
        after = (phase[:, -1:] + further) % bar[:, -1:].clamp_min(1)
        wanted = HarmonyRequest(
            HarmonyInputs(
                F.pad(chords, [0, ending]),
                F.pad(given, [0, ending], value=1.0),
                F.pad(lead, [0, 0, 0, ending]),
                F.pad(lead_known, [0, 0, 0, ending], value=1.0),
                torch.cat([phase, after], dim=1),
                torch.cat([bar, bar[:, -1:].expand_as(after)], dim=1),
                request.style,
            ),
            F.pad(allowed, [0, ending]),
            F.pad(sounds, [0, ending]),
            request.seed,
            torch.div(request.first_step, 24, rounding_mode="floor"),
        )
        plan: Tensor = self.harmony(
            wanted, loop.plan_calls, loop.plan_temperature, loop.plan_choices
        )
        # The network gets what is known to sound, whether the planner used it or not.
        plan = torch.where(sounding > 0.5, played, plan[:, :, :beats])
        return plan, torch.ones_like(plan[:, 0])

    def _noise(self, request: Request, call: int, shape: list[int]) -> Tensor:
        return keyed_uniform(request.seed, call, request.first_step, shape, self.low_pitch)

    def _alpha(self, level: Tensor) -> Tensor:
        return alpha_bar(level, self.schedule)[:, None, None, None, None]


def no_chords(source: Tensor) -> tuple[Tensor, Tensor]:
    """`chords` and `chords_known` of a Request in which none is given."""
    chords, _ = no_plan(source)
    return chords, chords
