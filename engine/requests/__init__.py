"""What the engine is asked: tasks as masks, the rules a reply keeps, the window shown. No torch.

Begin with `request`; `tasks` are the masks.
"""
