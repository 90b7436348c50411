"""Histories as JSON Lines, the exchange format: read (``read``), written (``write``), and its rules (``rules``).

Reading goes from the file inwards: ``lines`` cuts it into blocks; ``block`` takes one by columns, from lines like one
seen before (``template``, ``sheet``, ``matched``) or from parsed ones (``shape``); ``common`` and ``tables`` make the
tables of a history. What is not plainly sound is read line by line, by ``rules``.
"""
