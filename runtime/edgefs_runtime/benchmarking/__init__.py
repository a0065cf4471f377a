"""How fast bundles are on this machine: what `edgefs bench` measures.

    from edgefs_runtime.benchmarking.measuring import Plan, bench

    measured = bench([Path("fp32.edgefs"), Path("int8.edgefs")], render_frames(), Plan(seconds=20))
    print(measured.bundles[1].stages["end_to_end"].percentiles[99.0], "ms")

- `subject` opens a bundle as a device does, over a throw-away copy of a gallery; a user's own is never written to.
- `latency`, `enrolling`, `throughput` and `memory` each measure one thing; several bundles take turns in one process.
- `percentiles` and `comparing` say what the samples can carry, and `limits` whether it is good enough.
"""
