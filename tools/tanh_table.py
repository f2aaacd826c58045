#!/usr/bin/env python3
"""Writes src/kernels/tanh_table.inc: tanh on 32 intervals of [0, 10), each a polynomial in the
distance from the interval's left end, as the AVX-512 kernels look it up.

The intervals are quarters of octaves, so that a number's leading bits say in which one it lies; the
first begins at 0. Coefficients are least-squares fits on Chebyshev points, weighted by the reciprocal
of tanh, in extended precision, and rounded one by one: those before are fixed when the next is
fitted. Needs mpmath.

Usage: tanh_table.py OUT
"""
import struct
import sys

import mpmath

INTERVALS, DEGREE, POINTS, LAST_EDGE = 32, 5, 24, 8.0
BITS_PER_INTERVAL = 21  # of a float's 23 mantissa bits: four intervals an octave


def single(value):
    """The nearest float32."""
    return mpmath.mpf(struct.unpack("<f", struct.pack("<f", float(value)))[0])


def shortest(value):
    """The shortest decimals that read back as the same float32."""
    value = float(value)
    text = next(t for t in (f"{value:.{n}e}" for n in range(12)) if single(t) == value)
    return text + "f"


def bits_of(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


def edges():
    """Left ends, and the end of all."""
    last = bits_of(LAST_EDGE) >> BITS_PER_INTERVAL
    found = [struct.unpack("<f", struct.pack("<I", (last + 1 - INTERVALS + i) << BITS_PER_INTERVAL))[0]
             for i in range(INTERVALS + 1)]
    return [0.0, *found[1:]]


def fit(left, right):
    """Coefficients from the lowest power up, each a float32."""
    width = mpmath.mpf(right) - left
    nodes = [width * (1 + mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * POINTS))) / 2
             for i in range(POINTS)]
    first = single(mpmath.tanh(left))
    fixed = [first] if left else [mpmath.mpf(0), mpmath.mpf(1)]
    while len(fixed) <= DEGREE:
        powers = range(len(fixed), DEGREE + 1)
        rows, wanted = [], []
        for u in nodes:
            true = mpmath.tanh(left + u)
            known = sum(c * u**k for k, c in enumerate(fixed))
            rows.append([u**k / true for k in powers])
            wanted.append((true - known) / true)
        solved = mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix(wanted))
        fixed.append(single(solved[0]))
    return fixed


def main():
    mpmath.mp.dps = 40
    ends = edges()
    table = [fit(left, right) for left, right in zip(ends, ends[1:])]
    columns = [ends[:-1], *zip(*table)]
    names = ["left ends", *[f"coefficients of power {k}" for k in range(DEGREE + 1)]]
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write("/* Made by tools/tanh_table.py. */\n")
        for i, (name, column) in enumerate(zip(names, columns)):
            out.write("{\n" if i == 1 else "")
            out.write(f"{{\n    /* {name} */\n")
            for start in range(0, INTERVALS, 4):
                out.write("    " + " ".join(f"{shortest(v)}," for v in column[start:start + 4])
                          + "\n")
            out.write("},\n")
        out.write("},\n")


if __name__ == "__main__":
    main()
