"""Pipe elbow between two bolt flanges: a bent tube, swept along its way, with a through bore."""

import math

import cadquery as cq

pipe_d, bore_d, bend_r = 26.0, 20.0, 35.0
rise, reach = 30.0, 40.0
flange_d, flange_t, bolt_circle_d, bolt_d, bolts = 60.0, 8.0, 44.0, 6.6, 3

corner = bend_r * (1 - math.sqrt(0.5))
way = (
    cq.Workplane("XZ")
    .lineTo(0, rise)
    .threePointArc((corner, rise + bend_r - corner), (bend_r, rise + bend_r))
    .lineTo(bend_r + reach, rise + bend_r)
)
flange = (
    cq.Workplane("XY")
    .circle(flange_d / 2)
    .circle(bore_d / 2)
    .extrude(flange_t)
    .faces(">Z")
    .workplane()
    .polarArray(bolt_circle_d / 2, 45, 360, bolts)
    .hole(bolt_d)
)
outlet = flange.rotate((0, 0, 0), (0, 1, 0), 90).translate((bend_r + reach - flange_t, 0, rise + bend_r))
pipe = cq.Workplane("XY").circle(pipe_d / 2).circle(bore_d / 2).sweep(way)
result = flange.union(outlet).union(pipe)
