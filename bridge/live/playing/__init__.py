"""From decided notes to MIDI messages, each at its moment, and each note ended."""
