"""Why a finding came about: the story of one case, its mechanism, what permitted it and what would have prevented it.

``facts`` and ``causes`` read what happened; ``late``, ``twice``, ``gone``, ``elsewhere`` and ``reread`` say by which
mechanism; ``story`` picks the moments; ``pins``, ``laboratory``, ``changes`` and ``proof`` run it again; ``sequence``,
``page`` and ``save`` show it.
"""

from __future__ import annotations

from analysis.explaining.explanation import Explanation, explain

__all__ = ["Explanation", "explain"]
