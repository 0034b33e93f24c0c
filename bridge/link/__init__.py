"""Ableton Link: a peer that follows a session and never leads it."""
