"""What `midi-diffuse evaluate` found, as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

_WIDTH = 16


def table(found: dict[str, Any]) -> str:
    """Return one task's result (engine.evaluation: `evaluate.evaluate`,
    `replay_score.rollout_scores`)."""
    lines = [
        f"{', '.join(found['models'])}: {found['task']}, {found['windows']} {found['split']} "
        f"windows of {found['beats']} beats{_of_style(found)}{_of_chords(found)}"
    ]
    nll = found.get("nll", {})
    if nll:
        lines += _likelihoods("-log p", nll)
    if merged := nll.get("merged"):
        lines += ["", *_likelihoods("-log p of merged rolls, 33 to 88", merged)]
    if harmony := found.get("harmony"):
        lines += ["", *_replies(harmony), "", *_by_ear(harmony["by_ear"])]
        lines += _against_rule(harmony.get("against_rule", {}))
    if horizons := found.get("horizons"):
        lines += ["", *_horizons(horizons)]
    if found["task"] == "recovery":
        lines += _recovery(found)
    return "\n".join(lines)


def _of_chords(found: Mapping[str, Any]) -> str:
    return ", the composers' chords given" if found.get("chords") == "composers" else ""


def _of_style(found: Mapping[str, Any]) -> str:
    style = found.get("style", "any")
    return "" if style == "any" else f", style {style}, halves by piece"


def _likelihoods(title: str, found: Mapping[str, Any]) -> list[str]:
    """Models (bounds) and baselines (exact); beside each baseline what the models have less."""
    lines = [f"  {title}, nats a beat"]
    for sign, rows in (("<=", found["models"]), (" =", found["baselines"])):
        for name, row in rows.items():
            if "note" in row:
                lines.append(f"    {name:16} {row['note']}")
                continue
            less = "".join(
                f"; {model} {gain['nats_per_beat']:+.1f} +- {gain['se']:.1f} better"
                for model, gain in row["less"].items()
            )
            lines.append(
                f"    {name:16} {sign} {row['nats_per_beat']:7.1f} +- {row['se']:4.1f}{less}"
            )
    return lines


def _replies(harmony: Mapping[str, Any]) -> list[str]:
    human, players = harmony["human"], harmony["replies"]
    lines = [_row("", ["composer", *players])]
    lines.append(_row("note F1", [1.0, *(each["note_f1"] for each in players.values())]))
    for name, value in human["profile"].items():
        lines.append(_row(name, [value, *(each["profile"][name] for each in players.values())]))
    lines += ["", _row("distance (ratio)", ["half split", *players])]
    for name, value in human["half_split"].items():
        cells = [
            f"{each['distance'][name]:.3f} ({_times(each['ratio'][name])})"
            for each in players.values()
        ]
        lines.append(_row(name, [value, *cells]))
    for key, title in (("within_1x", "within 1x"), ("within_2x", "within 2x")):
        of = len(human["half_split"])
        lines.append(_row(title, ["", *(f"{each[key]} of {of}" for each in players.values())]))
    return lines + _consistencies({name: each["consistency"] for name, each in players.items()})


def _consistencies(players: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return nothing where no window was long enough."""
    names = list(dict.fromkeys(name for each in players.values() for name in each))
    if not names:
        return []
    rows = [_row(name, ["", *(each.get(name, "-") for each in players.values())]) for name in names]
    return ["", _row("like the composer's", ["", *players]), *rows]


def _by_ear(found: Mapping[str, Any]) -> list[str]:
    human, players = found["human"], found["replies"]
    lines = [_row("by ear (ratio)", ["composer", "half split", *players])]
    for name, half in human["half_split"].items():
        cells = [
            f"{each['profile'][name]:.3f} ({_times(each['ratio'][name])})"
            for each in players.values()
        ]
        lines.append(_row(name, [human["profile"][name], half, *cells]))
    means = [_times(each["mean_ratio"]) for each in players.values()]
    return [*lines, _row("mean ratio", ["", "", *means])]


def _against_rule(found: Mapping[str, Any]) -> list[str]:
    """Return nothing in tasks that the rule baseline does not play."""
    if not found:
        return []
    lines = ["", _row("nearer than the rule", found)]
    for name in next(iter(found.values())):
        cells = [
            f"{each[name]['nearer']:.0%} ({each[name]['difference']:+.3f})"
            for each in found.values()
        ]
        lines.append(_row(name, cells))
    return lines


def _horizons(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Causal replay: what the next plan took back, and which yardstick each score is near."""
    lines = ["  taken back by the next plan; from all known (0) to the wrong piece (1)"]
    for row in rows:
        values = {"taken back": row["flicker"], **row["towards_wrong"]}
        cells = (
            f"{name} {'-' if value is None else f'{value:.2f}'}" for name, value in values.items()
        )
        lines.append(f"    {row['player']:16} {', '.join(cells)}")
    return lines


def _recovery(found: Mapping[str, Any]) -> list[str]:
    """Note-in-chord around the turn; beats from there by fours."""
    beats = len(next(iter(found["players"].values()))["after"])
    fours = range(0, beats, 4)
    heads = [f"beats {at + 1}-{min(at + 4, beats)}" for at in fours]
    lines = [
        f"  note-in-chord; from beat {found['turn_beat'] + 1} on the melody is a tritone away",
        _row("", ["before", *heads, "back after"]),
    ]
    for name, each in found["players"].items():
        means = [fmean(each["after"][at : at + 4]) for at in fours]
        back = "never" if each["back_beats"] is None else f"{each['back_beats']} beats"
        lines.append(_row(name, [each["before"], *means, back]))
    return lines


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1f}x"


def _row(title: str, cells: Iterable[object]) -> str:
    texts = (f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells)
    return f"  {title:22}" + "".join(f"{cell:>{_WIDTH}}" for cell in texts)
