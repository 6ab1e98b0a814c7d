#!/usr/bin/env python3
"""Gives identifiers that no two copies of this guest give, for each line on standard input one: generation.py [PAGE]"""
import mmap, os, random, struct, sys

path = sys.argv[1] if len(sys.argv) > 1 else "/run/channelsdk/generation"
with open(path, "rb") as file:
    page = mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ)

def generation():
    while True:
        (before,), (value,), (after,) = (struct.unpack_from(form, page, at) for form, at in (("<I", 12), ("16s", 112), ("<I", 12)))
        if before % 2 == 0 and before == after:
            return value

known, source = None, None
for line in sys.stdin:
    if known != (known := generation()):  # before each use: a copy must not go on with the numbers of the original
        source = random.Random(os.urandom(32))
    print(f"{source.getrandbits(128):032x}", flush=True)
