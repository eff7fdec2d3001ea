"""Slotted link in a skew pose: no face is parallel to a coordinate plane, the part is 33° about (1, 2, 3) and moved."""

import cadquery as cq

length, width, thickness = 80.0, 30.0, 12.0
eye_d, pin_d = 30.0, 12.0
slot_length, slot_width = 30.0, 8.0
pocket_depth = 4.0
turn_deg, axis, shift = 33.0, (1.0, 2.0, 3.0), (40.0, -25.0, 60.0)

link = cq.Workplane("XY").slot2D(length + width, width).extrude(thickness)
link = link.faces(">Z").workplane().pushPoints([(-length / 2, 0), (length / 2, 0)]).hole(pin_d)
link = link.cut(cq.Workplane("XY").slot2D(slot_length, slot_width).extrude(thickness))
pocket = (
    cq.Workplane("XY", origin=(0, 0, thickness - pocket_depth))
    .slot2D(slot_length + 12, slot_width + 8)
    .extrude(thickness)
)
result = link.cut(pocket).rotate((0, 0, 0), axis, turn_deg).translate(shift)
