"""Our Lua scripts for Ardour, run in a real one, without its window."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.make_daw import FOLDER
from tests.live.ardour import Ardour, Note
from tests.live.conftest import StartBand, need

pytestmark = [pytest.mark.live, pytest.mark.timeout(150)]
BEAT = 1920
COMMAND = f"env PYTHONPATH={Path(__file__).parents[2]} {sys.executable} -m bridge"
DO = """
{before}
dofile("{script}")
as_in_the_editor()
local done, text = pcall(factory({{ command = "{command}", options = "{options}" }}))
print("DONE", done, text)
local track = Session:route_by_name("midi-diffuse")
if not track:isnil() then
  for r in track:to_track():playlist():region_list():iter() do
    print("REGION", r:name(), r:position(), r:length())
    for n in ARDOUR.LuaAPI.note_list(r:to_midiregion():midi_source(0):model()):iter() do
      print("NOTE", n:time(), n:length(), n:note(), n:velocity())
    end
  end
end
local count = 0
for n in ARDOUR.LuaAPI.note_list(melody:to_midiregion():midi_source(0):model()):iter() do
  count = count + 1
end
print("MELODY", count)
"""
FIRST = "for r in selected:iter() do melody = r end"


@pytest.fixture
def daw(jack: str, tmp_path: Path) -> Ardour:
    """A session at 100 bpm in 3/4, quarter notes on Melody."""
    need("ardour7-lua")
    found = Ardour(tmp_path, 100.0, 3, jack)
    found.make([Note(beat, 0.9, 60 + beat % 5) for beat in range(9)], loop=(0, 9))
    return found


def harmonized(daw: Ardour, before: str = "", options: str = "--preset fixture") -> str:
    text = DO.format(
        before=FIRST + before,
        script=FOLDER / "ardour" / "midi-diffuse.lua",
        command="harmonize",
        options=options,
    )
    return daw.script("harmonize", text, MIDI_DIFFUSE=COMMAND)


def notes(said: str) -> list[tuple[float, int]]:
    """Onset in beats of the region and pitch."""
    found = re.findall(r"^NOTE (\d+):(\d+) \S+ (\d+)", said, re.M)
    return sorted((int(beat) + int(tick) / BEAT, int(pitch)) for beat, tick, pitch in found)


def test_the_answer_to_a_region_is_on_a_new_track_in_time_with_it(daw: Ardour) -> None:
    said = harmonized(daw)
    assert "DONE true" in said
    # The fixture's triads, one under each note; whole bars, from the song's start.
    lead = [60 + beat % 5 for beat in range(9)]
    triads = [(float(b), p - 12 + step) for b, p in enumerate(lead) for step in (0, 4, 7)]
    assert notes(said) == sorted(triads)
    assert f"REGION midi-diffuse b0 b{9 * BEAT}@b0" in said
    assert "MELODY 9" in said  # which is a region of its own, and stays as it is
    saved = list(daw.folder.glob("song/interchange/song/midifiles/Melody-*.mid"))
    assert len(saved) == 1


def test_a_region_within_a_bar_is_answered_from_its_bar_line(daw: Ardour) -> None:
    move = f" melody:set_position(Temporal.timepos_t.from_ticks({4 * BEAT}))"
    said = harmonized(daw, move)
    assert "DONE true" in said
    assert f"REGION midi-diffuse b{3 * BEAT} " in said
    onsets = {onset for onset, _ in notes(said)}
    assert {1.0, 2.0, 3.0} <= onsets  # the melody begins a beat after the bar line
    assert all(onset == int(onset) for onset in onsets)


def test_what_is_wrong_is_said_and_nothing_is_made(daw: Ardour) -> None:
    said = harmonized(daw, options="--preset nonsense")
    assert "DONE false" in said
    assert "no preset 'nonsense'" in said
    assert "REGION" not in said
    empty = daw.script(
        "empty",
        f"selected = {{ iter = function () return function () end end }}\n"
        f'dofile("{FOLDER / "ardour" / "midi-diffuse.lua"}")\n'
        "print(pcall(factory({})))",
    )
    assert "select a MIDI region first" in empty


def test_the_setup_script_connects_tracks_clock_and_daemon(band: StartBand, daw: Ardour) -> None:
    setup = f'dofile("{FOLDER / "ardour" / "midi-diffuse-setup.lua"}") print(pcall(factory()))'
    assert "start `midi-diffuse serve`" in daw.script("early", setup)
    band("--reply", "next-bar", "--listen-bars", "1", "--meter", "3/4")
    stop = daw.sample(8.5)
    said = daw.script(
        "setup",
        f"""
{setup}
ARDOUR.LuaAPI.usleep(500000)
os.execute("jack_lsp -c")
local ui = ARDOUR.TransportRequestSource.TRS_UI
for try = 1, 5 do
  Session:maybe_enable_record(false)
  ARDOUR.LuaAPI.usleep(500000)
  Session:request_roll(ui)
  for _ = 1, 500 do
    ARDOUR.LuaAPI.usleep(20000)
    if Session:transport_sample() >= {stop} then break end
  end
  Session:request_stop(false, false, ui)
  ARDOUR.LuaAPI.usleep(1000000)
  local count = 0
  local back = Session:route_by_name("midi-diffuse"):to_track():playlist()
  for _ in back:region_list():iter() do count = count + 1 end
  if count > 0 then break end
  Session:request_locate(0, false, ARDOUR.LocateTransportDisposition.MustStop, ui)
  ARDOUR.LuaAPI.usleep(1000000)
end
""",
        JACK_DEFAULT_SERVER=daw.server,
    )
    assert "true" in said
    (take,) = daw.takes("midi-diffuse")
    heard = {round(note.onset_beats) for note in take}
    # Every beat of the melody's first bars, one bar later: notes and clock came through.
    assert heard >= {3, 4, 5, 6, 7}
    assert min(heard) == 3


def test_scripts_are_lua() -> None:
    need("luac5.4")
    for path in sorted(FOLDER.glob("*/*.lua")):
        subprocess.run(["luac5.4", "-p", str(path)], check=True)
