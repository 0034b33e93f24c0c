"""The one table of actions: what a player has done now, beside what is set (`parameters`)."""

from __future__ import annotations

from bridge.settings.rows import Action

ACTIONS: tuple[Action, ...] = (
    Action("start", "start the internal clock at bar 1", cc=102),
    Action("stop", "stop the internal clock; every note off", cc=103),
    Action("panic", "every note off now, plans forgotten", cc=104),
    Action("downbeat", "now is the first beat of a bar", cc=105),
    Action(
        "trigger",
        "infill, vary or generate now; default the last 4 bars",
        (("id", "int"), ("from_bar", "int"), ("to_bar", "int")),
        optional=3,
        cc=106,
    ),
    Action("freeze", "reply loop: keep the harmony as it is", (("on", "bool"),), cc=107),
    Action(
        "note",
        "a note comes in by OSC; velocity 0 ends it",
        (("pitch", "int"), ("velocity", "int"), ("channel", "int")),
        optional=1,
    ),
    Action(
        "chord_at",
        "this chord from there to the bar's end or the next one given in it; `off` takes it back",
        (("bar", "int"), ("beat", "float"), ("name", "text")),
    ),
    Action("forget_chords", "every chord given by chord_at is forgotten"),
    Action(
        "save",
        "write the settings in force as a preset of your own",
        (("name", "text"),),
    ),
    Action(
        "learn",
        "MIDI learn: the next controller that moves, on any channel, is for this parameter or "
        "action; `off` waits no more; with channel and controller at once; alone tells all learned",
        (("name", "text"), ("channel", "int"), ("controller", "int")),
        optional=3,
    ),
    Action(
        "unlearn",
        "forget the learned controller of this parameter or action; alone of all",
        (("name", "text"),),
        optional=1,
    ),
    Action(
        "keep",
        "write the last bars as a MIDI file to the takes folder; default 8",
        (("bars", "int"),),
        optional=1,
        cc=108,
    ),
    Action("again", "another seed; what was triggered last is made anew", cc=109),
    Action("undo", "play the take before this one, from the next bar line", cc=110),
    Action(
        "recall",
        "infill, vary, generate: play take n again, from the next bar line",
        (("take", "int"),),
    ),
    Action("closer", "vary: nearer to the original, and again", cc=111),
    Action("further", "vary: farther from the original, and again", cc=112),
    Action(
        "subscribe",
        "send all answers to host and port as well; another host than yours wants `--allow`",
        (("host", "text"), ("port", "int")),
    ),
    Action("unsubscribe", "stop sending there", (("host", "text"), ("port", "int")), optional=2),
    Action("ping", "answered with /diffuse/out/pong"),
    Action("help", "every address, one message each"),
    Action("stats", "beats fresh, stale, rest, late; lateness; engine time"),
)

ACTION_BY_NAME: dict[str, Action] = {row.name: row for row in ACTIONS}
