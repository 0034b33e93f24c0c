"""An engine on another machine: the connection to it, and the local one that steps in for it.

Begin with `failover`, then `connection`; `limits` is what may be asked.
"""
