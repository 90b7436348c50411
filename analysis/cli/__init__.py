"""The ``korder`` command: arguments in, presentation out. What it shows, ``sim`` and ``analysis`` give a notebook too."""
