"""What the user is to know of a job that is done."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.files.tasks import Job, SourcePiece
from engine.music.roll import Note


def range_warnings(job: Job, notes: Sequence[Note]) -> list[str]:
    """Return what did not fit the model's range, and an answer without notes."""
    warnings = []
    if job.folded:
        low, high = job.request.roll.pitches.low, job.request.roll.pitches.high
        warnings.append(
            f"{job.folded} notes outside the model's range (MIDI pitch {low} to {high}) are heard "
            "in another octave; in the file they stay where they are"
        )
    if job.left_out:
        warnings.append(f"{job.left_out} notes do not fit the model's range and are left out")
    if not notes:
        warnings.append("the answer is silent; try another --seed, or a higher --density")
    return warnings


def overlay_warnings(piece: SourcePiece, job: Job, *, replaced: bool) -> list[str]:
    """Return where new notes sound on top of the ones they stand for."""
    covered = any(
        job.from_step <= piece.score.step_at(note.onset_tick) < job.to_step
        for part in job.replaced
        for note in part.notes
    )
    if covered and not replaced:
        first, last = job.bars
        return [f"bars {first} to {last} hold the original notes too; --replace takes them out"]
    if replaced and not job.replaced:
        return ["nothing was taken out: what is kept and what is new share one track"]
    return []
