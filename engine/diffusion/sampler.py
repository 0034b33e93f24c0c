"""The reverse process: from noise to music, known cells kept. One scripted loop.

`Sampler.forward` is the whole loop and reads beside Algorithm 1 of the paper:

    for t = T .. 1:   x0 = network(x_t);   x_{t-1} = x0 where the mask is 0, x_T where it is 1

The rules for the second half (which cells take noise back) are the functions below, one per name
in `requests.request.SAMPLERS`. Everything here is TorchScript-compatible: scripted, the loop runs
without Python's lock, which is what keeps the player thread on time.
"""

import torch
from torch import Tensor, nn

from engine.diffusion.exact import Evidence
from engine.diffusion.keyed_noise import keyed_uniform
from engine.diffusion.noise import alpha_bar, diffuse, own_evidence, predicted_posterior


def algorithm1(x0: Tensor, x_start: Tensor, beta: float, uniform: Tensor) -> Tensor:
    """Atassi's Algorithm 1: each cell takes x_T with probability beta, else x0.

    Where x0 = x_T the paper's XOR changes nothing, so this is its cell law. `beta` is the
    *cumulative* noise 1 - alpha_bar of the level being entered, and 0 on the last step.
    """
    return torch.where(uniform < beta, x_start, x0)


def ddim(x0: Tensor, x_t: Tensor, beta_s: float, beta_t: float, uniform: Tensor) -> Tensor:
    """Discrete DDIM: each cell keeps x_t with probability beta_s / beta_t, else x0."""
    return torch.where(uniform < beta_s / max(beta_t, 1e-9), x_t, x0)


def levels(steps: int, start: float, power: float, corrections: int = 0) -> list[float]:
    """Noise levels from `start` to 0, of `steps` calls; power > 1 makes them denser near 0.

    The last `corrections` calls (fewer than `steps`) stay at a tenth of `start` instead.
    """
    falling = steps - corrections
    falls = [start * (1.0 - i / falling) ** power for i in range(falling)]
    return falls + [0.1 * start] * corrections + [0.0]


def drawn_in(sampler: str, call: int) -> int:
    """Which noise x0 is drawn with in a call (from 0): its own, or `-coupled` always the first's.

    Coupled draws (common random numbers) change x0 only where the network changed its mind, so
    a rhythm once begun is less often averaged away (measured: note lengths nearer to human ones).
    """
    return 1 if sampler.endswith("coupled") else 2 * call + 1


def beside_lead(x0: Tensor, known: Tensor) -> Tensor:
    """1 where a voice may sound, 0 for the accompaniment (voice 1) at the lead's (voice 0) pitch.

    x0: the filled cells, 0 elsewhere; known: the known ones. [B, V, P, K, S] to [B, V, 1, K, S].
    """
    lead = (x0[:, :1] + known[:, :1]).amax(dim=2, keepdim=True)
    return torch.cat([torch.ones_like(lead), 1.0 - lead], dim=1)


def tempered(logits: Tensor, free: Tensor, room: Tensor, temperature: float) -> Tensor:
    """Logits over `temperature`, shifted per voice and plane so that the density stays.

    Without the shift anything below 1 falls silent: a note has p < 0.5 nearly everywhere while
    the roll is still noisy; and so does a lock, since each call hears what the last one lost.
    What is wished for in all `free` cells (nobody taught the network what to say of known ones)
    goes into those among them that are allowed, `room`. [B, V, P, K, S] in and out.
    """
    wanted = (torch.sigmoid(logits) * free).sum(dim=[3, 4], keepdim=True) + 1e-9
    sharp = logits / temperature
    for _ in range(8):
        there = (torch.sigmoid(sharp) * room).sum(dim=[3, 4], keepdim=True) + 1e-9
        sharp = sharp + torch.log(wanted / there)
    return sharp


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
    ) -> None:
        """spacing: power of the fall of the noise level. corrections: calls that are spent at low
        noise, each of which draws x0 and noises it anew (`engine.evaluation.study` tries both).

        exact: what stands behind the network in the exact chain (`ancestral`, and the likelihood
        bound), from `exact.py`. The other samplers leave it out: each call then redraws what
        earlier calls got wrong instead of believing it.
        """
        super().__init__()
        self.exact = Evidence(0.0) if exact is None else exact
        self.network = network
        self.register_buffer("prior", prior)
        self.schedule = schedule
        self.low_pitch = low_pitch
        self.spacing, self.corrections = spacing, corrections

    def forward(
        self,
        source: Tensor,
        mask: Tensor,
        allowed: Tensor,
        phase: Tensor,
        bar: Tensor,
        style: Tensor,
        density: Tensor,
        seed: Tensor,
        first_step: Tensor,
        steps: int,
        sampler: str,
        temperature: float,
        guidance: float,
        variation: float,
        doubling: str,
    ) -> tuple[Tensor, Tensor]:
        """Filled cells (0.0 or 1.0) and the last call's probabilities, both [B, V, P, K, S].

        source, mask: float [B, V, P, K, S], the known cells (and vary's original) and where they
        are known. allowed: the same shape, 0 where no note may sound: such cells are silent in
        every x0. Their noise stays: silence there would tell the network of a sparser music
        (measured: a scale lock left 60 % of the notes, a chord lock 35 %). phase, bar: [B, N].
        style, density, seed, first_step: int64 [B]. variation: noise level to start from, 0..1.
        doubling: with `avoid` the accompaniment leaves the pitch free where this call guesses the
        lead (where the lead is known, `allowed` must say so).
        """
        known, free = source * mask, 1.0 - mask
        room = free * allowed
        locked = bool((room < free).any())
        guessing = doubling == "avoid" and bool((free[:, 0] > 0.0).any())
        shape = list(source.shape[1:])
        start = torch.full([source.shape[0]], variation, device=source.device)
        noise = keyed_uniform(seed, 0, first_step, shape, self.low_pitch)
        x_start = diffuse(source, self._alpha(start), self.prior, noise) * free
        power = self.spacing * (1.5 if sampler == "ddim" else 1.0)
        falls = levels(steps, variation, power, min(self.corrections, steps - 1))
        x, probability = x_start, x_start
        total = 1.0 - float(alpha_bar(start[:1], self.schedule))  # rescales beta to start at 1
        for i in range(steps):
            level = torch.full_like(start, falls[i])
            logits = self._logits(x, known, mask, level, phase, bar, style, density, guidance)
            if sampler == "ancestral":
                seen = own_evidence(x, self._alpha(level), self.prior)
                logits = self.exact(logits, seen, known, mask, level)
            if temperature != 1.0 or locked:
                logits = tempered(logits, free, room, temperature)
            probability = torch.sigmoid(logits) * room
            u_cell = keyed_uniform(seed, drawn_in(sampler, i), first_step, shape, self.low_pitch)
            u_mask = keyed_uniform(seed, 2 * i + 2, first_step, shape, self.low_pitch)
            if sampler.endswith("threshold"):
                x0 = (probability > 0.5).to(x.dtype)
            else:
                x0 = (u_cell < probability).to(x.dtype)
            if guessing:
                beside = beside_lead(x0, known)
                x0, probability = x0 * beside, probability * beside
            here = 1.0 - float(alpha_bar(level[:1], self.schedule))
            after = alpha_bar(torch.full_like(start, falls[i + 1]), self.schedule)
            beta = 1.0 - float(after[0])
            if sampler.startswith("renoise") or falls[i + 1] >= falls[i]:
                x = diffuse(x0, after[:, None, None, None, None], self.prior, u_mask)
            elif sampler.startswith("algorithm1"):
                x = algorithm1(x0, x_start, beta / max(total, 1e-9), u_mask)
            elif sampler == "ddim":
                x = ddim(x0, x, beta, here, u_mask)
            else:
                p = predicted_posterior(
                    x, probability, self._alpha(level), after[:, None, None, None, None], self.prior
                )
                x = (u_mask < p).to(x.dtype)
            x = x * free
        if guessing:  # the exact chain draws once more after x0
            x = x * beside_lead(x, known)
        return x + known, probability

    def _alpha(self, level: Tensor) -> Tensor:
        return alpha_bar(level, self.schedule)[:, None, None, None, None]

    def _logits(
        self,
        x: Tensor,
        known: Tensor,
        mask: Tensor,
        level: Tensor,
        phase: Tensor,
        bar: Tensor,
        style: Tensor,
        density: Tensor,
        guidance: float,
    ) -> Tensor:
        """One call; with guidance, a told and an untold one in one batch, then extrapolated."""
        if guidance == 1.0:
            logits: Tensor = self.network(x, known, mask, level, phase, bar, style, density)
            return logits
        zero = torch.zeros_like(style)
        both: Tensor = self.network(
            torch.cat([x, x]),
            torch.cat([known, known]),
            torch.cat([mask, mask]),
            torch.cat([level, level]),
            torch.cat([phase, phase]),
            torch.cat([bar, bar]),
            torch.cat([style, zero]),
            torch.cat([density, zero]),
        )
        told, untold = both.chunk(2)
        return untold + guidance * (told - untold)
