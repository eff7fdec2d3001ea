"""inch_manifold: 127 × 38.1 × 31.75 mm; about 0.999 IoU with its mesh."""

import cadquery as cq

# Dimensions
base_height  = 38.1    # mm
base_length  = 31.75   # mm
base_width   = 127.0   # mm
edge_chamfer = 1.59    # mm
hole_z       = 63.5    # mm: height of the mouth
hole_d       = 12.7    # mm
hole_z_2     = 15.875  # mm: height of the mouth
hole_pitch_x = 114.3   # mm
hole_pitch_y = 25.4    # mm
hole_d_2     = 5.105   # mm
cbore_d      = 8.33    # mm
cbore_depth  = 4.826   # mm

zx = cq.Workplane("ZX", origin=(0.0, -19.05, 15.875))
yz = cq.Workplane("YZ", origin=(0.0, -19.05, 15.875))
xy = cq.Workplane("XY", origin=(0.0, -19.05, 15.875))

part = zx.rect(base_length, base_width).extrude(base_height)
part = part.edges(">Z").chamfer(edge_chamfer)
part = part.copyWorkplane(yz.workplane(offset=hole_z)).pushPoints([(19.05, 0.0)]).hole(hole_d)
part = (part.copyWorkplane(xy.workplane(offset=hole_z_2)).center(0.0, 19.05)
    .rarray(hole_pitch_x, hole_pitch_y, 2, 2).cboreHole(hole_d_2, cbore_d, cbore_depth))
part = (part.copyWorkplane(xy.workplane(offset=hole_z_2)).center(0.0, 19.05).rarray(22.225, 1.0, 5, 1)
    .hole(7.94, depth=12.0))

result = part
