#!/usr/bin/env python3
"""Looks for vector spills in the innermost loops of the kernels, in what the compiler made of them.

    check_spills.py BUILD...        build folders (build/release, build/clang-release, build/arm64)

Every file of src/kernels that is compiled for a CPU level is disassembled. A spill is a place on
the stack that an innermost loop both writes from a whole vector register and reads into one: values
that should have stayed in registers. Places that are only read hold constants for which no register
was left; that costs a micro-kernel as much as a spill, and elsewhere as much as any constant, so it
counts in micro-kernels only. Loops with calls are left out: a call empties the registers anyway.

What is allowed stands in spills_allowed.txt, with its reason. Prints a line per loop that has more;
exit code 1 if there was any.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = ROOT / "tools" / "spills_allowed.txt"
LEVELS = ("baseline", "avx2", "avx512", "neon")
OBJECT = re.compile(r"(\w+?)_(%s)\.c\.o$" % "|".join(LEVELS))
# Functions whose innermost loops should touch nothing but operands.
MICRO_KERNEL = re.compile(r"(tile_\d+_\d+|tile_wide|depthwise_\d+_\w+|(block|group)_\d_\d_\d_\d|groups_\d+|planar_\d+_\d_\d)$")

FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
# Behind jumps it would count as code that only a table of jumps leads to.
PADDING = re.compile(r"\bnop|xchg\s+%ax,%ax")
LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")


class X86:
    """AT&T syntax. %rbp counts where the function set it up as its frame pointer."""

    objdump = ("objdump",)
    registers = {"baseline": re.compile(r"%xmm\d"), "avx2": re.compile(r"%ymm\d"),
                 "avx512": re.compile(r"%zmm\d")}
    jump = re.compile(r"^j\w+$")
    always = re.compile(r"^jmpq?$")
    end = re.compile(r"^(retq?|ud2|hlt)$")
    call = re.compile(r"^call")
    target = re.compile(r"^(?:\S+,)?([0-9a-f]+) <")
    # An operand on the stack without an index: what has one is an array of the source's.
    stack = re.compile(r"(?<![\w)])((?:-?0x[0-9a-f]+)?\(%(?:rsp|rbp)\))")
    # Moves of one lane, or of a general register by way of a vector's.
    part = re.compile(r"(s[sd]|mov[dq]|mov[hl]ps|mov[hl]pd|pinsr\w|pextr\w)$")
    frame = re.compile(r"^%rsp,%rbp$")
    frame_place = re.compile(r"%rbp")

    @staticmethod
    def stores(name, operands, place):
        return operands.rstrip().endswith(place)


class Arm64:
    objdump = ("aarch64-linux-gnu-objdump", "llvm-objdump", "llvm-objdump-14", "objdump")
    registers = dict.fromkeys(LEVELS, re.compile(r"\bq\d+\b|\bv\d+\."))
    jump = re.compile(r"^(b(\.\w+)?|cbn?z|tbn?z|br)$")
    always = re.compile(r"^(b|br)$")
    end = re.compile(r"^(ret|udf|brk)$")
    call = re.compile(r"^blr?$")
    target = re.compile(r"(?:^|[\s,])(?:0x)?([0-9a-f]+) <")
    stack = re.compile(r"(\[(?:sp|x29)(?:, #-?\w+)?\])")
    part = re.compile(r"^$")
    frame = re.compile(r"^x29, sp")
    frame_place = re.compile(r"x29")

    @staticmethod
    def stores(name, operands, place):
        return name.startswith("st")


def machine_of(path):
    """By the field e_machine of the ELF header."""
    with open(path, "rb") as file:
        kind = int.from_bytes(file.read(20)[18:20], "little")
    if kind == 62:
        return X86
    if kind == 183:
        return Arm64
    raise ValueError(f"{path}: expected an object file of x86-64 or arm64, found machine {kind}")


def compiler_of(build):
    cache = (build / "CMakeCache.txt").read_text()
    found = re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", cache, re.M)
    return "clang" if found and "clang" in Path(found.group(1)).name else "gcc"


def disassemble(path, machine):
    for program in machine.objdump:
        if shutil.which(program):
            done = subprocess.run([program, "-d", "--no-show-raw-insn", str(path)], text=True,
                                  capture_output=True, check=True)
            return done.stdout
    raise FileNotFoundError(f"none of {', '.join(machine.objdump)} is here to read {path}")


def functions_of(text):
    """Yields (name, [(address, instruction, operands)])."""
    name, lines = None, []
    for line in text.splitlines():
        start = FUNCTION.match(line)
        if start:
            if name:
                yield name, lines
            name, lines = start.group(1), []
            continue
        found = LINE.match(line)
        if found and name and not PADDING.search(line):
            lines.append((int(found.group(1), 16), found.group(2), found.group(3)))
    if name:
        yield name, lines


def blocks_of(lines, machine):
    """Basic blocks as [first, last) of lines, and the blocks that follow each."""
    index = {address: i for i, (address, _, _) in enumerate(lines)}
    jumps, leaders = {}, {0}
    for i, (_, name, operands) in enumerate(lines):
        if machine.jump.match(name):
            found = machine.target.search(operands)
            jumps[i] = index.get(int(found.group(1), 16)) if found else None
            leaders |= {i + 1} | ({jumps[i]} if jumps[i] is not None else set())
        elif machine.end.match(name):
            leaders.add(i + 1)
    starts = sorted(leader for leader in leaders if leader < len(lines))
    number = {start: n for n, start in enumerate(starts)}
    blocks, following = [], []
    for n, start in enumerate(starts):
        stop = starts[n + 1] if n + 1 < len(starts) else len(lines)
        name, after = lines[stop - 1][1], []
        if jumps.get(stop - 1) is not None:
            after.append(number[jumps[stop - 1]])
        if not machine.end.match(name) and not machine.always.match(name) and n + 1 < len(starts):
            after.append(n + 1)
        blocks.append((start, stop))
        following.append(after)
    return blocks, following


def order_of(following, roots):
    """Blocks so that each comes before those that follow it, but for jumps back."""
    seen, order = set(), []
    for root in roots:
        stack = [(root, iter(following[root]))] if root not in seen else []
        seen.add(root)
        while stack:
            node, rest = stack[-1]
            step = next((n for n in rest if n not in seen), None)
            if step is None:
                order.append(node)
                stack.pop()
            else:
                seen.add(step)
                stack.append((step, iter(following[step])))
    return order[::-1]


def dominators_of(following, before, roots):
    """The closest dominator of each block; -1 above the roots (Cooper, Harvey, Kennedy)."""
    order = order_of(following, roots)
    rank = {node: i for i, node in enumerate(order)}
    rank[-1] = -1
    above = {root: -1 for root in roots}
    changed = True
    while changed:
        changed = False
        for node in order:
            if node in roots:
                continue
            found = None
            for other in (b for b in before[node] if b in above):
                while found is not None and found != other:
                    if rank[found] > rank[other]:
                        found = above[found]
                    else:
                        other = above[other]
                found = other
            changed |= above.get(node) != found
            above[node] = found
    return above


def dominates(above, a, b):
    while b not in (a, -1):
        b = above[b]
    return b == a


def innermost_loops(following):
    """Sets of blocks: natural loops that hold no other."""
    before = [[] for _ in following]
    for node, after in enumerate(following):
        for other in after:
            before[other].append(node)
    # What only a table of jumps leads to counts as a beginning of its own.
    roots = {n for n, b in enumerate(before) if not b} | {0}
    above = dominators_of(following, before, roots)
    loops = {}
    for node, after in enumerate(following):
        for head in after:
            if node not in above or not dominates(above, head, node):
                continue
            body = loops.setdefault(head, {head})
            todo = [node]
            while todo:
                at = todo.pop()
                if at not in body:
                    body.add(at)
                    todo += before[at]
    return [body for head, body in loops.items()
            if not any(other != head and other in body for other in loops)]


def spills_of(function, lines, machine, level):
    """[(spills, constants)] of innermost loops that have any."""
    framed = any(machine.frame.match(operands) for _, name, operands in lines[:40]
                 if name in ("mov", "add"))
    blocks, following = blocks_of(lines, machine)
    loops = innermost_loops(following)
    # A few instructions: the same as another function, which it jumps to.
    if not loops and MICRO_KERNEL.match(function) and len(lines) > 8:
        raise ValueError(f"{function}: expected a loop, found none: has the disassembly changed?")
    found = []
    for body in loops:
        inside = [line for block in sorted(body) for line in lines[slice(*blocks[block])]]
        if any(machine.call.match(name) for _, name, _ in inside):
            continue
        written, read = set(), set()
        for _, name, operands in inside:
            place = machine.stack.search(operands)
            if not place or not machine.registers[level].search(operands):
                continue
            place = place.group(1)
            if machine.part.search(name) or (machine.frame_place.search(place) and not framed):
                continue
            (written if machine.stores(name, operands, place) else read).add(place)
        if read:
            found.append((len(read & written), len(read - written)))
    return [loop for loop in found if any(loop)]


class Allowed:
    """A row: compiler, level, file, function, spills, constants, reason; * stands for anything."""

    def __init__(self, line):
        fields = line.split(None, 6)
        if len(fields) < 7:
            raise ValueError(f"{ALLOWED.name}: expected seven columns, found: {line}")
        self.text = " ".join(fields[:4])
        self.patterns = [re.compile(f.replace("*", ".*") + "$") for f in fields[:4]]
        self.spills, self.constants = (float("inf") if f == "*" else int(f) for f in fields[4:6])
        self.used = False

    def covers(self, where, spills, constants):
        if not all(p.match(w) for p, w in zip(self.patterns, where)):
            return False
        if spills > self.spills or constants > self.constants:
            return False
        self.used = True
        return True


def read_allowed():
    lines = [line.strip() for line in ALLOWED.read_text().splitlines()]
    return [Allowed(line) for line in lines if line and not line.startswith("#")]


def check_object(path):
    """[(level, file, function, spills, constants)] and the number of functions looked at."""
    file, level = OBJECT.search(path.name).groups()
    machine = machine_of(path)
    found, count = [], 0
    for name, lines in functions_of(disassemble(path, machine)):
        count += 1
        base = re.sub(r"\.(constprop|part|isra|cold)\b.*$", "", name)
        for spills, constants in spills_of(name, lines, machine, level):
            if spills or MICRO_KERNEL.match(base):
                found.append((level, file, base, spills, constants))
    return found, count


def objects_of(build):
    folder = build / "CMakeFiles" / "sv_kernels.dir"
    found = sorted(p for p in folder.rglob("*.c.o") if OBJECT.search(p.name))
    if not found:
        raise FileNotFoundError(f"{folder}: expected object files of kernels, found none: build "
                                "the target sv_kernels first")
    return found


def report(compiler, found, allowed, everything):
    """Prints what was found; returns how much of it is not allowed."""
    offences = 0
    for level, file, function, spills, constants in found:
        where = (compiler, level, file, function)
        fine = any([row.covers(where, spills, constants) for row in allowed])
        offences += not fine
        if everything or not fine:
            print(f"{' '.join(where)}: {spills} spills, {constants} constants"
                  f"{' (allowed)' if fine else ''}")
    return offences


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="+", type=Path, help="a build folder")
    parser.add_argument("--all", action="store_true",
                        help="also print what is allowed, and rows of the table that were not used")
    arguments = parser.parse_args()
    allowed, offences, functions = read_allowed(), 0, 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for build in arguments.build:
            compiler = compiler_of(build)
            for found, count in pool.map(check_object, objects_of(build)):
                functions += count
                offences += report(compiler, found, allowed, arguments.all)
    for row in allowed:
        if arguments.all and not row.used:
            print(f"{ALLOWED.name}: not used: {row.text}")
    print(f"{functions} functions, {offences} innermost loops with spills that are not allowed")
    return 1 if offences else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (FileNotFoundError, ValueError, subprocess.CalledProcessError) as error:
        sys.exit(f"check_spills.py: {error}")
