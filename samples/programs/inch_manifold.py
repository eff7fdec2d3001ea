"""Air manifold block modelled in inches: a long supply bore, five ports across it, counterbored mounting holes."""

import cadquery as cq

length, width, height = 5.0, 1.5, 1.25
supply_d = 0.5
port_d, port_depth, port_pitch, port_count = 0.3125, 0.75, 0.875, 5
mount_d, mount_head_d, mount_head_depth = 0.201, 0.328, 0.19
mount_pitch_x, mount_pitch_y = 4.5, 1.0
chamfer = 0.0625

block = cq.Workplane("XY").box(length, width, height, centered=(True, True, False))
block = block.faces(">Z").edges().chamfer(chamfer)
block = (
    block.faces(">Z")
    .workplane()
    .rect(mount_pitch_x, mount_pitch_y, forConstruction=True)
    .vertices()
    .cboreHole(mount_d, mount_head_d, mount_head_depth)
)
block = block.faces(">Z").workplane().rarray(port_pitch, 1, port_count, 1).hole(port_d, port_depth)
supply = cq.Workplane("YZ", origin=(-length / 2, 0, height / 2)).circle(supply_d / 2).extrude(length)
result = block.cut(supply)
