"""shelled_box: 90 × 60 × 30 mm; about 0.999 IoU with its mesh."""

import cadquery as cq

boolean_tolerance = 0.001  # mm: faces nearer than this are one to the booleans

# Dimensions
base_height     = 12.0  # mm
base_length     = 90.0  # mm
base_width      = 60.0  # mm
base_corner_r   = 6.0   # mm
step_height     = 6.0   # mm
boss_pitch_x    = 74.0  # mm
boss_pitch_y    = 44.0  # mm
boss_d          = 7.0   # mm
step_height_2   = 12.0  # mm
step_length     = 90.0  # mm
step_width      = 60.0  # mm
step_corner_r   = 6.0   # mm
pocket_depth    = 10.0  # mm
pocket_length   = 86.0  # mm
pocket_width    = 56.0  # mm
pocket_corner_r = 4.0   # mm
boss_height     = 7.0   # mm
pocket_z        = 43.0  # mm: height above the datum
step_top = base_height + step_height
boss_top = step_top + boss_height

xy = cq.Workplane("XY")
yz = cq.Workplane("YZ")

part = xy.sketch().rect(base_length, base_width).vertices().fillet(base_corner_r).finalize().extrude(base_height)
part = (
    part.union(xy.workplane(offset=base_height).moveTo(39.0, 30.0).lineTo(-39.0, 30.0)
    .radiusArc((-45.0, 24.0), -6.0).lineTo(-45.0, -24.0).radiusArc((-39.0, -30.0), -6.0).lineTo(39.0, -30.0)
    .radiusArc((45.0, -24.0), -6.0).lineTo(45.0, -6.4806).lineTo(43.0, -6.4806).lineTo(43.0, -24.0)
    .radiusArc((39.0, -28.0), 3.999995).lineTo(-39.0, -28.0).radiusArc((-43.0, -24.0), 3.999995)
    .lineTo(-43.0, 24.0).radiusArc((-39.0, 28.0), 3.999995).lineTo(39.0, 28.0)
    .radiusArc((43.0, 24.0), 3.999995).lineTo(43.0, 6.4806).lineTo(45.0, 6.4806).lineTo(45.0, 24.0)
    .radiusArc((39.0, 30.0), -6.0).close().extrude(step_height), tol=boolean_tolerance)
)
part = (
    part.union(xy.workplane(offset=base_height).rarray(boss_pitch_x, boss_pitch_y, 2, 2).circle(boss_d / 2)
    .extrude(step_height), tol=boolean_tolerance)
)
part = (
    part.union(xy.workplane(offset=step_top).sketch().rect(step_length, step_width).vertices()
    .fillet(step_corner_r).finalize().extrude(step_height_2), tol=boolean_tolerance)
)
part = (
    part.cut(xy.workplane(offset=base_height - pocket_depth).sketch().rect(pocket_length, pocket_width)
    .vertices().fillet(pocket_corner_r).finalize().extrude(pocket_depth), tol=boolean_tolerance)
)
part = (
    part.cut(xy.workplane(offset=step_top).sketch().rect(pocket_length, pocket_width).vertices()
    .fillet(pocket_corner_r).finalize().extrude(step_height_2), tol=boolean_tolerance)
)
part = (
    part.union(xy.workplane(offset=base_height - pocket_depth).rarray(boss_pitch_x, boss_pitch_y, 2, 2)
    .circle(boss_d / 2).extrude(base_height - (base_height - pocket_depth)), tol=boolean_tolerance)
)
part = (
    part.union(xy.workplane(offset=step_top).rarray(boss_pitch_x, boss_pitch_y, 2, 2).circle(boss_d / 2)
    .extrude(boss_height), tol=boolean_tolerance)
)
part = (
    part.cut(yz.workplane(offset=pocket_z).moveTo(-6.4806, 12.4004).lineTo(-6.4806, 17.5996)
    .lineTo(-6.69, 17.4787).radiusArc((-6.69, 12.5213), -3.0).close().extrude(2.0), tol=boolean_tolerance)
)
part = (
    part.cut(yz.workplane(offset=pocket_z).moveTo(6.4806, 17.5996).lineTo(6.4806, 12.4004)
    .lineTo(6.69, 12.5213).radiusArc((6.69, 17.4787), -3.0).close().extrude(2.0), tol=boolean_tolerance)
)
part = part.copyWorkplane(xy.workplane(offset=boss_top)).rarray(74.0, 44.0, 2, 2).hole(2.5, depth=21.0)

result = part
