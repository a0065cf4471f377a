"""Realigning: a change of camera or lamp, estimated from unlabelled images and undone.

- `plan` says what realigning would do, and whether to believe it; `estimate` fits the map.
- `reference` is the gallery as a changed camera is compared with it; `mixture` reads a batch of unknown shares.
"""
