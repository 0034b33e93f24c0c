"""What keeps to a grammar and is wrong in its values: a result or an error of ours, never another.

Found so, and kept as examples: `/diffuse/meter "²/4"`, numbers of 400 digits, texts as figures.
`scripts/fuzz` runs many more of each.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from bridge.cli.status import Status, _take
from bridge.cli.status import lines as status_lines
from bridge.commands import LogLine, MidiIn, OscOut, SetParameter, Tick
from bridge.live.session import Session
from bridge.osc.reading import OscProblem, hint, parse_packet
from bridge.osc.wire import OscMessage, encode_packet
from bridge.settings.parameters import PARAMETERS
from bridge.settings.presets import PresetError, load
from bridge.settings.rows import ParameterError
from bridge.settings.values import check_value
from engine.training.corpus import CorpusError, manifest_pieces
from tests.bridge import grammar

FUZZ = grammar.FUZZ


@FUZZ
@given(st.lists(grammar.packets, max_size=6))
@example([grammar.packet("/diffuse/meter", [("s", "²/4")])])
@example([grammar.packet("/diffuse/meter", [("s", "9" * 190 + "/4")])])
@example([grammar.packet("/diffuse/steps", [("f", 12.73)])])
@example([grammar.packet("/diffuse/chord", [("s", "C/Q")])])
def test_osc_messages_are_commands_or_problems_and_a_session_takes_them(
    packets: list[bytes],
) -> None:
    session = Session({"clock": "internal"})
    for at_ns, each in enumerate(packets):
        for found in parse_packet(each, at_ns, ("127.0.0.1", 5000), 0):
            if isinstance(found, OscProblem):
                assert not found.text.startswith("not understood ("), found
                hint(found)
                continue
            for effect in session.step(found):
                if isinstance(effect, OscOut):
                    assert len(encode_packet(effect.address, effect.arguments)) <= 1400
                    assert effect.address.startswith("/diffuse/out/")
        session.step(Tick(at_ns))


@FUZZ
@given(grammar.names, grammar.values)
@example("seed", 10**5000)
@example("tempo", 10**400)
@example("key", "bb minor")
def test_every_value_is_taken_or_refused(name: str, value: object) -> None:
    if name not in {row.name for row in PARAMETERS}:
        return
    problem = ""
    try:
        value = check_value(name, value)
    except ParameterError as err:
        problem = str(err)
    assert len(problem) < 2000
    assert problem or check_value(name, value) == value


@FUZZ
@given(grammar.presets)
@example('model = "fixture"\n[settings]\nmeter = "²/4"')
@example("x = " + "[" * 5000 + "]" * 5000)
@example('model = "a\\u0000b"')
@example('model = "\\n"')
@example('model = "~nobody-of-this-name/x"')
def test_every_preset_is_one_or_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "strange.toml"
    path.write_text(text, encoding="utf-8")
    problem = ""
    try:
        Session(load(path).complete())
    except PresetError as err:
        problem = str(err)
    assert "\n" not in problem


@FUZZ
@given(st.lists(st.tuples(grammar.midi, st.integers(0, 30_000_000)), max_size=60))
def test_a_session_takes_every_midi_message(played: list[tuple[tuple[int, ...], int]]) -> None:
    session, now_ns = Session({"thru": True}), 0
    for data, after_ns in played:
        now_ns += after_ns
        session.step(MidiIn(now_ns, data))
        effects = session.step(Tick(now_ns))
        assert not [each for each in effects if isinstance(each, LogLine) and each.level > 40]
    session.step(SetParameter(now_ns, "bypass", True))


@FUZZ
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["stats", "state", "param/mode", "x"]),
            st.lists(grammar.texts | grammar.floats | grammar.integers, max_size=3),
        ),
        max_size=5,
    )
)
@example([("stats", ["fresh", "many"])])
@example([("stats", ["late", "\x1b[2J"])])
def test_status_takes_every_answer(answers: list[tuple[str, list[object]]]) -> None:
    found = Status()
    for name, arguments in answers:
        _take(OscMessage(f"/diffuse/out/{name}", tuple(arguments)), found)  # type: ignore[arg-type]
    assert all(isinstance(line, str) for line in status_lines(found))


@FUZZ
@given(st.lists(st.tuples(grammar.texts, grammar.texts), min_size=1, max_size=4))
@example([("../../../etc/passwd", "x")])
@example([("/dev/zero", "x")])
@example([("a\x00b", "x")])
@example([("manifest.csv", "")])
def test_no_manifest_leads_out_of_its_folder(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    head = "file,corpus,split,melody_track\n"
    clean = (
        [each.replace('"', "").replace("\n", "").replace("\r", "") for each in row] for row in rows
    )
    body = "".join(f'"{file}","{corpus}",train,\n' for file, corpus in clean)
    written = (head + body).encode(errors="ignore")
    (tmp_path / "manifest.csv").write_bytes(written)
    try:
        pieces = list(manifest_pieces(tmp_path))
    except CorpusError:
        return
    # It may name itself, and nothing else is in its folder.
    assert all(piece.data in (b"", written) for piece in pieces)
