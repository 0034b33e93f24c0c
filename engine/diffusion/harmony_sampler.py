"""Drawing a harmony plan: the reverse process of `sampler.py`, on a grid of beats. Scripted.

The chain is the exact one (`ancestral`), with a cell's own evidence added to the network's logits
as in its training. Chords that are known stay. Shapes: B batch, S step, T beat; a plan is
[B, 24, T] (`engine.denoisers.harmony`).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.denoisers.harmony import whole_beats
from engine.denoisers.inputs import HarmonyInputs
from engine.diffusion.keyed_noise import keyed_uniform
from engine.diffusion.noise import alpha_bar, own_evidence, predicted_posterior
from engine.diffusion.reverse import tempered

_ROWS_FROM = 4096
"""Row 0 of a plan in the keyed noise, far from any pitch of a roll (`keyed_noise.py`)."""
_SEEDS_APART = 0x3779B1
"""Between the seeds of plans drawn side by side."""


class HarmonyRequest(NamedTuple):
    """A plan that is to be drawn for each of B windows.

    inputs: what the network is given, in which known cells stay. room [B, 24, T]: 0 where a class
    must not be among the drawn ones. sounds [B, T]: 1 where a chord must be (`goes_on`). seed,
    first_beat int64 [B]: the key of the noise.
    """

    inputs: HarmonyInputs
    room: Tensor
    sounds: Tensor
    seed: Tensor
    first_beat: Tensor


class HarmonySampler(nn.Module):
    """A network of plans and the loop around it."""

    prior: Tensor

    def __init__(self, network: nn.Module, prior: Tensor, schedule: str = "cosine") -> None:
        """network: a HarmonyTransformer. prior: chance of a redrawn cell, [1, 24, 1]."""
        super().__init__()
        self.network = network
        self.register_buffer("prior", prior)
        self.schedule = schedule
        self.rows_from = _ROWS_FROM
        self.seeds_apart = _SEEDS_APART

    def forward(
        self, request: HarmonyRequest, calls: int, temperature: float, choices: int = 1
    ) -> Tensor:
        """Draw `choices` plans and return the one the others agree with most, [B, 24, T].

        Known cells stay as they are; all are 0.0 or 1.0. That choice is what minimises the
        expected error of a draw (minimum Bayes risk, Kumar and Byrne 2004). temperature: 0 takes
        what is likelier in every cell.
        """
        if choices == 1:
            return self._drawn(request, calls, temperature)
        many = self._repeated(request, choices)
        plans = self._drawn(many, calls, temperature)
        shape = [request.seed.size(0), choices, plans.size(1), plans.size(2)]
        return agreed(plans.view(shape), request.inputs.mask)

    def _repeated(self, request: HarmonyRequest, many: int) -> HarmonyRequest:
        """Return every window `many` times in a row, each time with a seed of its own."""
        other = torch.arange(many, device=request.seed.device).repeat(request.seed.size(0))
        inputs = request.inputs
        return HarmonyRequest(
            HarmonyInputs(
                inputs.known.repeat_interleave(many, 0),
                inputs.mask.repeat_interleave(many, 0),
                inputs.lead.repeat_interleave(many, 0),
                inputs.lead_known.repeat_interleave(many, 0),
                inputs.phase.repeat_interleave(many, 0),
                inputs.bar.repeat_interleave(many, 0),
                inputs.style.repeat_interleave(many, 0),
            ),
            request.room.repeat_interleave(many, 0),
            request.sounds.repeat_interleave(many, 0),
            request.seed.repeat_interleave(many, 0) + other * self.seeds_apart,
            request.first_beat.repeat_interleave(many, 0),
        )

    def _drawn(self, request: HarmonyRequest, calls: int, temperature: float) -> Tensor:
        """Return one plan for each window; see `forward`."""
        known, seed, first_beat = request.inputs.known, request.seed, request.first_beat
        free = 1.0 - request.inputs.mask
        room = request.room * free
        x = (self._noise(seed, 0, first_beat, known) < self.prior).to(known.dtype) * free
        probability = x
        for i in range(calls):
            level = torch.full_like(known[:, 0, 0], 1.0 - i / calls)
            here, after = self._kept(level), self._kept(level * 0.0 + (1.0 - (i + 1) / calls))
            logits: Tensor = self.network(x, level, request.inputs)
            logits = logits + own_evidence(x, here, self.prior)
            logits = with_chords(logits, room, request.sounds)
            if temperature > 0.0:
                # The pitch classes and the basses keep their density each.
                shape = [x.size(0), 1, 2, 12, x.size(2)]
                logits = tempered(
                    logits.view(shape), free.view(shape), room.view(shape), temperature
                ).view(x.shape)
                probability = torch.sigmoid(logits) * room
            else:
                probability = (logits > 0.0).to(x.dtype) * room
            chance = predicted_posterior(x, probability, here, after, self.prior)
            drawn = self._noise(seed, i + 1, first_beat, known) < chance  # at last x0 itself
            x = drawn.to(x.dtype) * free
        x = torch.maximum(x, _likeliest(x, probability, request.sounds) * free)
        return with_one_bass(x, probability, known, request.inputs.mask)

    def _kept(self, level: Tensor) -> Tensor:
        return alpha_bar(level, self.schedule)[:, None, None]

    def _noise(self, seed: Tensor, call: int, first_beat: Tensor, like: Tensor) -> Tensor:
        shape = [1, 1, like.size(1), like.size(2)]
        return keyed_uniform(seed, call, first_beat, shape, self.rows_from)[:, 0, 0]


def agreed(plans: Tensor, mask: Tensor) -> Tensor:
    """Return the one of N plans [B, N, 24, T] that the others are most like, [B, 24, T].

    The likeness of two plans is the mean, over the beats, of the share of their free cells that
    they have in common (Dice 1945); two silences are alike. Were cells counted over all beats at
    once, a plan that is silent where it is unsure would win. mask [B, 24, T]: 1 where known.
    """
    silence = 1e-3  # cells that two beats have in common anyway: so two silences are alike
    cells = plans * (1.0 - mask)[:, None]
    counts = cells.sum(dim=2)  # [B, N, T]
    both = torch.einsum("bict,bjct->bijt", cells, cells)
    alike = (2.0 * both + silence) / (counts[:, :, None] + counts[:, None] + silence)
    best = alike.mean(dim=[2, 3]).argmax(dim=1)
    return plans[torch.arange(plans.size(0), device=plans.device), best]


def with_chords(logits: Tensor, room: Tensor, sounds: Tensor) -> Tensor:
    """Return logits raised in the beats that must sound, until two classes and one bass are
    expected there of those in `room`. logits, room [B, 24, T]; sounds [B, T].

    All classes of a beat are raised alike, so the likeliest of them stay the likeliest.
    """
    shape = [logits.size(0), 2, 12, logits.size(2)]
    raised, there = logits.view(shape), room.reshape(shape)
    least = torch.tensor([2.0, 1.0], device=logits.device)[:, None, None]
    least = torch.minimum(least, there.sum(dim=2, keepdim=True))
    for _ in range(8):
        expected = (torch.sigmoid(raised) * there).sum(dim=2, keepdim=True) + 1e-9
        lacking = torch.log(least.clamp_min(1e-9) / expected).clamp(min=0.0)
        raised = raised + lacking * sounds[:, None, None]
    return raised.reshape(logits.shape)


def _likeliest(x: Tensor, probability: Tensor, sounds: Tensor) -> Tensor:
    """Return what a beat that must sound, and for which no class was drawn, plays all the same: the
    likeliest class and those at least half as likely; 0 elsewhere. All but sounds [B, 24, T]."""
    classes = probability[:, :12]
    best = classes.amax(dim=1, keepdim=True)
    silent = (x[:, :12].amax(dim=1) < 0.5) & (sounds > 0.5)
    chosen = (classes >= 0.5 * best) & (best > 0.0) & silent[:, None]
    return torch.cat([chosen, torch.zeros_like(chosen)], dim=1).to(x.dtype)


def with_one_bass(x: Tensor, probability: Tensor, known: Tensor, mask: Tensor) -> Tensor:
    """Drawn cells x made a plan: of several basses in a beat the known or else the likeliest one
    stays, and what is the bass is among the classes. Known cells stay as they are. All [B, 24, T].
    """
    sure = x[:, 12:] * (1e-3 + probability[:, 12:]) + 2.0 * known[:, 12:]
    best = torch.argmax(sure, dim=1, keepdim=True)
    bass = torch.zeros_like(sure).scatter_(1, best, 1.0) * (sure > 0.0).to(x.dtype)
    plan = torch.cat([torch.maximum(x[:, :12], bass), bass], dim=1)
    return torch.where(mask > 0.5, known, plan)


def sounding_classes(cells: Tensor, low_pitch: int) -> Tensor:
    """1 for each class, as pitch class and as bass, of which a row is 1 somewhere in a beat:
    [B, K, S] to [B, 24, T]."""
    beats = whole_beats(cells).view(cells.size(0), cells.size(1), -1, 24).amax(dim=3)  # [B, K, T]
    pitch = (torch.arange(cells.size(1), device=cells.device) + low_pitch) % 12
    fold = (pitch[:, None] == torch.arange(12, device=cells.device)).to(cells.dtype)
    classes = (torch.einsum("bkt,kc->bct", beats, fold) > 0.5).to(cells.dtype)
    return torch.cat([classes, classes], dim=1)


def goes_on(lead: Tensor, lead_known: Tensor) -> Tensor:
    """1 for each beat of a melody under way in which it sounds, or of which it is not known yet
    while it sounds in the last beat that is. lead [B, T, 96] (`lead_features`), lead_known
    [B, T, 4]; [B, T].

    A melody that may end here has mostly not ended: a reply that falls silent in case it has is
    wrong more often, and is heard. Where all of a melody is known, the planner knows when to rest.
    """
    size, beats = lead_known.size(0), lead_known.size(1)
    sounding = lead.view(size, beats * 4, 24).amax(dim=2)  # of each sixteenth
    known = lead_known.reshape(size, beats * 4)
    place = torch.arange(1, beats * 4 + 1, device=lead.device)[None]
    now = (known * place).amax(dim=1, keepdim=True)
    recent = (place > now - 4.0) & (place <= now)
    playing = (sounding * recent.to(lead.dtype)).amax(dim=1, keepdim=True)  # [B, 1]
    heard = sounding.view(size, beats, 4).amax(dim=2)
    unknown = 1.0 - lead_known.amin(dim=2)
    under_way = unknown.amax(dim=1, keepdim=True)
    return (torch.maximum(heard, unknown * playing) * under_way > 0.0).to(lead.dtype)
