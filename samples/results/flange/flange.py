"""flange: 139.9 × 140 × 42 mm; about 0.997 IoU with its mesh."""

import cadquery as cq

# Dimensions
base_height   = 16.0   # mm
base_d        = 140.0  # mm
turned_d      = 76.0   # mm
turned_height = 24.0   # mm
boss_depth    = 2.0    # mm
boss_d        = 90.0   # mm
hole_circle_d = 110.0  # mm: diameter of the circle of centres
hole_count    = 8      # count
hole_d        = 14.0   # mm
hole_d_2      = 50.0   # mm
turned_top = base_height + turned_height

xy = cq.Workplane("XY")
xz = cq.Workplane("XZ")

part = xy.circle(base_d / 2).extrude(base_height)
part = part.union(xz.moveTo(0.0, base_height).lineTo(turned_d / 2 + 5.0, base_height)
    .radiusArc((turned_d / 2, turned_top - 19.0), 5.0).lineTo(turned_d / 2, turned_top).lineTo(0.0, turned_top)
    .close().revolve(360, (0, 0, 0), (0, 1, 0)))
part = part.union(xy.workplane(offset=-boss_depth).circle(boss_d / 2).extrude(boss_depth))
part = (part.copyWorkplane(xy.workplane(offset=base_height)).polarArray(hole_circle_d / 2, 0.0, 360, hole_count)
    .hole(hole_d))
part = part.copyWorkplane(xy.workplane(offset=turned_top)).hole(hole_d_2)

result = part
