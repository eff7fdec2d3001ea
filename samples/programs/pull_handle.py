"""Pull handle: a bent round bar on two screwed feet."""

import cadquery as cq

span, height, bar_d, bend_r = 96.0, 32.0, 9.0, 12.0
foot_length, foot_width, foot_t, screw_d, screw_offset = 30.0, 16.0, 5.0, 4.5, 9.0

corner = bend_r * (1 - 0.5**0.5)
way = (
    cq.Workplane("XZ", origin=(-span / 2, 0, foot_t))
    .lineTo(0, height - bend_r)
    .threePointArc((corner, height - corner), (bend_r, height))
    .lineTo(span - bend_r, height)
    .threePointArc((span - corner, height - corner), (span, height - bend_r))
    .lineTo(span, 0)
)
bar = cq.Workplane("XY", origin=(-span / 2, 0, foot_t)).circle(bar_d / 2).sweep(way)
feet = (
    cq.Workplane("XY")
    .pushPoints([(-span / 2, 0), (span / 2, 0)])
    .rect(foot_length, foot_width)
    .extrude(foot_t)
    .faces(">Z")
    .workplane(origin=(0, 0, foot_t))
    .pushPoints([(s * (span / 2 + d * screw_offset), 0) for s in (-1, 1) for d in (-1, 1)])
    .hole(screw_d)
)
result = feet.union(bar)
