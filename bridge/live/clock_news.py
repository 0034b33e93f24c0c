"""What listeners and the terminal learn of the clock that is followed."""

from __future__ import annotations

import logging

from bridge.commands import Effect, LogLine, OscOut
from bridge.live.clock.playhead import TransportEvent
from bridge.live.clock.transport import Transport


def clock_news(event: TransportEvent, transport: Transport) -> list[Effect]:
    """Say that a clock stopped coming, is back, waits for Start, or that there are two."""
    clock = "Ableton Link" if transport.source == "link" else "MIDI clock"
    if event is TransportEvent.FREEWHEEL:
        text = f"{clock} stopped coming; going on at {transport.bpm:.1f} bpm"
        return [LogLine(logging.WARNING, text)]
    if event is TransportEvent.TWO_CLOCKS:
        text = "two MIDI clocks seem to come in; switch one of them off"
        return [OscOut("/diffuse/out/error", ("clock", text)), LogLine(logging.WARNING, text)]
    if event is TransportEvent.WAITING:
        text = f"{clock} runs, waiting for Start; /diffuse/downbeat begins without it"
        return [LogLine(logging.INFO, text)]
    if event is TransportEvent.CLOCK_BACK:
        return [LogLine(logging.INFO, f"{clock} is back")]
    return []
