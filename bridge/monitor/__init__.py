"""The monitor: a web page that shows and steers a daemon, as an OSC client like any other.

Begin with `main.run`, then `app` (the web server) and `relay` (the OSC client).
"""
