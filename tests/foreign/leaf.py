"""Prints one entry of a log's tiles: leaf.py TILES INDEX."""

import pathlib
import sys

ENTRIES_A_BUNDLE = 256


def entry(tiles, index):
    """One entry, from its bundle (C2SP tlog-tiles): each has its length in two bytes before it."""
    bundle, place = divmod(index, ENTRIES_A_BUNDLE)
    assert bundle < 1000, "only the first thousand bundles are looked for"
    path = pathlib.Path(tiles) / "tile" / "entries" / f"{bundle:03}"
    if not path.exists():
        # Not full yet: earlier, shorter ones may still lie beside the longest.
        path = max(path.with_suffix(".p").iterdir(), key=lambda partial: int(partial.name))
    data = path.read_bytes()
    for _ in range(place):
        data = data[2 + int.from_bytes(data[:2], "big") :]
    return data[2 : 2 + int.from_bytes(data[:2], "big")]


if __name__ == "__main__":
    sys.stdout.buffer.write(entry(sys.argv[1], int(sys.argv[2])))
