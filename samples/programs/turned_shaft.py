"""Stepped shaft turned in one piece: shoulders, a retaining-ring groove, chamfered ends and a keyway."""

import cadquery as cq

journal_d, journal_length = 20.0, 25.0
body_d, body_length = 30.0, 50.0
nose_d, nose_length = 16.0, 30.0
groove_d, groove_width, groove_from_end = 15.2, 1.1, 4.0
chamfer = 1.0
key_width, key_length, key_depth = 8.0, 32.0, 4.0

end = journal_length + body_length + nose_length
groove = end - groove_from_end
profile = [
    (0, 0),
    (journal_d / 2 - chamfer, 0),
    (journal_d / 2, chamfer),
    (journal_d / 2, journal_length),
    (body_d / 2, journal_length),
    (body_d / 2, journal_length + body_length),
    (nose_d / 2, journal_length + body_length),
    (nose_d / 2, groove - groove_width),
    (groove_d / 2, groove - groove_width),
    (groove_d / 2, groove),
    (nose_d / 2, groove),
    (nose_d / 2, end - chamfer),
    (nose_d / 2 - chamfer, end),
    (0, end),
]
shaft = cq.Workplane("XZ").polyline(profile).close().revolve(360, (0, 0, 0), (0, 1, 0))
keyway = (
    cq.Workplane("XY", origin=(0, 0, journal_length + body_length / 2))
    .transformed(rotate=(0, 90, 0))
    .workplane(offset=body_d / 2 - key_depth)
    .slot2D(key_length, key_width)
    .extrude(2 * key_depth)
)
result = shaft.cut(keyway)
