"""Only regular files, never more than allowed, and never a wait."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.bounded_file import FileRefusedError, read_bounded


def test_a_file_of_just_the_allowed_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ten"
    path.write_bytes(b"0123456789")
    assert read_bounded(path, 10) == b"0123456789"
    with pytest.raises(FileRefusedError, match=r"^longer than 9 bytes$"):
        read_bounded(path, 9)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_a_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileRefusedError, match=r"^not a regular file$"):
        read_bounded(tmp_path / "pipe", 10)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
def test_a_device_is_refused_also_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(FileRefusedError, match="not a regular file"):
        read_bounded(tmp_path / "link", 10)


def test_what_cannot_be_opened_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "none", 10)
    with pytest.raises(OSError, match=r"directory|denied|regular"):
        read_bounded(tmp_path, 10)
