"""The ``korder`` command: arguments in, presentation out. What it shows, a notebook gets from ``sim`` and ``analysis``."""
