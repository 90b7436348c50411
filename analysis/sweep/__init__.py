"""Many runs of one scenario: a grid of settings times seeds, as one tidy table with intervals.

    from analysis.sweep import sweep
    found = sweep("payments_failover", ["producers.legacy.config.enable.idempotence=false,true"], seeds=range(100))
    found.frame, found.summary.frame
"""

from analysis.sweep.run import Sweep, sweep

__all__ = ["Sweep", "sweep"]
