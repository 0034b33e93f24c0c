"""OSC: packets as bytes, the table of addresses, the socket, and who may talk to it."""
