"""The engine for many players: batches on Ray Serve, and the gateway that faces the players.

Begin with `run`, then `gateway` (players) and `batcher` (the model).

Ray is imported inside functions of `cluster` and at the top of `replica` alone, which nothing but
`cluster` imports: without the extra `cluster` everything else works.
"""
