"""OSC: packets as bytes, the table of addresses, the socket, and who may talk to it.

Begin with `server.OscServer`; `schema` is what may be said, `wire` how, `reading` what it means.
"""
