"""Brokers and controller keep the laws whatever happens next; what breaks one shrinks to a short schedule."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.protocol.interleavings import Interleaving

STEPS = 60


@pytest.mark.parametrize("unclean", [False, True])
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data(), elr=st.booleans(), min_isr=st.integers(1, 3))
def test_no_interleaving_breaks_a_law(unclean: bool, data: st.DataObject, elr: bool, min_isr: int) -> None:
    """broker:INV-1 to INV-10, broker:INV-12 to INV-17, broker:INV-20: crashes, cuts, elections and all."""
    generator = data.draw(st.randoms(use_true_random=False))
    interleaving = Interleaving(generator.randrange, elr=elr, unclean=unclean, min_isr=min_isr)
    for _ in range(STEPS):
        interleaving.step()
    interleaving.finish()
