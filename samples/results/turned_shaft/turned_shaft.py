"""turned_shaft: 30 × 30 × 105 mm; about 0.997 IoU with its mesh."""

import cadquery as cq

# Dimensions
turned_d        = 30.0     # mm
turned_d_2      = 20.0     # mm
turned_d_3      = 16.0     # mm
turned_height   = 25.0     # mm
turned_height_2 = 50.0     # mm
turned_height_3 = 24.9     # mm
turned_height_4 = 1.1      # mm
turned_height_5 = 4.0      # mm
slot_z          = 11.0     # mm: height above the datum
slot_height     = 4.0054   # mm
slot_length     = 31.9943  # mm
slot_width      = 7.9955   # mm
turned_top = turned_height + turned_height_2
turned_top_2 = turned_top + turned_height_3
turned_top_3 = turned_top_2 + turned_height_4
turned_top_4 = turned_top_3 + turned_height_5

xz = cq.Workplane("XZ")
yz = cq.Workplane("YZ")

part = (xz.polyline([(0.0, turned_top_4), (0.0, 0.0), (turned_d_2 / 2 - 1.0, 0.0),
    (turned_d_2 / 2, turned_height - 24.0), (turned_d_2 / 2, turned_height), (turned_d / 2, turned_height),
    (turned_d / 2, turned_top), (turned_d_3 / 2, turned_top), (turned_d_3 / 2, turned_top_2),
    (turned_d_3 / 2 - 0.4, turned_top_2), (turned_d_3 / 2 - 0.4, turned_top_3), (turned_d_3 / 2, turned_top_3),
    (turned_d_3 / 2, turned_top_4 - 1.0), (7.0, turned_top_4)]).close().revolve(360, (0, 0, 0), (0, 1, 0)))
part = part.cut(yz.workplane(offset=slot_z).moveTo(0.0, 50.0).slot2D(slot_length, slot_width, 90.0)
    .extrude(slot_height))

result = part
