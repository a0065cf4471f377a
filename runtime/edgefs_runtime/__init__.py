"""edgefs on the device: decide, say unknown, and learn a new class on the spot."""
