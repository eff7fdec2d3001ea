"""Clevis with cross holes: a fork for a pin, a cotter hole across it, and a threaded-size bore in the shank."""

import cadquery as cq

fork_width, fork_height, gap = 32.0, 40.0, 16.0
fork_depth, pin_d = 24.0, 12.0
shank_d, shank_length, shank_bore_d, shank_bore_depth = 22.0, 28.0, 10.2, 30.0
cotter_d = 4.0

fork = (
    cq.Workplane("XZ", origin=(0, fork_depth / 2, 0))
    .moveTo(-fork_width / 2, 0)
    .lineTo(fork_width / 2, 0)
    .lineTo(fork_width / 2, fork_height)
    .lineTo(-fork_width / 2, fork_height)
    .close()
    .extrude(fork_depth)
)
rounding = (
    cq.Workplane("YZ", origin=(-fork_width / 2, 0, fork_height - fork_depth / 2))
    .circle(fork_depth / 2)
    .extrude(fork_width)
    .union(cq.Workplane("XY").box(fork_width, fork_depth, fork_height - fork_depth / 2, centered=(True, True, False)))
)
fork = fork.intersect(rounding)
slot = cq.Workplane("XY", origin=(0, 0, 12.0)).rect(gap, fork_depth).extrude(fork_height)
pin = (
    cq.Workplane("YZ", origin=(-fork_width / 2, 0, fork_height - fork_depth / 2)).circle(pin_d / 2).extrude(fork_width)
)
shank = cq.Workplane("XY", origin=(0, 0, -shank_length)).circle(shank_d / 2).extrude(shank_length)
bore = cq.Workplane("XY", origin=(0, 0, -shank_length)).circle(shank_bore_d / 2).extrude(shank_bore_depth)
cotter = cq.Workplane("XZ", origin=(0, shank_d, -shank_length / 2)).circle(cotter_d / 2).extrude(2 * shank_d)
result = fork.cut(slot).cut(pin).union(shank).cut(bore).cut(cotter)
