"""From decided notes to MIDI messages, each at its moment, and each note ended.

Begin with `delivery.Delivery.commit`, then `performer`, then `scheduler`.
"""
