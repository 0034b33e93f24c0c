"""The command line, one module a command or family of commands; `main` finds the command.

Begin with `main`.

`main` imports a command's module when the command is run, so that `midi-diffuse ports` stays fast.
"""
