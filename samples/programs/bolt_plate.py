"""Base plate with a bolt pattern: four corner holes, a bored centre on a bolt circle, chamfered rim."""

import cadquery as cq

length, width, thickness = 120.0, 80.0, 10.0
corner_hole_d, corner_pitch_x, corner_pitch_y = 9.0, 100.0, 60.0
bore_d = 30.0
bolt_circle_d, bolt_hole_d, bolt_count = 46.0, 5.5, 6
corner_radius, chamfer = 8.0, 1.0

plate = cq.Workplane("XY").rect(length, width).extrude(thickness)
plate = plate.edges("|Z").fillet(corner_radius)
plate = plate.faces(">Z").edges().chamfer(chamfer)
plate = (
    plate.faces(">Z")
    .workplane()
    .rect(corner_pitch_x, corner_pitch_y, forConstruction=True)
    .vertices()
    .hole(corner_hole_d)
)
plate = plate.faces(">Z").workplane().hole(bore_d)
result = plate.faces(">Z").workplane().polarArray(bolt_circle_d / 2, 0, 360, bolt_count).hole(bolt_hole_d)
