"""bolt_plate: 120 × 80 × 10 mm; about 1.000 IoU with its mesh."""

import cadquery as cq

# Dimensions
base_height   = 10.0   # mm
base_length   = 120.0  # mm
base_width    = 80.0   # mm
base_corner_r = 8.0    # mm
edge_chamfer  = 1.0    # mm
hole_pitch_x  = 100.0  # mm
hole_pitch_y  = 60.0   # mm
hole_d        = 9.0    # mm: clearance of M8, medium
hole_circle_d = 46.0   # mm: diameter of the circle of centres
hole_count    = 6      # count
hole_d_2      = 5.5    # mm: clearance of M5, medium
hole_d_3      = 30.0   # mm

xy = cq.Workplane("XY")

part = xy.sketch().rect(base_length, base_width).vertices().fillet(base_corner_r).finalize().extrude(base_height)
part = part.edges(">Z").chamfer(edge_chamfer)
part = part.copyWorkplane(xy.workplane(offset=base_height)).rarray(hole_pitch_x, hole_pitch_y, 2, 2).hole(hole_d)
part = (part.copyWorkplane(xy.workplane(offset=base_height)).polarArray(hole_circle_d / 2, 0.0, 360, hole_count)
    .hole(hole_d_2))
part = part.copyWorkplane(xy.workplane(offset=base_height)).hole(hole_d_3)

result = part
