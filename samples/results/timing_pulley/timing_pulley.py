"""timing_pulley: 35.99 × 35.99 × 22 mm; about 0.999 IoU with its mesh."""

import cadquery as cq

# Dimensions
base_height   = 1.5   # mm
base_d        = 36.0  # mm
step_height   = 11.0  # mm
boss_height   = 1.5   # mm
boss_d        = 36.0  # mm
step_height_2 = 8.0   # mm
hole_z        = 10.0  # mm: height of the mouth
hole_d        = 4.2   # mm: tap drill of M5
hole_depth    = 7.0   # mm
hole_d_2      = 8.0   # mm
step_top = base_height + step_height
boss_top = step_top + boss_height

xy = cq.Workplane("XY")
yz = cq.Workplane("YZ")

part = xy.circle(base_d / 2).extrude(base_height)
part = part.union(xy.workplane(offset=base_height).moveTo(7.2769, -13.5104).lineTo(7.8857, -13.16434)
    .threePointArc((7.961808, -10.95851), (10.0832, -11.56775)).radiusArc((11.56775, -10.0832), -15.34554)
    .threePointArc((10.95851, -7.961808), (13.16434, -7.8857)).radiusArc((14.11747, -6.0151), -15.3456)
    .threePointArc((12.88257, -4.185814), (14.95685, -3.43174)).radiusArc((15.2853, -1.35814), -15.34563)
    .threePointArc((13.54551, 0.0), (15.2853, 1.35814)).radiusArc((14.95685, 3.43174), -15.34563)
    .threePointArc((12.88257, 4.185814), (14.11747, 6.0151)).radiusArc((13.16434, 7.8857), -15.3456)
    .threePointArc((10.95851, 7.961808), (11.56775, 10.0832)).radiusArc((10.0832, 11.56775), -15.34554)
    .threePointArc((7.961808, 10.95851), (7.8857, 13.16434)).radiusArc((6.0151, 14.11747), -15.3456)
    .threePointArc((4.185814, 12.88257), (3.43174, 14.95685)).radiusArc((1.35814, 15.2853), -15.34563)
    .threePointArc((0.0, 13.54551), (-1.35814, 15.2853)).radiusArc((-3.43174, 14.95685), -15.34563)
    .threePointArc((-4.185814, 12.88257), (-6.0151, 14.11747)).radiusArc((-7.8857, 13.16434), -15.3456)
    .threePointArc((-7.961808, 10.95851), (-10.0832, 11.56775)).radiusArc((-11.56775, 10.0832), -15.34554)
    .threePointArc((-10.95851, 7.961808), (-13.16434, 7.8857)).radiusArc((-14.11747, 6.0151), -15.3456)
    .threePointArc((-12.88257, 4.185814), (-14.95685, 3.43174)).radiusArc((-15.2853, 1.35814), -15.34563)
    .threePointArc((-13.54551, 0.0), (-15.2853, -1.35814)).radiusArc((-14.95685, -3.43174), -15.34563)
    .threePointArc((-12.88257, -4.185814), (-14.11747, -6.0151)).radiusArc((-13.16434, -7.8857), -15.3456)
    .threePointArc((-10.95851, -7.961808), (-11.56775, -10.0832)).radiusArc((-10.0832, -11.56775), -15.34554)
    .threePointArc((-7.961808, -10.95851), (-7.8857, -13.16434)).radiusArc((-6.0151, -14.11747), -15.3456)
    .threePointArc((-4.185814, -12.88257), (-3.43174, -14.95685)).radiusArc((-1.35814, -15.2853), -15.34563)
    .threePointArc((0.0, -13.54551), (1.35814, -15.2853)).radiusArc((3.43174, -14.95685), -15.34563)
    .threePointArc((4.185814, -12.88257), (6.0151, -14.11747)).lineTo(6.6529, -13.82834).close()
    .extrude(step_height))
part = part.union(xy.workplane(offset=step_top).circle(boss_d / 2).extrude(boss_height))
part = part.union(xy.workplane(offset=boss_top).moveTo(9.856, 0.47634).lineTo(9.777, 2.1)
    .threePointArc((-10.00019, 0.0008), (9.777, -2.0984)).lineTo(9.8386, -0.93063).lineTo(9.85986, -0.5353)
    .radiusArc((9.8859, -0.12137), 16.89795).lineTo(9.8776, 0.0738).lineTo(9.86806, 0.23135).close()
    .extrude(step_height_2))
part = part.copyWorkplane(yz.workplane(offset=hole_z)).pushPoints([(0.0, 18.0)]).hole(hole_d, depth=hole_depth)
part = part.copyWorkplane(xy.workplane(offset=boss_top + step_height_2)).hole(hole_d_2)

result = part
