"""The demo: plays a melody to a daemon of its own, and keeps what comes back.

Begin with `show`; `ways` are MIDI and OSC.
"""
