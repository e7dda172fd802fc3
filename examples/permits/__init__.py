"""A permit office: cases are received, steps are completed by the office's people, cases are closed.

`app.py` is the whole application. `log.py` reads a real event log as its commands, `sample.py` makes one up,
`load.py` sends them through a node, `traffic.py` and `demo.py` over HTTP. Start with `app.py`.
"""
