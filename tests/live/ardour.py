"""A real DAW for the tests: Ardour without its window, over JACK's dummy driver.

Its Lua runner makes a session with the tracks Melody and Return. The melody, tempo and meter are
written into the session's XML, since the runner cannot import a file. A second run connects the
ports, arms Return, works the transport and saves: the take is read back from the session.
"""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mido

SAMPLE_RATE = 48_000
_TRIES, _THROWN_OUT = 3, "JACK HALTED"
_TICKS_PER_BEAT = 1920  # in Ardour's session files
_MELODY_ID, _REGION_ID, _PLAYED_ID, _LOOP_ID = "900001", "900002", "900003", "900004"

_MAKE = """
AudioEngine:set_backend("JACK", "ardour", "")
local session = create_session("{folder}", "song", {rate})
local one = ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1)
for _, name in ipairs({{"Melody", "Return"}}) do
  session:new_midi_track(one, one, true, ARDOUR.PluginInfo(), nil, nil, 1, name,
    ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
end
session:save_state("")
close_session()
quit()
"""

_RUN = """
AudioEngine:set_backend("JACK", "ardour", "")
local session = load_session("{folder}", "song")
local ui = ARDOUR.TransportRequestSource.TRS_UI

function wait(seconds)
  for _ = 1, math.floor(seconds * 50) do ARDOUR.LuaAPI.usleep(20000) end
end

-- Or give up when the transport has stood still for four seconds.
function reach(sample)
  local now, left = session:transport_sample(), 200
  while now < sample and left > 0 do
    ARDOUR.LuaAPI.usleep(20000)
    left = session:transport_sample() == now and left - 1 or 200
    now = session:transport_sample()
  end
end

function roll() session:request_roll(ui) end
function stop() session:request_stop(false, false, ui); wait(0.5) end
function locate(sample)
  session:request_locate(sample, false, ARDOUR.LocateTransportDisposition.MustStop, ui)
  wait(1)
end
function loop() session:request_play_loop(true, false) end

local back = session:route_by_name("Return"):to_track()
back:rec_enable_control():set_value(1, PBD.GroupControlDisposition.NoGroup)
wait(0.5)
session:route_by_name("Melody"):output():nth(0):connect("{daemon_in}")
session:route_by_name("Return"):input():nth(0):connect("{daemon_out}")
os.execute("jack_connect ':MIDI Clock out' '{daemon_in}' >/dev/null 2>&1 || "
  .. "jack_connect 'ardour:MIDI Clock out' '{daemon_in}'")
session:maybe_enable_record(false)
wait(0.5)
{steps}
wait(0.5)
session:save_state("")
close_session()
quit()
"""


_SCRIPT = """
AudioEngine:set_backend("JACK", "ardour", "")
Session = load_session("{folder}", "song")
selected = Session:route_by_name("Melody"):to_track():playlist():region_list()
local list = {{ regionlist = function () return selected end }}
Editor = {{ get_selection = function () return {{ regions = list }} end }}
ardour = function () end
local execute = os.execute
-- What the editor's Lua lacks, and how its `execute` answers.
function as_in_the_editor ()
  package, debug, require = nil, nil, nil
  os.execute = function (words) execute (words) return 0 end
end
{text}
Session:save_state("")
close_session()
quit()
"""


@dataclass(frozen=True, slots=True)
class Note:
    """Times in beats of the song."""

    onset_beats: float
    length_beats: float
    pitch: int


@dataclass(frozen=True, slots=True)
class Ardour:
    """A session in `folder`: quarter notes at `bpm`, bars of `beats_per_bar` quarters."""

    folder: Path
    bpm: float
    beats_per_bar: int
    server: str

    def make(self, melody: Sequence[Note], loop: tuple[int, int]) -> None:
        """Create the session with this melody on its track; `loop`: from and to, in beats."""
        config = self.folder / "config" / "ardour7"
        config.mkdir(parents=True)
        (config / "config").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<Ardour><Config><Option name="send-midi-clock" value="1"/></Config></Ardour>\n'
        )
        self._lua("make", _MAKE.format(folder=self._song, rate=SAMPLE_RATE))
        self._write_melody(melody)
        self._edit(melody, loop)

    def perform(self, daemon_in: str, daemon_out: str, steps: Sequence[str]) -> None:
        """Connect, arm, and do `steps`: Lua calls of roll, stop, reach, locate, loop and wait."""
        names = {"folder": self._song, "daemon_in": daemon_in, "daemon_out": daemon_out}
        self._lua("run", _RUN.format(**names, steps="\n".join(steps)))

    def sample(self, beat: float) -> int:
        """Where a beat of the song lies, in samples."""
        return round(beat * 60 / self.bpm * SAMPLE_RATE)

    def script(self, name: str, text: str, **environment: str) -> str:
        """Load the session, do `text` in Ardour's Lua, save; gives what it printed.

        `Session` is there, and `selected`: the regions that an editor would give as selected.
        """
        script, log = _SCRIPT.format(folder=self._song, text=text), self.folder / f"{name}.log"
        for left in reversed(range(_TRIES)):
            try:
                self._lua(name, script, environment)
                break
            except subprocess.CalledProcessError:
                # On a machine that stands still JACK throws Ardour out.
                if not left or _THROWN_OUT not in log.read_text():
                    raise
        return log.read_text()

    def takes(self, name: str = "Return") -> list[list[Note]]:
        """What a track recorded, take by take, in beats of the song."""
        root = ET.parse(self._xml).getroot()
        files = {source.get("id"): source.get("name") for source in root.iter("Source")}
        track = next(route for route in root.iter("Route") if route.get("name") == name)
        lists = root.iter("Playlist")
        played = next(one for one in lists if one.get("id") == track.get("midi-playlist"))
        takes = []
        for region in sorted(played, key=lambda one: _position(one.attrib)):
            file = files[region.get("source-0")]
            assert file is not None
            takes.append(_notes(self._midi / file, _position(region.attrib)))
        return takes

    @property
    def _song(self) -> Path:
        return self.folder / "song"

    @property
    def _xml(self) -> Path:
        return self._song / "song.ardour"

    @property
    def _midi(self) -> Path:
        return self._song / "interchange" / "song" / "midifiles"

    def _lua(self, name: str, text: str, more: Mapping[str, str] | None = None) -> None:
        script = self.folder / f"{name}.lua"
        script.write_text(text)
        environment = os.environ | {
            "JACK_DEFAULT_SERVER": self.server,
            "JACK_NO_START_SERVER": "1",
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "HOME": str(self.folder),
            **(more or {}),
        }
        with (self.folder / f"{name}.log").open("w") as log:
            subprocess.run(
                ["ardour7-lua", str(script)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                timeout=120,
                check=True,
            )

    def _write_melody(self, melody: Sequence[Note]) -> None:
        events = []
        for note in melody:
            start = round(note.onset_beats * _TICKS_PER_BEAT)
            end = round((note.onset_beats + note.length_beats) * _TICKS_PER_BEAT)
            events += [(start, 1, "note_on", note.pitch), (end, 0, "note_off", note.pitch)]
        track, now = mido.MidiTrack(), 0
        for tick, _, kind, pitch in sorted(events):
            track.append(mido.Message(kind, note=pitch, velocity=80, time=tick - now))
            now = tick
        file = mido.MidiFile(type=0, ticks_per_beat=_TICKS_PER_BEAT)
        file.tracks.append(track)
        self._midi.mkdir(parents=True, exist_ok=True)
        file.save(self._midi / "Melody.mid")

    def _edit(self, melody: Sequence[Note], loop: tuple[int, int]) -> None:
        """Tempo, meter, loop, and the melody as source, region and place on its playlist."""
        tree = ET.parse(self._xml)
        root = tree.getroot()
        root.set("id-counter", "1000000")
        for tempo in root.iter("Tempo"):
            tempo.attrib |= {"npm": str(self.bpm), "enpm": str(self.bpm)}
        for meter in root.iter("Meter"):
            meter.set("divisions-per-bar", str(self.beats_per_bar))
        end = max(note.onset_beats + note.length_beats for note in melody)
        whole = {
            "name": "Melody",
            "muted": "0",
            "opaque": "1",
            "locked": "0",
            "automatic": "0",
            "whole-file": "1",
            "start": "b0",
            "length": f"b{round(end * _TICKS_PER_BEAT)}@b0",
            "sync-position": "b0",
            "ancestral-start": "b0",
            "ancestral-length": "b0@b0",
            "stretch": "1",
            "shift": "1",
            "layering-index": "0",
            "type": "midi",
            "first-edit": "nothing",
            "source-0": _MELODY_ID,
            "master-source-0": _MELODY_ID,
        }
        source = {
            "name": "Melody.mid",
            "take-id": "",
            "type": "midi",
            "flags": "",
            "id": _MELODY_ID,
            "natural-position": "a0",
            "captured-for": "Melody",
            "origin": "",
        }
        start, stop = (f"b{beat * _TICKS_PER_BEAT}" for beat in loop)
        place = {
            "id": _LOOP_ID,
            "name": "Loop",
            "start": start,
            "end": stop,
            "flags": "IsAutoLoop",
            "locked": "0",
            "timestamp": "0",
            "cue": "0",
        }
        ET.SubElement(_only(root, "Locations"), "Location", place)
        ET.SubElement(_only(root, "Sources"), "Source", source)
        ET.SubElement(_only(root, "Regions"), "Region", whole | {"id": _REGION_ID})
        playlist = next(one for one in root.iter("Playlist") if one.get("name") == "Melody")
        ET.SubElement(playlist, "Region", whole | {"id": _PLAYED_ID, "whole-file": "0"})
        tree.write(self._xml, encoding="UTF-8", xml_declaration=True)


def _only(root: ET.Element, name: str) -> ET.Element:
    found = root.find(name)
    assert found is not None
    return found


def _position(region: Mapping[str, str]) -> float:
    """Where a region lies, in beats: its length reads `b<ticks>@b<ticks>`."""
    place = region["length"].split("@")[1]
    assert place[0] == "b", place
    return int(place[1:]) / _TICKS_PER_BEAT


def _notes(path: Path, first_beats: float) -> list[Note]:
    file = mido.MidiFile(path)
    now, open_notes, found = 0, dict[int, int](), list[Note]()
    for message in mido.merge_tracks(file.tracks):
        now += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        if message.type == "note_on" and message.velocity:
            open_notes[message.note] = now
        elif message.note in open_notes:
            start = open_notes.pop(message.note)
            onset = first_beats + start / file.ticks_per_beat
            found.append(Note(onset, (now - start) / file.ticks_per_beat, message.note))
    return sorted(found, key=lambda note: (note.onset_beats, note.pitch))
