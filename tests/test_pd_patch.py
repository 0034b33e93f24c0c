"""The Pure Data patch: sound in structure, and really run."""

from __future__ import annotations

import os
import queue
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.client.rig import DaemonProcess
from bridge.commands import Act, AskParameter, Command, OscOut, SetParameter
from bridge.osc.schema import IN_ROWS, OUT_ROWS
from bridge.osc.server import OscServer
from bridge.settings.groups import APART, ESSENTIAL
from bridge.settings.parameters import BY_NAME, PARAMETERS
from scripts.make_patches import FOLDER
from scripts.patch_layout import BUTTONS, REPLY_PORT, SEND_PORT, preset_names

WAIT_S = 20.0
ADDRESSES = {row.address for row in (*IN_ROWS, *OUT_ROWS)}

# What Pd's reference says, kept apart from the generator's own tables.
PD_PORTS = {
    "bng": (1, 1), "tgl": (1, 1), "hradio": (1, 1), "cnv": (0, 0), "floatatom": (1, 1),
    "symbolatom": (1, 1), "msg": (1, 1), "text": (0, 0), "r": (0, 1), "s": (1, 0),
    "oscformat": (1, 1), "oscparse": (1, 1), "list prepend": (2, 1), "list trim": (1, 1),
    "list": (2, 1), "loadbang": (0, 1), "metro": (2, 1), "del": (2, 1),
    "netsend": (1, 2), "netreceive": (1, 1),
    "notein": (0, 3), "noteout": (3, 0), "makenote": (3, 2), "spigot": (2, 1), "expr": (2, 1),
    "pd": (0, 0),
}  # fmt: skip


def pd_canvases(text: str) -> list[tuple[list[str], list[list[int]]]]:
    """Of every canvas: its elements in order (`obj ...`, `msg ...`), and its cables."""
    done: list[tuple[list[str], list[list[int]]]] = []
    stack: list[tuple[list[str], list[list[int]]]] = []
    for line in text.splitlines():
        assert line.endswith(";")
        kind, _, rest = line[3:-1].partition(" ")
        if line.startswith("#N"):
            stack.append(([], []))
        elif kind == "connect":
            stack[-1][1].append([int(word) for word in rest.split()])
        elif kind == "restore":
            done.append(stack.pop())
            stack[-1][0].append(f"obj {rest}")
        else:
            stack[-1][0].append(f"{kind} {rest}")
    assert len(stack) == 1
    return [*done, *stack]


def pd_ports(element: str) -> tuple[int, int]:
    kind, _, _, *words = element.split()
    if kind != "obj":
        return PD_PORTS[kind]
    name, count = words[0], len(words) - 1
    if name in ("route", "sel", "t", "pack", "unpack"):
        counted = {
            "route": (1, count + 1),
            "sel": (1, count + 1),
            "t": (1, count),
            "pack": (count, 1),
        }
        return counted.get(name, (1, count))
    return PD_PORTS[" ".join(words[:2])] if name == "list" and count else PD_PORTS[name]


@pytest.fixture(scope="module")
def pd_text() -> str:
    return (FOLDER / "midi-diffuse.pd").read_text()


def test_pd_cables_join_ports_that_exist(pd_text: str) -> None:
    canvases = pd_canvases(pd_text)
    assert len(canvases) == 7
    for elements, cables in canvases:
        for source, outlet, destination, inlet in cables:
            assert outlet < pd_ports(elements[source])[1], elements[source]
            assert inlet < pd_ports(elements[destination])[0], elements[destination]
    assert sum(len(cables) for _, cables in canvases) > 3 * len(PARAMETERS)


def test_pd_addresses(pd_text: str) -> None:
    sent = set(re.findall(r"oscformat diffuse (\w+)", pd_text))
    assert sent == {*BY_NAME, *BUTTONS, "freeze", "note", "subscribe", "ping"}
    assert {f"/diffuse/{name}" for name in sent} <= ADDRESSES
    heard = set(re.findall(r"route (state [\w ]+?|note);", pd_text))
    names = {name for words in heard for name in words.split()}
    assert names
    assert {f"/diffuse/out/{name}" for name in names - {"param"}} <= ADDRESSES


def test_pd_has_a_control_a_parameter_with_its_range(pd_text: str) -> None:
    for row in PARAMETERS:
        if row.kind in ("float", "int"):
            limits = f"{row.low:.10g} {row.high:.10g}"
            wanted = rf"floatatom \d+ \d+ \d+ {limits} 0 - md-{row.name}-set md-{row.name} "
        elif row.kind == "choice":
            wanted = rf"hradio \d+ 1 0 {len(row.choices)} md-{row.name} md-{row.name}-radio "
        elif row.kind == "bool":
            wanted = rf"tgl \d+ 0 md-{row.name} md-{row.name}-set "
        else:  # the preset has buttons besides
            wanted = rf"symbolatom \d+ \d+ \d+ 0 0 0 - md-{row.name}-set md-{row.name} "
        assert len(re.findall(wanted, pd_text)) == 1, row.name


def test_pd_opens_on_essentials_and_the_rest_is_one_click_away(pd_text: str) -> None:
    *_, (top, _) = pd_canvases(pd_text)
    (within,) = (n for n, element in enumerate(top) if element.endswith(" pd more"))
    assert within
    shown = {name for name in BY_NAME if any(f" md-{name}-set" in element for element in top)}
    assert shown == {*APART, *ESSENTIAL}
    (more,) = (
        elements
        for elements, _ in pd_canvases(pd_text)[:-1]
        if sum(" md-seed-set" in element for element in elements if "atom" in element)
    )
    rest = {name for name in BY_NAME if any(f" md-{name}-set" in element for element in more)}
    assert rest == set(BY_NAME) - shown
    told = ("connected", "told-state", "told-chord_now", "told-key", "told-latency")
    assert all(any(f" md-{name}-set" in element for element in top) for name in told)


def test_what_is_told_sets_no_parameter(pd_text: str) -> None:
    told = set(re.findall(r"md-told-(\w+)-set", pd_text))
    assert {"key", "state", "bar", "chord_now"} <= told
    # The key that is heard is no lock: they have a box each.
    assert len(re.findall(r"symbolatom .* md-key-set - ", pd_text)) == 1


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Pd:
    """Pure Data running the patch with other ports, and an observer that prints what is set."""

    WATCHED = (
        "key-set",
        "told-key-set",
        "temperature-set",
        "mode-set",
        "mode-radio",
        "meter-set",
        "error-set",
        "told-bar-set",
        "connected-set",
    )

    def __init__(self, folder: Path, port: int, reply_port: int, sent: tuple[str, ...]) -> None:
        self.printed: queue.SimpleQueue[str] = queue.SimpleQueue()
        text = (FOLDER / "midi-diffuse.pd").read_text()
        patch, observer = folder / "midi-diffuse.pd", folder / "observer.pd"
        # Both in one go: the new port may contain the old one's digits.
        ports = {str(SEND_PORT): str(port), str(REPLY_PORT): str(reply_port)}
        patch.write_text(re.sub("|".join(ports), lambda found: ports[found[0]], text))
        observer.write_text(self._observer())
        words = [pd_program(), "-nogui", "-noaudio", "-nomidi", "-noprefs", "-stderr"]
        words += ["-open", str(patch), "-open", str(observer), "-send", ";".join(sent)]
        self.process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _observer(self) -> str:
        lines = ["#N canvas 0 0 400 400 12;"]
        for i, name in enumerate(self.WATCHED):
            lines += [f"#X obj 10 {40 * i} r md-{name};", f"#X obj 10 {40 * i + 20} print {name};"]
        lines += [f"#X connect {2 * i} 0 {2 * i + 1} 0;" for i in range(len(self.WATCHED))]
        return "\n".join(lines) + "\n"

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.printed.put(line.strip())

    def wait_for(self, wanted: set[str]) -> None:
        """Until Pd has printed all of these lines, in any order."""
        seen: set[str] = set()
        end = time.monotonic() + WAIT_S
        while not wanted <= seen:
            try:
                seen.add(self.printed.get(timeout=max(end - time.monotonic(), 0)))
            except queue.Empty:
                pytest.fail(f"Pd did not print {wanted - seen} but {sorted(seen)}")

    def __enter__(self) -> Pd:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        self.reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


def pd_program() -> str:
    pd = shutil.which("pd")
    if pd is None:
        message = "Pure Data is not installed (apt install puredata-core)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return pd


@pytest.fixture
def server() -> Iterator[tuple[OscServer, queue.SimpleQueue[Command]]]:
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    made = OscServer("127.0.0.1", 0, free_port(), commands.put)
    made.start()
    yield made, commands
    made.stop()


def test_pd_patch_speaks_and_hears(
    tmp_path: Path, server: tuple[OscServer, queue.SimpleQueue[Command]]
) -> None:
    """It sets what is set in it, subscribes, asks for everything, and shows what it is told."""
    osc, commands = server
    sent = (
        "md-temperature 0.5",
        "md-mode 2",
        "md-preset-choice 1",
        "md-key 2",
        "md-bypass 1",
        "md-chord symbol Am7",
        "md-meter symbol 7/8",
        "md-panic bang",
        "md-freeze 1",
    )
    asked: set[str] = set()
    set_to: dict[str, object] = {}
    acts: dict[str, tuple[object, ...]] = {}
    with Pd(tmp_path, osc.port, osc.reply_port, sent) as pd:
        while not (asked == set(BY_NAME) and len(set_to) == 7 and len(acts) == 4):
            found = commands.get(timeout=WAIT_S)
            if isinstance(found, AskParameter):
                asked.add(found.name)
            elif isinstance(found, SetParameter):
                set_to[found.name] = found.value
            elif isinstance(found, Act):
                acts[found.name] = found.arguments
        assert set_to == {
            "temperature": 0.5,
            "mode": "infill",
            "preset": preset_names()[1],
            "key": "C#",
            "bypass": True,
            "chord": "Am7",
            "meter": "7/8",
        }
        here = ("127.0.0.1", osc.reply_port)
        assert acts == {"panic": (), "freeze": (True,), "subscribe": here, "ping": ()}
        assert osc.counts.malformed == 0

        osc.subscribe(here, True)
        osc.send(OscOut("/diffuse/out/param/temperature", (1.25,)))
        osc.send(OscOut("/diffuse/out/param/mode", ("vary",)))
        osc.send(OscOut("/diffuse/out/param/meter", ("3/4",)))
        osc.send(OscOut("/diffuse/out/bar", (17,)))
        osc.send(OscOut("/diffuse/out/key", ("E minor",)))
        osc.send(OscOut("/diffuse/out/param/key", ("D",)))
        osc.send(OscOut("/diffuse/out/error", ("/diffuse/mode", "no such mode")))
        pd.wait_for(
            {
                "temperature-set: set 1.25",
                "mode-radio: set 3",
                "told-key-set: set E\\ minor",
                "key-set: set D",
                "mode-set: set vary",
                "meter-set: set 3/4",
                "told-bar-set: set 17",
                "error-set: set no\\ such\\ mode",
            }
        )


def test_pd_patch_controls_the_daemon(tmp_path: Path) -> None:
    pd_program()
    reply_port = free_port()
    with (
        DaemonProcess("--preset", "fixture", reply_port=reply_port) as daemon,
        Pd(
            tmp_path,
            daemon.osc_port,
            reply_port,
            ("md-temperature 0.5", "md-mode 1", "md-meter symbol 4/5", "md-start bang"),
        ) as pd,
    ):
        pd.wait_for(
            {
                "temperature-set: set 0.5",
                "mode-set: set continue",
                "mode-radio: set 1",
                "meter-set: set 4/4",
                "told-bar-set: set 2",
                "connected-set: set 1",
            }
        )
