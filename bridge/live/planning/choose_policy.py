"""Which policy plays, by mode and reply."""

from __future__ import annotations

from bridge.live.planning.loop import LoopReply
from bridge.live.planning.policies import Accompany, CallAndResponse, Policy, Triggered
from bridge.settings.knobs import Knobs

TRIGGER_MODES = ("infill", "vary", "generate")
"""Modes that play on `trigger` only."""


def make_policy(knobs: Knobs) -> Policy:
    """Return the policy that `mode` and `reply` ask for."""
    mode, reply = knobs.text("mode"), knobs.text("reply")
    if mode in TRIGGER_MODES:
        return Triggered()
    if mode == "continue":
        return CallAndResponse()
    return LoopReply() if reply == "loop" else Accompany(lag_bars=int(reply == "next-bar"))
