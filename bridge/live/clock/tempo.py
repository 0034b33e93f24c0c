"""24-ppqn pulses in, filtered tempo and phase out. Knows nothing of bars, beats or song position.

Pulses come with jitter (2 ms over USB, up to a whole audio period through JACK), doubled, or not
at all, and the tempo under them may stand, ramp or jump. Two Kalman filters over the state (time
of the pulse, period, change of period per pulse) run side by side: a quiet one that believes in a
steady tempo and a quick one that lets it ramp. They are mixed by how well each foretold the last
pulses: interacting multiple models, Blom and Bar-Shalom 1988.

What neither foretold is a suspect and is kept out of the filters. Four suspects in a row are
judged together: pulses lost or doubled, a shift of phase, another tempo, or a system that held
them up and let them go at once.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bridge.live.clock.audio_period import TOGETHER_MS, AudioPeriods
from bridge.timebase import NS_PER_MS
from engine.music.grid import STEPS_PER_BEAT

Vector = NDArray[np.float64]

_MS_PER_MINUTE = 60_000.0
_SLOWEST_BPM, _FASTEST_BPM = 15.0, 500.0
"""Periods beyond these are not believed."""

_EVEN = 0.35
"""Pulses of a clock are no farther from equal distances than this share of one."""

_SUSPECTS, _SPAN = 4, 4
"""So many are judged, over at least so many coarse audio periods: in one all of them may have come.
"""
_BOOTSTRAP = 4
_LOCKED = 12
"""Pulses after which the period is known well enough to tell a doubled pulse from a fast one."""

_COARSE = 0.6
"""From this share of a pulse on an audio period is coarse: a pulse more or less in one of them says
nothing, and the filters must look past it."""

_JITTER_MS = (0.2, 1.2, 6.0)
"""Standard deviation of a pulse's arrival: least, first guess, most. Learnt while running."""

_STAY = 0.995
"""Probability that the model in force (steady or ramping) is so at the next pulse too."""

_STEADY = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
_RAMPING = np.array([[1.0, 1.0, 0.5], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
_MODELS = np.stack([_STEADY, _RAMPING])
_MODEL_SWITCH = np.array([[_STAY, 1 - _STAY], [1 - _STAY, _STAY]])

_PERIOD_WANDER_MS = 1e-4
_DRIFT_WANDER_MS = 5.5e-3
"""Per pulse, at 120 bpm: what the steady period and the ramp's slope may wander. With +-2 ms of
jitter this gives the least p99 over ramps of up to 4 bpm a beat that start and stop at once."""

_REFERENCE_MS = _MS_PER_MINUTE / 120 / STEPS_PER_BEAT


class TempoTracker:
    """Filtered tempo and phase of a stream of pulses. Owner: the transport thread.

    last_pulse: number of the newest pulse counted.
    """

    def __init__(self, bpm: float = 120.0) -> None:
        self.last_pulse = -1
        self._origin_ns = 0
        self._newest_ms = 0.0
        self._first_period_ms = _MS_PER_MINUTE / bpm / STEPS_PER_BEAT
        self._jitter_ms2 = _JITTER_MS[1] ** 2
        self._known = False
        self._arrivals = AudioPeriods()
        self._coarse_ms = 0.0
        self._heard: list[tuple[int, float]] = []
        self._suspects: list[tuple[int, float]] = []
        # Of the last two beats: (number, ms, period ms) of a pulse as the filters had it then.
        self._lines: deque[tuple[int, float, float]] = deque(maxlen=2)
        self._begin(0, 0.0, self._first_period_ms, 0.3)

    @property
    def period_ns(self) -> float:
        """Nanoseconds from pulse to pulse."""
        return self._period_ms * NS_PER_MS

    @property
    def bpm(self) -> float:
        """Filtered tempo."""
        return _MS_PER_MINUTE / STEPS_PER_BEAT / self._period_ms

    @property
    def known(self) -> bool:
        """True once enough pulses came to tell a tempo."""
        return self._known

    @property
    def audio_period_ms(self) -> float:
        """Return the audio period by which pulses are handed over, or 0."""
        return self._arrivals.length_ms

    def pulses_at(self, now_ns: int) -> float:
        """Return how many pulses, fractions too, the filter holds to have passed at `now_ns`."""
        return self._index + ((now_ns - self._origin_ns) / NS_PER_MS - self._time) / self._period_ms

    def ns_at(self, pulses: float) -> float:
        """Return when pulse number `pulses` falls: the inverse of `pulses_at`."""
        return self._origin_ns + (self._time + (pulses - self._index) * self._period_ms) * NS_PER_MS

    def restart(self, now_ns: int, pulse: int) -> None:
        """Begin anew: the pulse at `now_ns` is number `pulse`; the tempo is kept as a guess."""
        self._origin_ns = now_ns
        self._newest_ms = 0.0
        self.last_pulse = pulse
        self._suspects.clear()
        self._heard = [(pulse, 0.0)]
        self._begin(pulse, 0.0, self._period_ms, 0.02 if self._known else 0.3)

    def renumber(self, by: int) -> None:
        """Add `by` to the number of every pulse; tempo and phase stay."""
        self.last_pulse += by
        self._index += by
        self._heard = [(index + by, at_ms) for index, at_ms in self._heard]
        self._suspects = [(index + by, at_ms) for index, at_ms in self._suspects]
        for _ in range(len(self._lines)):
            index, at_ms, period_ms = self._lines.popleft()
            self._lines.append((index + by, at_ms, period_ms))

    def pulse(self, now_ns: int) -> None:
        """Count a pulse that came at `now_ns`."""
        at_ms = (now_ns - self._origin_ns) / NS_PER_MS
        self._arrivals.arrived(now_ns / NS_PER_MS)
        audio_ms = self._arrivals.length_ms
        self._coarse_ms = audio_ms if audio_ms > _COARSE * self._period_ms else 0.0
        error_ms = at_ms - self._foretold(self.last_pulse + 1)
        if self._is_double(at_ms, error_ms):
            return
        self.last_pulse += 1
        self._newest_ms = at_ms
        if not self._known:
            self._bootstrap(at_ms)
        elif abs(error_ms) <= self._gate():
            self._suspects.clear()
            self._update(self.last_pulse, at_ms)
        else:
            self._learn_jitter(error_ms)
            self._suspects.append((self.last_pulse, at_ms))
            if len(self._suspects) >= _SUSPECTS and self._span_ms() >= _SPAN * self._coarse_ms:
                self._judge()

    def _is_double(self, at_ms: float, error_ms: float) -> bool:
        # A whole period early, and on the heels of the last. Pulses that one audio period hands
        # over together pass: they are at most about half a period early each, or the audio period
        # is the longer one.
        early = error_ms < -0.75 * self._period_ms
        close = at_ms - self._newest_ms < 0.2 * self._period_ms
        return early and close and self._updates >= _LOCKED and not self._coarse_ms

    def _bootstrap(self, at_ms: float) -> None:
        """Take the tempo from the first few pulses, whatever it was guessed to be."""
        self._heard.append((self.last_pulse, at_ms))
        first, _ = self._heard[0]  # the origin: it came at 0 ms
        period_ms = _believable(at_ms / (self.last_pulse - first))
        self._begin(self.last_pulse, at_ms, period_ms, 0.3)
        # Pulses that come in pairs say little of the tempo until there are many.
        together = any(b - a < TOGETHER_MS for (_, a), (_, b) in pairwise(self._heard))
        if len(self._heard) > (STEPS_PER_BEAT if together else _BOOTSTRAP):
            self._known = True
            self._replay(self._heard, period_ms)

    def _replay(
        self, pulses: list[tuple[int, float]], period_ms: float, spread: float = 0.06
    ) -> None:
        """Begin anew at the first of `pulses` and run the filters over the rest."""
        (first, first_ms), *rest = pulses
        self._begin(first, first_ms, period_ms, spread)
        for index, at_ms in rest:
            self._update(index, at_ms)

    def _span_ms(self) -> float:
        return self._suspects[-1][1] - self._suspects[0][1]

    def _judge(self) -> None:
        """Judge what the suspects have in common."""
        pulses, period_ms = list(self._suspects), self._period_ms
        self._suspects.clear()
        apart_ms = (pulses[-1][1] - pulses[0][1]) / (len(pulses) - 1)
        if not self._even(pulses, apart_ms):
            return  # counted; of the tempo they say nothing
        line = next((each for each in self._lines if _on_line(pulses, each)), None)
        if line is not None:
            # What came late in between has drawn the filters away.
            self._jitter_ms2 = self._calm_ms2
            self._replay(pulses, line[2], 0.02)
            self._lines.append(line)
            return
        heard_ms = _believable(apart_ms)
        if abs(heard_ms / period_ms - 1) > 0.12:
            self._jitter_ms2 = self._calm_ms2
            self._replay(pulses, heard_ms)
            return
        late_ms = float(np.mean([at_ms - self._foretold(index) for index, at_ms in pulses]))
        lost = round(late_ms / period_ms)
        if lost and self._updates >= _LOCKED and abs(late_ms - lost * period_ms) < 0.3 * period_ms:
            # `lost` pulses never came, or (negative) some came twice: the phase is right as it is.
            self._jitter_ms2 = self._calm_ms2
            self.last_pulse += lost
            for index, at_ms in pulses:
                self._update(index + lost, at_ms)
        else:
            self._replay(pulses, period_ms, 0.02)

    def _even(self, pulses: list[tuple[int, float]], apart_ms: float) -> bool:
        """Say whether they come as a clock sends them; what was held up comes in bursts."""
        if apart_ms < _MS_PER_MINUTE / _FASTEST_BPM / STEPS_PER_BEAT:
            return False
        begun_ms = pulses[0][1]
        off_ms = [abs(at_ms - begun_ms - k * apart_ms) for k, (_, at_ms) in enumerate(pulses)]
        return max(off_ms) <= max(_EVEN * apart_ms, 1.15 * self._coarse_ms)

    # -- The filters: ms since the origin; arrays [model, state] and [model, state, state] --------

    def _begin(self, index: int, at_ms: float, period_ms: float, spread: float) -> None:
        """Start both filters on a pulse; `spread`: standard deviation of the period, relative."""
        self._index = index
        self._updates = 0
        slope_ms = period_ms * period_ms / _MS_PER_MINUTE * 4  # a ramp of 4 bpm a beat, per pulse
        start = np.array([at_ms, period_ms, 0.0])
        spreads = np.array([self._jitter_ms2, (spread * period_ms) ** 2, slope_ms**2])
        self._states: Vector = np.tile(start, (2, 1))
        self._covariances: Vector = np.tile(np.diag(spreads), (2, 1, 1))
        self._weights: Vector = np.array([0.7, 0.3])
        self._lines.clear()
        self._calm_ms2 = self._jitter_ms2
        self._mix()

    def _mix(self) -> None:
        mean = self._weights @ self._states
        self._time, self._period_ms = float(mean[0]), _believable(float(mean[1]))

    def _foretold(self, index: int) -> float:
        return self._time + (index - self._index) * self._period_ms

    def _gate(self) -> float:
        """Return how far off, in ms, a pulse may be and still be one of the stream."""
        spread = float(self._weights @ self._covariances[:, 0, 0]) + self._jitter_ms2
        widest = max(0.45 * self._period_ms, 1.15 * self._coarse_ms)
        return float(np.clip(4 * spread**0.5, 0.2 * self._period_ms, widest))

    def _learn_jitter(self, error_ms: float) -> None:
        seen = min(error_ms**2, (0.5 * self._period_ms) ** 2)
        foretold = float(self._weights @ self._covariances[:, 0, 0])
        learnt = self._jitter_ms2 + (seen - foretold - self._jitter_ms2) / 64
        least = max(_JITTER_MS[0] ** 2, self._coarse_ms**2 / 12)  # evenly spread over the period
        self._jitter_ms2 = float(np.clip(learnt, least, max(least, _JITTER_MS[2] ** 2)))

    def _interact(self) -> None:
        """Start each model from the mixture of both that its being in force now implies."""
        prior = self._weights @ _MODEL_SWITCH
        share = _MODEL_SWITCH * self._weights[:, None] / prior  # [from, to]
        mixed = share.T @ self._states
        apart = self._states[:, None, :] - mixed[None, :, :]  # [from, to, state]
        spread = np.einsum("ft,fti,ftj->tij", share, apart, apart)
        self._covariances = np.einsum("ft,fij->tij", share, self._covariances) + spread
        self._states, self._weights = mixed, prior

    def _update(self, index: int, at_ms: float) -> None:
        """Move both filters on to pulse `index` and correct them by its time."""
        self._interact()
        scale = (self._period_ms / _REFERENCE_MS) ** 2  # a slope in bpm per beat goes with period^2
        for _ in range(max(index - self._index, 1)):
            self._states = np.einsum("mij,mj->mi", _MODELS, self._states)
            self._covariances = _MODELS @ self._covariances @ _MODELS.transpose(0, 2, 1)
            self._covariances[0, 1, 1] += _PERIOD_WANDER_MS**2
            self._covariances[1, 2, 2] += (_DRIFT_WANDER_MS * scale) ** 2
        self._index = index
        self._updates += 1
        errors = at_ms - self._states[:, 0]
        variance = self._covariances[:, 0, 0] + self._jitter_ms2
        gain = self._covariances[:, :, 0] / variance[:, None]
        likelihood = np.exp(-0.5 * np.minimum(errors**2 / variance, 50)) / np.sqrt(variance)
        self._learn_jitter(float(self._weights @ errors))
        self._states = self._states + gain * errors[:, None]
        correction = gain[:, :, None] * self._covariances[:, None, 0, :]
        self._covariances = self._covariances - correction
        self._weights = self._weights * likelihood / float(self._weights @ likelihood)
        if not self._suspects:
            self._calm_ms2 = self._jitter_ms2
        self._mix()
        if self._updates % STEPS_PER_BEAT == 0:
            self._lines.append((self._index, self._time, self._period_ms))


def _on_line(pulses: list[tuple[int, float]], line: tuple[int, float, float]) -> bool:
    """Say whether they come when they should by tempo and phase of a beat or two ago."""
    begun, begun_ms, period_ms = line
    late_ms = np.mean([at_ms - begun_ms - (index - begun) * period_ms for index, at_ms in pulses])
    return bool(abs(late_ms) < 0.3 * period_ms)


def _believable(period_ms: float) -> float:
    slowest, fastest = (
        _MS_PER_MINUTE / STEPS_PER_BEAT / bpm for bpm in (_SLOWEST_BPM, _FASTEST_BPM)
    )
    return min(max(period_ms, fastest), slowest)
