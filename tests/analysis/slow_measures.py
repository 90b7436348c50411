"""The measures of reordering once more, slowly and literally, for comparison. No code is shared with ``analysis``."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from typing import Any


def first_copies(arrivals: list[int]) -> list[int]:
    return [s for k, s in enumerate(arrivals) if s not in arrivals[:k]]


def slow(arrivals: list[int], first: int, last: int, times: list[int], sizes: list[int]) -> dict[str, Any]:
    kept = [k for k, s in enumerate(arrivals) if s not in arrivals[:k]]
    s, t, w = [arrivals[k] for k in kept], [times[k] for k in kept], [sizes[k] for k in kept]
    size = len(s)
    late = [i for i in range(size) if any(s[j] > s[i] for j in range(i))]
    earliest = {i: min(j for j in range(i) if s[j] > s[i]) for i in late}
    lost = [n for n in range(first, last + 1) if n not in s]
    return {
        "received_unique": size, "duplicates": len(arrivals) - size, "lost": len(lost), "lost_values": lost,
        "reordered": [s[i] for i in late], "reordered_count": len(late), "ratio": Fraction(len(late), max(size, 1)),
        "seq_discontinuities": jumps(s),
        "extent": {s[i]: i - earliest[i] for i in late}, "max_extent": max((i - earliest[i] for i in late), default=0),
        "late_time": {s[i]: t[i] - t[earliest[i]] for i in late},
        "byte_offset": {s[i]: sum(w[j] for j in range(i) if s[j] > s[i]) for i in late},
        **discontinuities(s, late, earliest), "runs": runs(size, late), **n_reordering(s, late),
        "FD": displacements(s), **occupancy(s), **sorting(s, late, earliest),
    }  # fmt: skip


def jumps(s: list[int]) -> list[list[int]]:
    found = []
    expected = s[0] if s else 0
    for number in s:
        if number > expected:
            found.append([number, number - expected])
        if number >= expected:
            expected = number + 1
    return found


def discontinuities(s: list[int], late: list[int], earliest: dict[int, int]) -> dict[str, Any]:
    detected: dict[int, int] = {}
    for i in late:
        detected.setdefault(earliest[i], i)
    places = sorted(detected)
    gaps = {}
    for older, newer in zip(places, places[1:], strict=False):
        gaps[s[newer]] = newer - older if detected[older] < detected[newer] else 0
    return {"reordering_discontinuities": [s[j] for j in places], "gaps": gaps}


def runs(size: int, late: list[int]) -> dict[str, Any]:
    lengths, run = [], 0
    for i in range(size):
        if i in late:
            lengths.append(run)
            run = 0
        else:
            run += 1
    return {
        "x": len(lengths), "a": size - len(late), "p": size, "q": sum(n * n for n in lengths), "lengths": lengths,
        "tail": run,
    }  # fmt: skip


def n_reordering(s: list[int], late: list[int]) -> dict[str, Any]:
    found = {}
    for i in late:
        n = 0
        while i - n > 0 and s[i - n - 1] > s[i]:
            n += 1
        if n:
            found[s[i]] = n
    most = max(found.values(), default=0)
    degree = {k: Fraction(sum(n >= k for n in found.values()), len(s)) for k in range(1, most + 1)}
    return {"n_reordered": found, "n_degree": degree}


def displacements(s: list[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for index, number in zip(sorted(s), s, strict=True):
        found[index - number] = found.get(index - number, 0) + 1
    return dict(sorted(found.items()))


def occupancy(s: list[int]) -> dict[str, Any]:
    waiting, held, order = [], set(), sorted(s)
    awaited = 0
    for number in s:
        held.add(number)
        while awaited < len(order) and order[awaited] in held:
            held.remove(order[awaited])
            awaited += 1
        waiting.append(len(held))
    return {"occupancy": waiting, "FB_offline": {n: waiting.count(n) for n in sorted(set(waiting))}}


def sorting(s: list[int], late: list[int], earliest: dict[int, int]) -> dict[str, Any]:
    size = len(s)
    inversions = sum(a > b for a, b in combinations(s, 2))
    best: list[int] = []
    for i in range(size):
        best.append(1 + max((best[j] for j in range(i) if s[j] < s[i]), default=0))
    lis = max(best, default=0)
    moved = [abs(k - sorted(s).index(number)) for k, number in enumerate(s)]
    return {
        "inversions": inversions, "lis": lis, "rem": size - lis, "max_displacement": max(moved, default=0),
        "kendall_tau": 1 - Fraction(4 * inversions, size * (size - 1)) if size > 1 else Fraction(1),
        "footrule": sum(moved), "dis": max((i - earliest[i] for i in late), default=0),
        "descents": sum(a > b for a, b in zip(s, s[1:], strict=False)),
    }  # fmt: skip


def cycles(s: list[int]) -> int:
    """Cycles of the permutation that sorts *s*."""
    rank = {number: k for k, number in enumerate(sorted(s))}
    seen: set[int] = set()
    count = 0
    for start in range(len(s)):
        if start not in seen:
            count += 1
            k = start
            while k not in seen:
                seen.add(k)
                k = rank[s[k]]
    return count


# --- online, step by step as RFC 5236 writes it -----------------------------------------------------------------------
def slow_density_online(s: list[int], first: int, threshold: int) -> tuple[dict[int, int], list[int]]:
    """RFC 5236, 5.1: first-in-first-out window of DT + 1 arrivals, a buffer for early ones, an index that looks on."""
    arrivals, window, buffer = list(s), list[int](), list[int]()
    found: dict[int, int] = {}
    discarded = []
    index = first

    def next_arrival() -> None:
        while arrivals:
            number = arrivals.pop(0)
            if number >= index:
                window.append(number)
                return
            discarded.append(number)

    for _ in range(threshold + 1):
        next_arrival()
    while window:
        if index not in window + buffer:
            lowest = min(window + buffer)
            index = lowest if index < lowest else index + 1
            continue
        number = window.pop(0)
        if abs(index - number) <= threshold:
            found[index - number] = found.get(index - number, 0) + 1
            if index in buffer:
                buffer.remove(index)
            if index - number < 0:
                buffer.append(number)
            index += 1
        else:
            discarded.append(number)
        next_arrival()
    return dict(sorted(found.items())), discarded


def slow_buffer_online(s: list[int], first: int, threshold: int) -> list[int]:
    """RFC 5236, 5.2; a newcomer that the freed prefix does not reach is stored (anomalies 6.7)."""
    awaited, buffer, occupancy = first, list[int](), []
    for number in s:
        if number == awaited:
            awaited += 1
        elif number > awaited:
            buffer.append(number)
            if len(buffer) > threshold:  # no room: what is awaited is given up, and all before the earliest one held
                awaited = min(buffer)
        while awaited in buffer:
            buffer.remove(awaited)
            awaited += 1
        occupancy.append(len(buffer))
    return occupancy


def unrolled(raw: list[int], modulus: int) -> list[int]:
    """A jump of more than half the range went the other way round."""
    found = raw[:1]
    for before, number in zip(raw, raw[1:], strict=False):
        step = number - before
        if step > modulus / 2:
            step -= modulus
        elif step < -modulus / 2:
            step += modulus
        found.append(found[-1] + step)
    return found
