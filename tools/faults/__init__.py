"""The torture of galleries, bundles and disks: what `make faults` runs.

    python tools/faults                      everything, within half an hour
    python tools/faults --small              the subset that the test suite runs
    python tools/faults --only kills --seed 7

- Each part is a function of a count and a seed that yields rows of one table: what was tried, wanted, and got.
- `shim.c` stands between the product and the disk: it records, kills and fills; `disk` replays what it recorded.
- `forking` runs one case in a process of its own, which costs milliseconds because all is imported before.
"""
