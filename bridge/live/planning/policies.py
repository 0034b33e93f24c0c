"""Which policy plays, by mode and reply."""

from __future__ import annotations

from bridge.live.planning.loop import Loop
from bridge.live.planning.turns import Along, Exchange, OnRequest, Policy
from bridge.settings.knobs import Knobs

TRIGGERED = ("infill", "vary", "generate")
"""Modes that play on `trigger` only."""


def make_policy(knobs: Knobs) -> Policy:
    """The policy that `mode` and `reply` ask for."""
    mode, reply = knobs.text("mode"), knobs.text("reply")
    if mode in TRIGGERED:
        return OnRequest()
    if mode == "continue":
        return Exchange()
    return Loop() if reply == "loop" else Along(lag_bars=int(reply == "next-bar"))
