"""Missing and extra pieces: found, measured, named as a machinist would."""

import manifold3d
import numpy as np
import pytest
import trimesh

from cad_pipeline.verify import NotMeasurable, region_words, regions
from cad_pipeline.verify.words import box_words, mm

Solid = manifold3d.Manifold


def arrays(solid):
    mesh = solid.to_mesh64()
    return np.array(mesh.vert_properties[:, :3], np.float64), np.array(mesh.tri_verts, np.int64)


def cylinder(radius, height, place, sections=48):
    return Solid.cylinder(height, radius, radius, sections).translate(place)


def plate():
    return Solid.cube((80, 50, 8))


def part():
    holes = cylinder(2, 10, (10, 10, -1)) + cylinder(2, 10, (70, 10, -1)) + cylinder(5, 10, (40, 25, -1))
    return plate() - holes + cylinder(6, 10, (20, 35, 7))


def pocketed():
    return part() - Solid.cube((10, 12, 4)).translate((50, 30, 4))


# One change each, with the words it deserves. Functions, because no solid may outlive its library at exit.
CASES = {
    "filled hole": (part, lambda: part() + cylinder(2, 8, (10, 10, 0)), "hole ⌀4.0 missing"),
    "two filled holes": (
        part,
        lambda: part() + cylinder(2, 8, (10, 10, 0)) + cylinder(2, 8, (70, 10, 0)),
        "2 × hole ⌀4.0 missing",
    ),
    "lost boss": (part, lambda: part() - cylinder(7, 10, (20, 35, 8)), "boss ⌀12.0 missing"),
    "extra boss": (part, lambda: part() + cylinder(3, 5, (60, 40, 8)), "boss ⌀6.0 too much"),
    "extra hole": (part, lambda: part() - cylinder(3, 20, (60, 40, -5)), "hole ⌀6.0 too much"),
    "hole too small": (
        part,
        lambda: part() + (cylinder(5, 8, (40, 25, 0)) - cylinder(4, 10, (40, 25, -1))),
        "hole ⌀10.0 is only ⌀8.0, 2.0 mm too narrow",
    ),
    "hole too large": (part, lambda: part() - cylinder(6, 20, (40, 25, -5)), "hole ⌀10.0 is ⌀12.0, 2.0 mm too wide"),
    "boss too large": (part, lambda: part() + cylinder(7, 9, (20, 35, 8)), "round ⌀12.0 is ⌀14.0, 2.0 mm too thick"),
    "boss too small": (
        part,
        lambda: part() - (cylinder(9, 9, (20, 35, 8)) - cylinder(4, 20, (20, 35, 0))),
        "round ⌀12.0 is only ⌀8.0, 4.0 mm too thin",
    ),
    "lost pocket": (pocketed, part, "pocket 4.0 × 10.0 × 12.0 missing"),
    "extra pocket": (part, pocketed, "pocket 4.0 × 10.0 × 12.0 too much"),
    "extra block": (
        part,
        lambda: part() + Solid.cube((9, 6, 5)).translate((55, 30, 8)),
        "block 5.0 × 6.0 × 9.0 too much",
    ),
    "thicker": (plate, lambda: Solid.cube((80, 50, 8.5)), "layer 0.5 thick too much"),
    "thinner": (plate, lambda: Solid.cube((80, 50, 7.5)), "layer 0.5 thick missing"),
}


def case(name):
    target, result, words = CASES[name]
    return target(), result(), words


def what(words):
    return words.partition(" near ")[0]


def test_equal_pieces_are_told_together_with_their_places():
    target, result, _ = case("two filled holes")
    said = region_words(regions(arrays(target), arrays(result)))
    assert said == ["2 × hole ⌀4.0 missing near (10, 10, 4) and (70, 10, 4)"]


@pytest.mark.parametrize("name", CASES)
def test_every_change_gets_its_words(name):
    target, result, wanted = case(name)
    said = region_words(regions(arrays(target), arrays(result)))
    assert [what(words) for words in said] == [wanted]


@pytest.mark.parametrize("name", CASES)
def test_places_and_volumes_are_right(name):
    target, result, _ = case(name)
    found = regions(arrays(target), arrays(result))
    missing, extra = target - result, result - target
    pieces = [*missing.decompose(), *extra.decompose()]
    assert len(found) == len(pieces)
    for region in found:
        nearest = min(
            pieces,
            key=lambda piece: np.linalg.norm(np.array(piece.bounding_box()).reshape(2, 3).mean(0) - region.centre),
        )
        box = np.array(nearest.bounding_box()).reshape(2, 3)
        assert region.centre == pytest.approx(box.mean(axis=0), abs=0.1)
        assert region.size == pytest.approx(box[1] - box[0], abs=0.1)
        # Each side may lose the film that is left out, 3e-4 of the diagonal.
        assert region.volume_mm3 == pytest.approx(nearest.volume(), abs=0.03 * nearest.surface_area())


def test_an_unchanged_part_has_no_regions():
    assert regions(arrays(part()), arrays(part())) == ()
    assert regions(arrays(part()), arrays(part().refine(2))) == ()


def test_slivers_that_the_facets_explain_are_left_out():
    coarse, fine = cylinder(10, 30, (0, 0, 0), 16), cylinder(10, 30, (0, 0, 0), 256)
    assert regions(arrays(coarse), arrays(fine)) == ()
    # The other way round nothing explains them: the target is fine.
    assert len(regions(arrays(fine), arrays(coarse))) > 0


def test_a_film_does_not_join_pieces():
    thicker = Solid.cube((80, 50, 8.01)) - cylinder(5, 10, (40, 25, -1)) + cylinder(6, 10, (20, 35, 7))
    said = region_words(regions(arrays(part()), arrays(thicker)))
    assert [what(words) for words in said] == ["2 × hole ⌀4.0 missing"]


@pytest.mark.parametrize("turn", [(0, 0, 0), (90, 0, 0), (30, 20, 10)])
def test_holes_are_found_in_any_direction_and_place(turn):
    far = (1e4, -2e4, 3e4)
    target, filled = (
        arrays(solid.rotate(turn).translate(far)) for solid in (part(), part() + cylinder(2, 8, (10, 10, 0)))
    )
    (found,) = regions(target, filled)
    assert found.kind == "hole"
    assert found.words.startswith("hole ⌀4.0 missing near ")


def test_a_hole_across_a_shaft_is_round_although_its_ends_are_not():
    shaft = cylinder(10, 60, (0, 0, 0), 128)
    bored = shaft - cylinder(3, 40, (0, 0, -20)).rotate((90, 0, 0)).translate((0, 0, 30))
    (found,) = regions(arrays(bored), arrays(shaft))
    assert found.words.startswith("hole ⌀6.0 missing near ")


@pytest.mark.parametrize("radius", [2.0, 4.0])
def test_a_sharp_edge_in_place_of_a_round_is_named_with_its_radius(radius):
    block = Solid.cube((40, 30, 20))
    bar = cylinder(radius, 50, (0, 0, -5), 96).rotate((0, 90, 0)).translate((0, radius, radius))
    rounded = block - (Solid.cube((60, radius, radius)).translate((-10, 0, 0)) - bar)
    (found,) = regions(arrays(rounded), arrays(block))
    assert found.kind == "edge"
    assert found.words.startswith("edge round of about ")
    size = float(found.words.split("about ")[1].split(" ")[0])
    assert size == pytest.approx(radius, rel=0.12)


def test_a_missing_chamfer_is_named():
    block = Solid.cube((40, 30, 20))
    prism = Solid.hull_points([(x, y, z) for x in (-1, 41) for y, z in ((-1, -1), (4, -1), (-1, 4))])
    (found,) = regions(arrays(block - prism), arrays(block))
    assert found.words.startswith("edge chamfer of about 2.9 missing") or "3.0" in found.words


def test_pieces_of_an_open_mesh_are_refused_with_the_reason():
    mesh = trimesh.creation.box((1, 1, 1))
    opened = (np.array(mesh.vertices), np.array(mesh.faces)[2:])
    with pytest.raises(NotMeasurable, match="open edges"):
        regions((np.array(mesh.vertices), np.array(mesh.faces)), opened)


def test_box_words_tell_size_from_place():
    box = np.array([[0.0, 0, 0], [10, 20, 30]])
    assert box_words(box, box + np.array([[0, 0, 0], [0.4, 0, 0]]), 0.1) == ["0.4 mm too long along x"]
    assert box_words(box, box + np.array([[0, 0.5, 0], [0, -0.5, 0]]), 0.1) == ["1.0 mm too short along y"]
    assert box_words(box, box + np.array([[0, 0, 2.5]]), 0.1) == ["shifted by 2.5 mm along z"]
    assert box_words(box, box + 0.05, 0.1) == []


@pytest.mark.parametrize(
    ("length", "words"), [(250.4, "250"), (12.34, "12.3"), (1.0, "1.0"), (0.437, "0.44"), (0.4, "0.4")]
)
def test_lengths_are_written_as_on_a_drawing(length, words):
    assert mm(length) == words
