"""Open enclosure: a box with rounded corners hollowed to an even wall, with screw posts and a cable slot."""

import cadquery as cq

length, width, height, wall = 90.0, 60.0, 30.0, 2.0
corner_radius = 6.0
post_d, post_hole_d, post_height, post_inset = 7.0, 2.5, 24.0, 8.0
slot_width, slot_height, slot_z = 16.0, 6.0, 15.0

box = cq.Workplane("XY").rect(length, width).extrude(height).edges("|Z").fillet(corner_radius)
box = box.faces(">Z").shell(-wall)
posts = (
    cq.Workplane("XY", origin=(0, 0, wall / 2))
    .rect(length - 2 * post_inset, width - 2 * post_inset, forConstruction=True)
    .vertices()
    .circle(post_d / 2)
    .extrude(post_height)
)
pilots = (
    cq.Workplane("XY", origin=(0, 0, 2 * wall))
    .rect(length - 2 * post_inset, width - 2 * post_inset, forConstruction=True)
    .vertices()
    .circle(post_hole_d / 2)
    .extrude(height)
)
slot = cq.Workplane("YZ", origin=(length / 2 - 2 * wall, 0, slot_z)).slot2D(slot_width, slot_height).extrude(4 * wall)
result = box.union(posts).cut(pilots).cut(slot)
