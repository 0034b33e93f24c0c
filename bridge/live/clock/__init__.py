"""Musical time: from MIDI clock or Ableton Link to tempo, song position, bars and beats.

Begin with `transport.Transport`; `playhead` has the states and events.
"""
