"""counterbored_bracket: 50 × 60 × 45 mm; about 1.000 IoU with its mesh."""

import cadquery as cq

# Dimensions
base_height   = 26.0   # mm
step_height   = 8.0    # mm
step_height_2 = 26.0   # mm
hole_z        = 25.0   # mm: height of the mouth
hole_pitch_x  = 30.0   # mm
hole_d        = 8.0    # mm
hole_z_2      = -14.5  # mm: height of the mouth
hole_pitch_y  = 36.0   # mm
hole_d_2      = 6.6    # mm: clearance of M6, medium
cbore_d       = 11.0   # mm
cbore_depth   = 6.0    # mm

zx = cq.Workplane("ZX", origin=(25.0, -30.0, 22.5))
yz = cq.Workplane("YZ", origin=(25.0, -30.0, 22.5))
xy = cq.Workplane("XY", origin=(25.0, -30.0, 22.5))

part = (zx.moveTo(-22.5, 25.0).vLineTo(-25.0).hLineTo(22.5).vLineTo(-17.0).hLineTo(-14.5).vLineTo(25.0).close()
    .extrude(base_height))
part = part.union(zx.workplane(offset=base_height).moveTo(-22.5, 25.0).vLineTo(-25.0).hLineTo(22.5).vLineTo(-17.0)
    .hLineTo(9.5).lineTo(-14.5, 7.0).vLineTo(25.0).close().extrude(step_height))
part = part.union(zx.workplane(offset=base_height + step_height).moveTo(-22.5, 25.0).vLineTo(-25.0).hLineTo(22.5)
    .vLineTo(-17.0).hLineTo(-14.5).vLineTo(25.0).close().extrude(step_height_2))
part = (part.copyWorkplane(yz.workplane(offset=hole_z)).center(30.0, 7.5).rarray(hole_pitch_x, 1.0, 2, 1)
    .hole(hole_d))
part = (part.copyWorkplane(xy.workplane(offset=hole_z_2)).center(7.0, 30.0).rarray(1.0, hole_pitch_y, 1, 2)
    .cboreHole(hole_d_2, cbore_d, cbore_depth))

result = part
