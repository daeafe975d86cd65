"""Prints one entry of a log's tiles: leaf.py TILES INDEX."""

import pathlib
import sys

tiles, index = pathlib.Path(sys.argv[1]), int(sys.argv[2])
bundle = next((tiles / "tile" / "entries").glob("000*"))
if bundle.is_dir():
    bundle = next(bundle.iterdir())
data = bundle.read_bytes()
for _ in range(index):
    data = data[2 + int.from_bytes(data[:2], "big") :]
sys.stdout.buffer.write(data[2 : 2 + int.from_bytes(data[:2], "big")])
