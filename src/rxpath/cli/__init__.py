"""Commands and their terminal output; no logic of its own.

`main.py` is the entry and the one place that turns exceptions into a line and an exit status; `options.py`
turns options into a request; `render_*.py` print results; each other module is a command with
`register(app)`.
"""
