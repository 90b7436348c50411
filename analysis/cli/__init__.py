"""The ``korder`` command: arguments in, presentation out. All that it shows, a notebook can have too."""
