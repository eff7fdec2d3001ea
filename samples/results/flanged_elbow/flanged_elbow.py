"""flanged_elbow: 105 × 59.98 × 94.96 mm; about 0.991 IoU with its mesh."""

import cadquery as cq

# Dimensions
base_height  = 8.0    # mm
base_d       = 60.0   # mm
boss_z       = -65.0  # mm: height above the datum
boss_height  = 8.0    # mm
boss_d       = 60.0   # mm
tube_d       = 26.0   # mm
tube_bore_d  = 20.0   # mm
hole_z       = 65.0   # mm: height of the mouth
hole_d       = 20.0   # mm
hole_depth   = 10.0   # mm
hole_d_2     = 6.6    # mm: clearance of M6, medium
hole_depth_2 = 9.0    # mm

yz = cq.Workplane("YZ", origin=(67.0, 0.0, 65.0))
xy = cq.Workplane("XY", origin=(67.0, 0.0, 65.0))
zx = cq.Workplane("ZX", origin=(67.0, 0.0, 65.0))
yx = cq.Workplane("YX", origin=(67.0, 0.0, 65.0))

part = yz.circle(base_d / 2).extrude(base_height)
part = part.union(xy.workplane(offset=boss_z).moveTo(-67.0, 0.0).circle(boss_d / 2).extrude(boss_height))
tube_path = (zx.moveTo(0.0, 0.0).lineTo(0.0, -32.0).threePointArc((-10.25126, -56.74874), (-35.0, -67.0))
    .lineTo(-57.0, -67.0))
part = part.union(cq.Workplane("ZY", origin=(67.0, 0.0, 65.0)).circle(tube_d / 2).circle(tube_bore_d / 2)
    .sweep(tube_path))
part = part.copyWorkplane(yx.workplane(offset=hole_z)).pushPoints([(0.0, -67.0)]).hole(hole_d, depth=hole_depth)
part = (part.copyWorkplane(xy.workplane(offset=boss_z + boss_height)).pushPoints([(-88.2504, 5.694),
    (-61.306, -21.2504)]).hole(hole_d_2))
part = (part.copyWorkplane(yx.workplane(offset=hole_z)).pushPoints([(15.5563, -51.4437)])
    .hole(hole_d_2, depth=hole_depth_2))
part = part.copyWorkplane(yz.workplane(offset=base_height)).polarArray(22.0, 75.0, 360, 3).hole(hole_d_2)
part = part.copyWorkplane(yz.workplane(offset=base_height)).hole(hole_d, depth=hole_depth)

result = part
