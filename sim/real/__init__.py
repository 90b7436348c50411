"""The same scenario on real Apache Kafka brokers and clients on this machine, the same history out.

Beside ``sim.world``: both carry out a :class:`sim.plan.Plan`. From the world this room takes only what is a function of
the plan and the seed (the calls of a workload, the latencies of a link, when random faults strike). In ``sim``, it
alone starts processes or opens sockets.

The way: ``cluster`` starts a controller and brokers as processes of a ``household`` that leaves nothing behind; each
broker advertises a ``proxy``, where scripted message faults and latencies happen; clients are processes that are driven
by lines of JSON (``driver``); ``faults`` strikes by signals and requests of an operator; ``history`` puts together what
was seen on the wire, told by the clients and read back from the brokers' log files.
"""
