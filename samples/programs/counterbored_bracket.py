"""Angle bracket with a gusset: counterbored screw holes in the foot, plain holes in the wall."""

import cadquery as cq

width, foot, height, wall = 60.0, 50.0, 45.0, 8.0
screw_d, head_d, head_depth = 6.6, 11.0, 6.0
screw_pitch, screw_from_wall = 36.0, 32.0
wall_hole_d, wall_hole_pitch, wall_hole_height = 8.0, 30.0, 30.0
gusset_thickness, gusset_size = 8.0, 24.0

bracket = cq.Workplane("XY").box(foot, width, wall, centered=(False, True, False))
bracket = bracket.union(cq.Workplane("XY").box(wall, width, height, centered=(False, True, False)))
gusset = (
    cq.Workplane("XZ", origin=(0, gusset_thickness / 2, 0))
    .polyline([(wall, wall), (wall + gusset_size, wall), (wall, wall + gusset_size)])
    .close()
    .extrude(gusset_thickness)
)
bracket = bracket.union(gusset)
screw_holes = (
    cq.Workplane("XY")
    .pushPoints([(screw_from_wall, -screw_pitch / 2), (screw_from_wall, screw_pitch / 2)])
    .circle(screw_d / 2)
    .extrude(wall)
)
heads = (
    cq.Workplane("XY", origin=(0, 0, wall - head_depth))
    .pushPoints([(screw_from_wall, -screw_pitch / 2), (screw_from_wall, screw_pitch / 2)])
    .circle(head_d / 2)
    .extrude(head_depth)
)
wall_holes = (
    cq.Workplane("YZ")
    .pushPoints([(-wall_hole_pitch / 2, wall_hole_height), (wall_hole_pitch / 2, wall_hole_height)])
    .circle(wall_hole_d / 2)
    .extrude(wall)
)
result = bracket.cut(screw_holes).cut(heads).cut(wall_holes)
