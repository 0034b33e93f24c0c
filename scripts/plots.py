"""Plots for docs/ from what the measuring commands print with --json.

    midi-diffuse bench samplers --data clean.npz --json > samplers.json
    python -m scripts.plots samplers samplers.json -o docs/pictures/samplers.png
    midi-diffuse evaluate --data clean.npz --task replay --json > replay.json
    python -m scripts.plots replay replay.json -o docs/pictures/replay.png

Needs matplotlib (`pip install -e .[dev]`). Every line has its own marker, so that it can be told
apart without colours.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, ScalarFormatter

from engine.evaluation.rollout_score import all_known

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#8a6d00", "#000000", "#7f7f7f")
"""Okabe and Ito's, which colour-blind readers tell apart; yellow darkened for a white ground."""
_MARKERS = "osD^vPX*"
_GREY = "#555555"
_DPI = 110
Line = Sequence[tuple[float, float | None]]
"""(x, y) of each point; y None where there is none"""


class PlotError(ValueError):
    """A file that is not what the plot is of."""


def samplers(found: Any) -> Figure:
    """note F1, mean ratio to the half-split distance, and time, against calls, a line a sampler.

    found: `midi-diffuse bench samplers --json`. Raises PlotError.
    """
    if not isinstance(found, dict) or "calls" not in found.get("tables", {}):
        raise PlotError("not a study of samplers; want `midi-diffuse bench samplers --json`")
    rows = found["tables"]["calls"]
    wrong = found["wrong piece"]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    panels = figure.subplots(1, 3)
    f1, ratio, ms = panels
    for panel, key in ((f1, "note_f1"), (ratio, "mean_ratio"), (ms, "ms_per_reply")):
        _lines(panel, _by_sampler(rows, key))
        _axis_of_calls(panel, sorted({row["steps"] for row in rows}))
    _label(f1, "note F1 with the composer", "higher is better")
    _label(ratio, "distance to human music,\nin half-split distances", "lower is better")
    _label(ms, "time of one reply, ms", "")
    _axis_of_time(ms)
    _across(f1, wrong["note_f1"], "wrong piece")
    _across(ratio, 1.0, "composers")
    if wrong["mean_ratio"] is not None:
        _across(ratio, wrong["mean_ratio"], "wrong piece")
    f1.set_ylim(bottom=0)
    ratio.set_ylim(bottom=0)
    names, columns = panels[0].get_legend_handles_labels(), len(_by_sampler(rows, "note_f1"))
    figure.legend(*names, loc="outside lower center", ncols=min(columns, 4), frameon=False)
    figure.suptitle(f"{found['model']}: {found['windows']} held-out windows, harmonize")
    return figure


def replay(found: Any) -> Figure:
    """note F1 and dissonance against the commit horizon, a line a model, beside what bounds them.

    found: `midi-diffuse evaluate --task replay --json`. Raises PlotError.
    """
    all_found = found if isinstance(found, list) else [found]
    one = next((e for e in all_found if isinstance(e, dict) and e.get("task") == "replay"), None)
    if one is None:
        raise PlotError("not a causal replay; want `midi-diffuse evaluate --task replay --json`")
    replies, human = one["harmony"]["replies"], one["harmony"]["human"]["profile"]
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    f1, dissonant = figure.subplots(1, 2)
    _lines(f1, _by_horizon(one, replies, _f1))
    _lines(dissonant, _by_horizon(one, replies, _dissonant))
    for panel, of in ((f1, _f1), (dissonant, _dissonant)):
        for name in one["models"]:
            _across(panel, of(replies[all_known(name)]), f"{name},\nlead known")
        _across(panel, of(replies["wrong piece"]), "wrong piece")
        panel.set_xlabel("commit horizon, beats")
        panel.set_ylim(bottom=0)
        beats = sorted({row["horizon_beats"] for row in one["horizons"]})
        panel.xaxis.set_major_locator(FixedLocator(beats))
    _across(dissonant, human["dissonant"], "composers")
    _label(f1, "note F1 with the composer", "higher is better")
    _label(dissonant, "dissonant share of sounding pairs", "nearer to the composers is better")
    names = f1.get_legend_handles_labels()
    figure.legend(*names, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(f"lead revealed beat by beat, {one['windows']} held-out windows")
    return figure


def _f1(reply: Mapping[str, Any]) -> float:
    return float(reply["note_f1"])


def _dissonant(reply: Mapping[str, Any]) -> float:
    return float(reply["profile"]["dissonant"])


def _by_sampler(rows: Sequence[Mapping[str, Any]], key: str) -> dict[str, Line]:
    names = dict.fromkeys(row["sampler"] for row in rows)
    return {
        name: sorted((row["steps"], row[key]) for row in rows if row["sampler"] == name)
        for name in names
    }


def _by_horizon(one: Mapping[str, Any], replies: Mapping[str, Any], of: Any) -> dict[str, Line]:
    return {
        name: sorted(
            (row["horizon_beats"], of(replies[row["player"]]))
            for row in one["horizons"]
            if row["model"] == name
        )
        for name in one["models"]
    }


def _lines(panel: Axes, lines: Mapping[str, Line]) -> None:
    for index, (name, points) in enumerate(lines.items()):
        there = [(x, y) for x, y in points if y is not None]
        panel.plot(
            [x for x, _ in there],
            [y for _, y in there],
            label=name,
            linewidth=1.6,
            markersize=5,
            color=_COLOURS[index % len(_COLOURS)],
            marker=_MARKERS[index % len(_MARKERS)],
            linestyle="--" if name.endswith("threshold") else "-",
        )
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(axis="y", color="#dddddd", linewidth=0.6)


def _across(panel: Axes, value: float, name: str) -> None:
    """Draw a level line, named beside its right end, where no other line runs."""
    panel.axhline(value, color=_GREY, linewidth=1.0, linestyle=":")
    panel.annotate(
        name,
        (1.0, value),
        xycoords=("axes fraction", "data"),
        xytext=(3, 0),
        textcoords="offset points",
        ha="left",
        va="center",
        fontsize=8,
        color=_GREY,
    )


def _axis_of_calls(panel: Axes, calls: Sequence[int]) -> None:
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(FixedLocator(list(calls)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(ScalarFormatter())
    panel.set_xlabel("calls of the network")


def _axis_of_time(panel: Axes) -> None:
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(ScalarFormatter())


def _label(panel: Axes, what: str, reading: str) -> None:
    panel.set_ylabel(what)
    panel.set_title(reading, fontsize=9, color=_GREY)


PLOTS = {"samplers": samplers, "replay": replay}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the JSON, draw, write the PNG; mistakes in one line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.plots", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("plot", choices=PLOTS)
    parser.add_argument("file", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    told = parser.parse_args(arguments)
    try:
        figure = PLOTS[told.plot](json.loads(told.file.read_text(encoding="utf-8")))
        figure.savefig(told.out, dpi=_DPI, metadata={"Software": ""})
    except (OSError, ValueError) as err:
        parser.error(f"{told.file}: {err}")


if __name__ == "__main__":
    main()
