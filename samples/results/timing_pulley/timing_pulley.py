"""timing_pulley: 35.99 × 35.99 × 22 mm; about 0.999 IoU with its mesh."""

import cadquery as cq

# Dimensions
base_height   = 1.5     # mm
base_d        = 36.0    # mm
boss_z        = 12.5    # mm: height above the datum
boss_height   = 1.5     # mm
boss_d        = 36.0    # mm
turned_d      = 30.691  # mm
pocket_count  = 20      # count
turned_d_2    = 20.0    # mm
turned_height = 8.0     # mm
hole_z        = 10.0    # mm: height of the mouth
hole_d        = 4.2     # mm: tap drill of M5
hole_depth    = 7.0     # mm
boss_top = boss_z + boss_height
turned_top = boss_top + turned_height

xy = cq.Workplane("XY")
xz = cq.Workplane("XZ")
yz = cq.Workplane("YZ")

part = xy.circle(base_d / 2).extrude(base_height)
part = part.union(xy.workplane(offset=boss_z).circle(boss_d / 2).extrude(boss_height))
part = part.union(xz.polyline([(turned_d / 2, base_height), (turned_d / 2, boss_z), (0.0, boss_z),
    (0.0, base_height)]).close().revolve(360, (0, 0, 0), (0, 1, 0)))
one_pocket = (cq.Workplane("XY").workplane(offset=base_height).moveTo(15.1506, -1.1924).lineTo(15.19617, -0.19893)
    .lineTo(15.19226, 0.0).lineTo(15.19617, 0.19893).lineTo(15.1506, 1.1924).lineTo(15.12906, 1.38536)
    .lineTo(15.0851, 1.393).threePointArc((13.54314, -0.021534), (15.12906, -1.3866)).close()
    .extrude(boss_z - base_height))
part = part.cut(xy.polarArray(0, 0, 360, pocket_count).eachpoint(one_pocket, True))
one_pocket_2 = (cq.Workplane("XY").workplane(offset=base_height).polyline([(-14.95444, -3.43046),
    (-14.95444, -7.15636), (-13.5718, -7.15636), (-13.82834, -6.6529), (-14.11747, -6.0151), (-13.9163, -5.9864),
    (-13.7214, -5.9289), (-13.5718, -5.8599), (-13.5718, -3.37633), (-13.60736, -3.35765), (-14.8168, -3.35765)])
    .close().extrude(boss_z - base_height))
part = part.cut(xy.polarArray(0, 0, 360, pocket_count).eachpoint(one_pocket_2, True))
part = part.union(xz.polyline([(turned_d_2 / 2, boss_top), (turned_d_2 / 2, turned_top), (0.0, turned_top),
    (0.0, boss_top)]).close().revolve(360, (0, 0, 0), (0, 1, 0)))
part = part.copyWorkplane(yz.workplane(offset=hole_z)).pushPoints([(0.0, 18.0)]).hole(hole_d, depth=hole_depth)
part = part.copyWorkplane(xy.workplane(offset=turned_top)).hole(8.0)

result = part
