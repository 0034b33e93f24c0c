"""The event log on disk: compressed, private, bounded, and never in the music's way."""

from __future__ import annotations

import gzip
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.commands import (
    Act,
    Command,
    SendMidi,
    Tick,
)
from bridge.event_log import writer as log_writer
from bridge.event_log.outcomes import Recorded
from bridge.event_log.replay import replay
from bridge.event_log.writer import EventLog, parts_of, read_lines
from bridge.live.session import Session
from tests.session_rig import MS, Rig, S, clock, melody


def drive(box: EventLog, commands: list[Command], settings: dict[str, str]) -> list[SendMidi]:
    """Step a recorded session, as the player does."""
    session = Recorded(Session(settings), box.note)
    effects = [effect for command in commands for effect in session.step(command)]
    return [effect for effect in effects if isinstance(effect, SendMidi)]


SETTINGS = {"reply": "live"}


def test_what_is_noted_is_on_disk_compressed_and_private(tmp_path: Path) -> None:
    rig = Rig(Session(SETTINGS)).add(clock(8)).add(melody(8)).run(4 * S)
    late = [3_000, 40_000]
    box = EventLog(tmp_path / "log", SETTINGS, lambda count: late[count:])
    box.start()
    sent = drive(box, rig.commands, SETTINGS)
    box.stop()
    (path,) = parts_of(tmp_path / "log")
    (path.parent / f"{box.session}.000.jsonl").write_text("")
    assert parts_of(path) == [path]
    assert path.name == f"{box.session}.000.jsonl.gz"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    found = replay(read_lines([path]))
    assert found.exact
    assert [(due + found.header.at_ns, data) for due, data in found.sent] == [
        (effect.due_ns, effect.data) for effect in sent
    ]
    assert found.late_ns == late
    assert found.header.settings == SETTINGS
    assert box.lost == 0


def test_parts_rotate_and_replay_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "PART_BYTES", 8_000)
    monkeypatch.setattr(log_writer, "FLUSH_S", 0.001)
    rig = Rig(Session(SETTINGS)).add(clock(16)).add(melody(16)).run(8 * S)
    box = EventLog(tmp_path, SETTINGS)
    box.start()
    for first in range(0, len(rig.commands), 400):
        if first == 0:
            session = Recorded(Session(SETTINGS), box.note)
        for command in rig.commands[first : first + 400]:
            session.step(command)
        until(lambda: not box._queue)
        time.sleep(0.01)
    box.stop()
    parts = parts_of(tmp_path)
    assert len(parts) >= 3
    assert all(path.suffix == ".gz" for path in parts)
    assert replay(read_lines(parts)).exact
    assert replay(read_lines(parts)).stepped == len(rig.commands)
    assert parts_of(parts[1]) == parts
    assert replay(read_lines(parts[1:])).incomplete == "parts 0 to 0 are not there"
    assert replay(read_lines([*parts[:1], *parts[2:]])).incomplete == "part 1 is not there"


def test_the_folder_is_bounded_the_oldest_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "PART_BYTES", 1_000)
    monkeypatch.setattr(log_writer, "FOLDER_BYTES", 3_500)
    old = gzip.compress(
        b'{"midi-diffuse":"1.0"}\n' + random.Random(1).randbytes(300).hex().encode()
    )
    old += bytes(1_000 - len(old))
    for number in range(6):
        (tmp_path / f"20200101-00000{number}-1.000.jsonl.gz").write_bytes(old)
    (tmp_path / "mine.txt").write_bytes(bytes(9_000))
    box = EventLog(tmp_path, SETTINGS)
    box.start()
    box.stop()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "20200101-000004-1.000.jsonl.gz",
        "20200101-000005-1.000.jsonl.gz",
        f"{box.session}.000.jsonl.gz",
        "mine.txt",
    ]


def test_nothing_that_is_not_a_log_of_ours_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--log` may name a folder with anything in it."""
    monkeypatch.setattr(log_writer, "FOLDER_BYTES", 0)
    theirs = {
        "data.jsonl": b'{"midi-diffuse":"1.0"}\n',
        "20200101-000000-1.000.jsonl": b'{"my":"data"}\n',
        "20200101-000000-2.000.jsonl.gz": b"no gzip",
        "20200101-000000-3.000.jsonl.txt": b'{"midi-diffuse":"1.0"}\n',
    }
    for name, content in theirs.items():
        (tmp_path / name).write_bytes(content)
    outside = tmp_path.parent / "20200101-000000-4.000.jsonl"
    outside.write_bytes(b'{"midi-diffuse":"1.0"}\n')
    (tmp_path / outside.name).symlink_to(outside)
    ours = tmp_path / "20200101-000000-5.000.jsonl"
    ours.write_bytes(b'{"midi-diffuse":"1.0"}\n')
    box = EventLog(tmp_path, SETTINGS)
    box.start()
    box.stop()
    assert not ours.exists()
    assert outside.exists()
    for name, content in theirs.items():
        assert (tmp_path / name).read_bytes() == content


def test_a_queue_that_is_full_loses_steps_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "CAPACITY", 50)
    monkeypatch.setattr(log_writer, "FLUSH_S", 60.0)
    box = EventLog(tmp_path, SETTINGS)
    box.start()
    drive(box, [Tick(number * MS) for number in range(80)], SETTINGS)
    assert box.lost == 30
    until(lambda: len(box._queue) == 50)
    box._write_all()
    drive(box, [Tick(S)], SETTINGS)
    box.stop()
    found = replay(read_lines(parts_of(tmp_path)))
    assert found.incomplete == "30 commands were not written"
    assert found.stepped == 50
    assert found.commands == 51


def test_a_full_disk_ends_the_log_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = EventLog(tmp_path, SETTINGS)
    box.start()

    def full(line: str) -> None:
        raise OSError(28, "No space left on device")

    box._put = full  # type: ignore[method-assign]
    drive(box, [Tick(number * MS) for number in range(10)], SETTINGS)
    until(lambda: "the event log ends here: No space left on device" in caplog.text)
    assert drive(box, [Tick(S), Act(S, "panic")], SETTINGS)
    box.stop()
    assert caplog.text.count("event log") == 1


def test_a_folder_that_cannot_be_had_is_told_and_the_music_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        box = EventLog(tmp_path / "file" / "log", SETTINGS)
        box.start()
    assert "no event log" in caplog.text
    assert drive(box, [Act(S, "panic")], SETTINGS)
    box.stop()
    assert box.lost == 0


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.001)
