"""filleted_block: 100 × 40 × 50 mm; about 0.994 IoU with its mesh."""

import cadquery as cq

# Dimensions
base_height   = 40.0   # mm
pocket_z      = -50.0  # mm: height above the datum
pocket_height = 100.0  # mm
hole_z        = 25.0   # mm: height of the mouth
hole_pitch_x  = 80.0   # mm
hole_d        = 9.0    # mm: clearance of M8, medium
hole_d_2      = 25.0   # mm

zx = cq.Workplane("ZX", origin=(0.0, -20.0, 25.0))
yz = cq.Workplane("YZ", origin=(0.0, -20.0, 25.0))
xy = cq.Workplane("XY", origin=(0.0, -20.0, 25.0))

part = (zx.moveTo(-25.0, 0.0).vLineTo(-50.0).hLineTo(-15.0).radiusArc((-13.0, -48.0), -2.000005).vLineTo(-28.0)
    .hLineTo(9.0).radiusArc((25.0, -12.0), -16.0).vLineTo(0.0).mirrorX().extrude(base_height))
part = part.cut(yz.workplane(offset=pocket_z).moveTo(2.0, 25.0).hLineTo(0.0).vLineTo(23.0)
    .radiusArc((2.0, 25.0), 2.0).close().extrude(pocket_height))
part = part.cut(yz.workplane(offset=pocket_z).moveTo(40.0, 23.0).vLineTo(25.0).hLineTo(38.0)
    .radiusArc((40.0, 23.0), 2.000005).close().extrude(pocket_height))
part = (part.copyWorkplane(xy.workplane(offset=hole_z)).center(0.0, 20.0).rarray(hole_pitch_x, 1.0, 2, 1)
    .hole(hole_d))
part = part.copyWorkplane(zx.workplane(offset=base_height)).pushPoints([(7.0, 0.0)]).hole(hole_d_2)

result = part
