"""pull_handle: 126 × 16 × 41.5 mm; about 0.997 IoU with its mesh."""

import cadquery as cq

# Dimensions
wire_d       = 9.0    # mm
step_depth   = 5.0    # mm
step_pitch_x = 96.0   # mm
step_length  = 30.0   # mm
step_width   = 16.0   # mm
hole_z       = 5.0    # mm: height of the mouth
hole_pitch_y = 78.0   # mm
hole_d       = 4.5    # mm: clearance of M4, medium
hole_depth   = 5.6    # mm
hole_pitch_x = 114.0  # mm

zx = cq.Workplane("ZX", origin=(48.0, 0.0, 5.0))
xy = cq.Workplane("XY", origin=(48.0, 0.0, 5.0))
yx = cq.Workplane("YX", origin=(48.0, 0.0, 5.0))

wire_path = (zx.moveTo(0.0, 0.0).lineTo(20.0, 0.0).threePointArc((28.48528, -3.51472), (32.0, -12.0))
    .lineTo(32.0, -84.0).threePointArc((28.48528, -92.48528), (20.0, -96.0)).lineTo(0.0, -96.0))
part = cq.Workplane("XY", origin=(48.0, 0.0, 5.0)).circle(wire_d / 2).sweep(wire_path)
part = part.union(xy.workplane(offset=-step_depth).center(-48.0, 0.0).rarray(step_pitch_x, 1.0, 2, 1)
    .rect(step_length, step_width).extrude(step_depth))
part = (part.copyWorkplane(yx.workplane(offset=hole_z)).center(0.0, -48.0).rarray(1.0, hole_pitch_y, 1, 2)
    .hole(hole_d, depth=hole_depth))
part = part.copyWorkplane(xy).center(-48.0, 0.0).rarray(hole_pitch_x, 1.0, 2, 1).hole(hole_d)

result = part
