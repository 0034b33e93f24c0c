"""A model is loaded when it was shipped, unchanged, or when its owner said so."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli.main import main
from bridge.settings import model_trust, presets
from bridge.settings.model_trust import SUMS, TrustError, check, checksum, trust
from bridge.settings.presets import PresetError, shared_dir

SHIPPED = sorted(shared_dir("presets").glob("*.pt"))


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's list of trusted models; not there yet."""
    path = tmp_path / "config" / "trusted-models"
    monkeypatch.setattr(model_trust, "list_file", lambda: path)
    return path


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A folder as it is shipped, with one model."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "good.pt").write_bytes(b"weights")
    (folder / SUMS).write_text(f"{hashlib.sha256(b'weights').hexdigest()}  good.pt\n")
    return folder


def test_the_shipped_weights_are_those_of_the_list() -> None:
    """`make sums` after a new model is put into presets/."""
    shipped = [*SHIPPED, *sorted(shared_dir("presets").glob("*.toml"))]
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in shipped]
    assert (shared_dir("presets") / SUMS).read_text().splitlines() == lines


def test_a_shipped_model_is_loaded_as_it_was_shipped_only(shipped: Path, trusted: Path) -> None:
    check(shipped / "good.pt", shipped)
    (shipped / "good.pt").write_bytes(b"weight?")
    with pytest.raises(TrustError, match="is not the file that came with midi-diffuse"):
        check(shipped / "good.pt", shipped)
    (shipped / "other.pt").write_bytes(b"weights")
    with pytest.raises(TrustError, match="make sums"):
        check(shipped / "other.pt", shipped)
    (shipped / SUMS).unlink()
    with pytest.raises(TrustError, match=SUMS):
        check(shipped / "good.pt", shipped)


def test_any_other_model_is_loaded_only_when_trusted(
    tmp_path: Path, shipped: Path, trusted: Path
) -> None:
    model = tmp_path / "mine.pt"
    model.write_bytes(b"program")
    with pytest.raises(TrustError, match=f"run: midi-diffuse presets --trust {model}"):
        check(model, shipped)
    assert trust(model) == checksum(model) == hashlib.sha256(b"program").hexdigest()
    check(model, shipped)
    trust(model)
    assert trusted.read_text() == f"{checksum(model)}  mine.pt\n"
    model.write_bytes(b"PROGRAM")
    with pytest.raises(TrustError, match="did not come with midi-diffuse"):
        check(model, shipped)


def test_a_shipped_name_elsewhere_is_not_shipped(
    tmp_path: Path, shipped: Path, trusted: Path
) -> None:
    (tmp_path / "good.pt").write_bytes(b"weights")
    with pytest.raises(TrustError, match="did not come"):
        check(tmp_path / "good.pt", shipped)


def test_a_link_out_of_the_shipped_folder_is_no_way_around(
    tmp_path: Path, shipped: Path, trusted: Path
) -> None:
    (tmp_path / "evil.pt").write_bytes(b"evil")
    (shipped / "link.pt").symlink_to(tmp_path / "evil.pt")
    with pytest.raises(TrustError, match="did not come"):
        check(shipped / "link.pt", shipped)


def test_a_preset_that_was_sent_with_a_model_does_not_run_it(tmp_path: Path, trusted: Path) -> None:
    (tmp_path / "gift.pt").write_bytes(b"program")
    (tmp_path / "gift.toml").write_text('model = "gift.pt"')
    with pytest.raises(PresetError, match="a model can do what a program can"):
        presets.load(tmp_path / "gift.toml")
    ran = CliRunner().invoke(main, ["presets", "--trust", str(tmp_path / "gift.pt")])
    assert ran.exit_code == 0
    assert str(trusted) in ran.output
    assert presets.load(tmp_path / "gift.toml").model == tmp_path / "gift.pt"


def test_trusting_what_is_not_there_is_one_line(tmp_path: Path, trusted: Path) -> None:
    ran = CliRunner().invoke(main, ["presets", "--trust", str(tmp_path / "none.pt")])
    assert ran.exit_code == 2
    assert "cannot be read: No such file" in ran.stderr
    assert not trusted.exists()


def test_a_full_disk_leaves_the_old_list(
    tmp_path: Path, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.pt", "b.pt"):
        (tmp_path / name).write_bytes(name.encode())
    trust(tmp_path / "a.pt")
    before = trusted.read_text()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(TrustError, match="cannot be written: No space left"):
        trust(tmp_path / "b.pt")
    assert trusted.read_text() == before
    assert [path.name for path in trusted.parent.iterdir()] == [trusted.name]
