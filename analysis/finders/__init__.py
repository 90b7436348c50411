"""One module per family of findings. Each is pure: evidence in, :class:`~analysis.finding.Found` out."""
