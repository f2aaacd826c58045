#!/usr/bin/env python3
"""Writes the tables of src/kernels/function_tables.h: functions on 32 intervals, each a polynomial,
as the AVX-512 kernels look them up.

tanh: intervals are quarters of octaves up to 10, so that a number's leading bits say in which one it
lies; the first begins at 0. The polynomial is in the distance from the left end.
Phi(-t), the upper tail of the normal distribution: intervals are 1/4 wide around multiples of 1/4;
the polynomial is in the distance from the middle. The last one is 0.

Coefficients are least-squares fits on Chebyshev points, weighted by the reciprocal of the function,
in extended precision, and rounded one by one: those before are fixed when the next is fitted. Needs
mpmath.

Usage: function_tables.py FOLDER
"""
import pathlib
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


def fit(function, origin, low, high, fixed):
    """Coefficients in the distance u of a number from `origin`, low <= u <= high, from the lowest
    power up, each a float32; the first ones are given."""
    middle, half = (mpmath.mpf(low) + high) / 2, (mpmath.mpf(high) - low) / 2
    nodes = [middle + half * mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * POINTS))
             for i in range(POINTS)]
    while len(fixed) <= DEGREE:
        powers = range(len(fixed), DEGREE + 1)
        rows, wanted = [], []
        for u in nodes:
            true = function(origin + u)
            known = sum(c * u**k for k, c in enumerate(fixed))
            rows.append([u**k / true for k in powers])
            wanted.append((true - known) / true)
        solved = mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix(wanted))
        fixed.append(single(solved[0]))
    return fixed


def tanh_columns():
    ends = edges()
    table = [fit(mpmath.tanh, left, 0, mpmath.mpf(right) - left,
                 [single(mpmath.tanh(left))] if left else [mpmath.mpf(0), mpmath.mpf(1)])
             for left, right in zip(ends, ends[1:])]
    return [("left ends", ends[:-1]), *by_power(table)]


def normal_columns():
    table = [fit(lambda t: mpmath.ncdf(-t), mpmath.mpf(i) / 4, mpmath.mpf(-1) / 8,
                 mpmath.mpf(1) / 8, []) for i in range(INTERVALS - 1)]
    return by_power([*table, [mpmath.mpf(0)] * (DEGREE + 1)])


def by_power(table):
    return [(f"coefficients of power {k}", column) for k, column in enumerate(zip(*table))]


def write(path, columns):
    lines = ["/* Made by tools/function_tables.py. */"]
    for name, column in columns:
        lines += ["{", f"    /* {name} */"]
        lines += ["    " + " ".join(f"{shortest(v)}," for v in column[start:start + 4])
                  for start in range(0, INTERVALS, 4)]
        lines.append("},")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def main():
    mpmath.mp.dps = 40
    folder = pathlib.Path(sys.argv[1])
    write(folder / "tanh_table.inc", tanh_columns())
    write(folder / "normal_table.inc", normal_columns())


if __name__ == "__main__":
    main()
