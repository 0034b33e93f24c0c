"""What of a packed corpus is no corpus, array by array."""

from __future__ import annotations

import zipfile
from typing import Any

import numpy as np
import pytest

from engine.training import pack_check
from engine.training.pack_check import DamagedPackError, check_arrays, check_size

SOUND: dict[str, Any] = {
    "corpora": np.array(["made", "other"]),
    "onset_step": np.array([0, 12, 0, 24], np.int32),
    "length_steps": np.array([24, 12, 48, 24], np.uint16),
    "pitch": np.array([0, 64, 127, 72], np.uint8),
    "voice": np.array([0, 1, 2, 0], np.uint8),
    "meters": np.array([[0, 0, 96], [1, 0, 72], [1, 72, 1]], np.int32),
    "pieces": np.array([[0, 0, 2], [1, 1, 2]], np.int64),
}
FAR = 20_000 * 24


def put(name: str, place: Any, value: int) -> dict[str, Any]:
    """The sound arrays with one number changed."""
    changed = SOUND[name].astype(np.int64)
    changed[place] = value
    return {**SOUND, name: changed}


def test_a_sound_one_passes_up_to_its_limits() -> None:
    check_arrays(SOUND)
    check_arrays(put("onset_step", 1, FAR))
    check_arrays(put("length_steps", 1, FAR))


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({**SOUND, "corpora": np.array([1, 2])}, "corpora are no names"),
        ({**SOUND, "corpora": np.array([["made", "other"]])}, "corpora are no names"),
        ({**SOUND, "pieces": SOUND["pieces"][0]}, "pieces are no rows"),
        ({**SOUND, "pieces": SOUND["pieces"][:0]}, "pieces are no rows"),
        ({**SOUND, "meters": SOUND["meters"][:, :2]}, "meters are no rows"),
        ({**SOUND, "pitch": SOUND["pitch"].astype(float)}, "pitch has no whole numbers"),
        ({**SOUND, "pitch": SOUND["pitch"].reshape(2, 2)}, "pitch has no whole numbers"),
        ({**SOUND, "voice": SOUND["voice"][:3]}, "some notes have no pitch, length or voice"),
        (put("pieces", (0, 2), 3), "its counts of notes are wrong"),
        (put("pieces", (0, 2), 0), "its counts of notes are wrong"),
        (put("pieces", (0, 2), -(2**62)), "its counts of notes are wrong"),
        (put("onset_step", 1, -1), "a note begins before the one before it"),
        (put("onset_step", 1, FAR + 1), "a note begins before the one before it"),
        ({**put("onset_step", 0, FAR), "meters": SOUND["meters"]}, "a piece is absurdly long"),
        (put("length_steps", 2, 0), "a note has no length"),
        (put("length_steps", 2, FAR + 1), "a note has no length"),
        (put("pitch", 3, 128), "a note has no pitch"),
        (put("pitch", 3, -1), "a note has no pitch"),
        (put("voice", 3, 3), "a note is of no voice"),
        (put("pieces", (1, 0), 2), "a piece is of no corpus"),
        (put("pieces", (1, 0), -1), "a piece is of no corpus"),
        (put("pieces", (1, 1), 2), "a piece is of no split"),
        (put("meters", (0, 0), 1), "a piece has no meter"),
        (put("meters", (2, 0), 2), "a piece has no meter"),
        (put("meters", (1, 1), 73), "meters out of order"),
        (put("meters", (0, 1), -1), "meters out of order"),
        ({**SOUND, "meters": SOUND["meters"][::-1]}, "meters out of order"),
        (put("meters", (2, 2), 0), "a bar has no length"),
    ],
)
def test_what_is_wrong_is_said(arrays: dict[str, Any], why: str) -> None:
    with pytest.raises(DamagedPackError, match=why):
        check_arrays(arrays)


@pytest.mark.parametrize("name", SOUND)
def test_a_missing_array_is_an_error(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        check_arrays({key: array for key, array in SOUND.items() if key != name})


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [zipfile.ZipInfo("a"), zipfile.ZipInfo("b")]
    files[0].file_size, files[1].file_size = 600, 400
    monkeypatch.setattr(pack_check, "_MOST_BYTES", 1000)
    check_size(files)
    files[1].file_size = 401
    with pytest.raises(DamagedPackError, match="1,001 bytes; at most 1,000"):
        check_size(files)
