"""Why a finding came about: the story of one case, its mechanism, what permitted it and what would have prevented it.

``facts``, ``readers`` and ``causes`` read what happened; ``late``, ``twice``, ``gone``, ``elsewhere``, ``reread`` and
``unread`` say by which mechanism; ``story`` picks the moments; ``pins``, ``window``, ``laboratory``, ``changes``,
``group_changes`` and ``proof`` run it again; ``sequence``, ``page`` and ``save`` show it.
"""

from __future__ import annotations

from analysis.explaining.explanation import Explanation, explain

__all__ = ["Explanation", "explain"]
