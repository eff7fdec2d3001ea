"""Bearing block with rounded edges all around, a bore and two feet for screws."""

import cadquery as cq

foot_length, foot_width, foot_thickness = 100.0, 40.0, 12.0
block_length, block_height = 56.0, 50.0
bore_d, bore_height = 25.0, 32.0
screw_d, screw_pitch = 9.0, 80.0
upright_radius, top_radius, rim_radius = 6.0, 16.0, 2.0

foot = cq.Workplane("XY").box(foot_length, foot_width, foot_thickness, centered=(True, True, False))
foot = foot.edges("|Z").fillet(upright_radius).faces(">Z").edges().fillet(rim_radius)
block = cq.Workplane("XY").box(block_length, foot_width, block_height, centered=(True, True, False))
block = block.edges("|Y and >Z").fillet(top_radius)
block = block.faces("<Y or >Y").edges("not <Z").fillet(rim_radius)
part = foot.union(block)
bore = cq.Workplane("XZ", origin=(0, foot_width, bore_height)).circle(bore_d / 2).extrude(2 * foot_width)
screws = (
    cq.Workplane("XY")
    .pushPoints([(-screw_pitch / 2, 0), (screw_pitch / 2, 0)])
    .circle(screw_d / 2)
    .extrude(foot_thickness)
)
result = part.cut(bore).cut(screws)
