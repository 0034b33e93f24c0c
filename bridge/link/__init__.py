"""Ableton Link: a peer that follows a session and never leads it.

Begin with `client.LinkClient`.
"""
