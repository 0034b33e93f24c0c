"""The monitor: a web page that shows and steers a daemon, as an OSC client like any other."""
