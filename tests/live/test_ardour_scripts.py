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
function show(name)
  local track = Session:route_by_name(name)
  if track:isnil() then return print("NONE") end
  for r in track:to_track():playlist():region_list():iter() do
    print("REGION", r:name(), r:position(), r:length())
    for n in ARDOUR.LuaAPI.note_list(r:to_midiregion():midi_source(0):model()):iter() do
      print("NOTE", n:time(), n:length(), n:note(), n:velocity())
    end
  end
end
local melody
for r in selected:iter() do melody = r end
dofile("{folder}/ardour/midi-diffuse-setup.lua")
local setup = factory()
dofile("{folder}/ardour/midi-diffuse.lua")
as_in_the_editor()
print("PART no daemon")
print(pcall(setup))
print("PART no preset")
print(pcall(factory({{ command = "harmonize", options = "--preset nonsense" }})))
show("midi-diffuse")
print("PART whole")
print(pcall(factory({{ command = "harmonize", options = "--preset fixture" }})))
show("midi-diffuse")
print("PART moved")
melody:set_position(Temporal.timepos_t.from_ticks({moved}))
print(pcall(factory({{ command = "harmonize", options = "--preset fixture" }})))
show("midi-diffuse 1")
print("PART nothing selected")
selected = {{ iter = function () return function () end end }}
print(pcall(factory({{}})))
print("PART melody")
show("Melody")
"""


@pytest.fixture
def daw(jack: str, tmp_path: Path) -> Ardour:
    """A session at 100 bpm in 3/4, quarter notes on Melody."""
    need("ardour7-lua")
    found = Ardour(tmp_path, 100.0, 3, jack)
    found.make([Note(beat, 0.9, 60 + beat % 5) for beat in range(9)], loop=(0, 9))
    return found


def notes(said: str) -> list[tuple[float, int]]:
    """Onset in beats of the region and pitch."""
    found = re.findall(r"^NOTE (\d+):(\d+) \S+ (\d+)", said, re.M)
    return sorted((int(beat) + int(tick) / BEAT, int(pitch)) for beat, tick, pitch in found)


def test_the_answer_to_a_region_is_on_a_new_track_in_time_with_it(daw: Ardour) -> None:
    text = DO.format(folder=FOLDER, moved=4 * BEAT)
    said = daw.script("regions", text, MIDI_DIFFUSE=COMMAND)
    parts = dict(part.split("\n", 1) for part in said.split("PART ")[1:])
    # The fixture's triads, one under each note; whole bars, from the song's start.
    lead = [60 + beat % 5 for beat in range(9)]
    triads = [(float(b), p - 12 + step) for b, p in enumerate(lead) for step in (0, 4, 7)]
    assert notes(parts["whole"]) == sorted(triads)
    assert f"REGION midi-diffuse b0 b{9 * BEAT}@b0" in parts["whole"]
    # The melody is a region of its own, and stays as it is.
    assert len(notes(parts["melody"])) == 9
    # A region within a bar is answered from its bar line.
    assert f"REGION midi-diffuse b{3 * BEAT} " in parts["moved"]
    onsets = {onset for onset, _ in notes(parts["moved"])}
    assert {1.0, 2.0, 3.0} <= onsets
    assert all(onset == int(onset) for onset in onsets)
    # What is wrong is said, and nothing is made.
    assert "no preset 'nonsense'" in parts["no preset"]
    assert "NONE" in parts["no preset"]
    assert "select a MIDI region first" in parts["nothing selected"]
    assert "start `midi-diffuse serve`" in parts["no daemon"]


def test_the_setup_script_connects_tracks_clock_and_daemon(band: StartBand, daw: Ardour) -> None:
    setup = f'dofile("{FOLDER / "ardour" / "midi-diffuse-setup.lua"}") print(pcall(factory()))'
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
