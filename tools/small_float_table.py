#!/usr/bin/env python3
"""Writes tests/unit/tensor/small_float_table.inc: what each code of the small floating-point
formats means, by the ml_dtypes package that ONNX's reference uses. Needs numpy and ml_dtypes.

Usage: small_float_table.py OUT
"""
import sys

import ml_dtypes
import numpy as np

FORMATS = [
    ("SV_F8E4M3FN", ml_dtypes.float8_e4m3fn, 256),
    ("SV_F8E4M3FNUZ", ml_dtypes.float8_e4m3fnuz, 256),
    ("SV_F8E5M2", ml_dtypes.float8_e5m2, 256),
    ("SV_F8E5M2FNUZ", ml_dtypes.float8_e5m2fnuz, 256),
    ("SV_F4E2M1", ml_dtypes.float4_e2m1fn, 16),
    ("SV_F8E8M0", ml_dtypes.float8_e8m0fnu, 256),
]


def float_bits(dtype, count):
    """The float32 bits of every code, NaN as one pattern."""
    values = np.arange(count, dtype=np.uint8).view(dtype).astype(np.float32)
    bits = values.view(np.uint32).copy()
    bits[np.isnan(values)] = 0x7FC00000
    return bits


def main():
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write("/* Made by tools/small_float_table.py: float32 bits of every code. */\n")
        for name, dtype, count in FORMATS:
            out.write(f"{{{name}, {count}, {{\n")
            bits = float_bits(dtype, count)
            for start in range(0, count, 8):
                row = ", ".join(f"0x{b:08X}" for b in bits[start:start + 8])
                out.write(f"    {row},\n")
            out.write("}},\n")


if __name__ == "__main__":
    main()
