"""Carrying over what a device was taught, from the gallery of one bundle to that of another of the same product.

- `succession` finds what lies unused and says so; `earlier` reads it, and measures how well the two bundles agree;
  `taught` is what was taught there, and what decided.
- `ways` says how each image may come over, `watch` what challenge parts make of it, `decisions` and `judging` what is
  decided about the images themselves before and after.
- `act` does it, as one act of the gallery's log, and `report` tells of it.

Nothing is imported here: a cold `edgefs predict` asks `succession` alone, and only where there is something to find.
"""
