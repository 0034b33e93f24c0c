"""An engine on another machine: the connection to it, and the local one that steps in for it."""
