"""Toothed pulley with flanges and a hub: twenty round grooves on the rim, a bore and a set-screw hole."""

import math

import cadquery as cq

teeth, pitch = 20, 5.0
groove_d, tip_below_pitch = 2.8, 0.57
belt_width, flange_d, flange_thickness = 11.0, 36.0, 1.5
hub_d, hub_length = 20.0, 8.0
bore_d, set_screw_d = 8.0, 4.2

tip_d = teeth * pitch / math.pi - 2 * tip_below_pitch
rim = cq.Workplane("XY", origin=(0, 0, flange_thickness)).circle(tip_d / 2).extrude(belt_width)
grooves = (
    cq.Workplane("XY", origin=(0, 0, flange_thickness))
    .polarArray(tip_d / 2 - 0.4, 0, 360, teeth)
    .circle(groove_d / 2)
    .extrude(belt_width)
)
low = cq.Workplane("XY").circle(flange_d / 2).extrude(flange_thickness)
high = low.translate((0, 0, flange_thickness + belt_width))
top = 2 * flange_thickness + belt_width
hub = cq.Workplane("XY", origin=(0, 0, top)).circle(hub_d / 2).extrude(hub_length)
pulley = rim.cut(grooves).union(low).union(high).union(hub)
bore = cq.Workplane("XY").circle(bore_d / 2).extrude(top + hub_length)
screw = cq.Workplane("YZ", origin=(0, 0, top + hub_length / 2)).circle(set_screw_d / 2).extrude(hub_d)
result = pulley.cut(bore).cut(screw)
