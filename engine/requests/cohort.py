"""Which requests one model can fill in one go. numpy only."""

from __future__ import annotations

from dataclasses import fields

from engine.requests.request import PlanRequest, SampleSettings

_OF_ONE_REQUEST = {
    "seed",
    "style",
    "density",
    "low",
    "high",
    "voices",
    "rhythm",
    "pitch_classes",
}
"""Settings that may differ among requests filled together; the others steer the loop itself."""
_OF_THE_LOOP = tuple(
    field.name for field in fields(SampleSettings) if field.name not in _OF_ONE_REQUEST
)


def loop_of(settings: SampleSettings) -> tuple[object, ...]:
    """Return the settings that all requests filled together share."""
    return tuple(getattr(settings, name) for name in _OF_THE_LOOP)


def cohort_of(request: PlanRequest) -> tuple[object, ...]:
    """Equal for requests that can be filled together: length in steps, end and loop settings."""
    return (request.end_step - request.first_step, request.ends, *loop_of(request.settings))
