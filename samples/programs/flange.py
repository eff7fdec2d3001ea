"""Pipe flange with a hub: through bore, eight bolts, a raised sealing face and a filleted neck."""

import cadquery as cq

flange_d, flange_thickness = 140.0, 16.0
hub_d, hub_height = 76.0, 24.0
bore_d = 50.0
raised_d, raised_height = 90.0, 2.0
bolt_circle_d, bolt_hole_d, bolt_count = 110.0, 14.0, 8
neck_radius = 5.0

flange = cq.Workplane("XY").circle(flange_d / 2).extrude(flange_thickness)
flange = flange.faces(">Z").workplane().circle(hub_d / 2).extrude(hub_height)
flange = flange.edges(cq.selectors.RadiusNthSelector(0)).edges("<Z").fillet(neck_radius)
flange = flange.faces("<Z").workplane().circle(raised_d / 2).extrude(raised_height)
flange = flange.faces(">Z").workplane().circle(bore_d / 2).cutThruAll()
result = (
    flange.faces(">Z")
    .workplane()
    .polarArray(bolt_circle_d / 2, 0, 360, bolt_count)
    .circle(bolt_hole_d / 2)
    .cutThruAll()
)
