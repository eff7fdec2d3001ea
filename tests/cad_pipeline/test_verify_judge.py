"""The judge: failures, files, acceptance, words, and what it keeps."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import trimesh

from cad_pipeline.roles import Verifier
from cad_pipeline.values import Betti, Mesh, Target
from cad_pipeline.verify import MeshVerifier, Tolerance
from cad_sandbox.execution import Execution, Outcome

EVERY_FIGURE = {
    "iou",
    "iou_voxel64",
    "deviation",
    "surface_f1",
    "volume_error",
    "bbox_error_mm",
    "betti_target",
    "betti_result",
    "regions",
}


def mesh(shape, name="part"):
    return Mesh(name=name, vertices=np.array(shape.vertices), faces=np.array(shape.faces))


def solid(manifold, name="part"):
    out = manifold.to_mesh64()
    return Mesh(name=name, vertices=np.array(out.vert_properties[:, :3]), faces=np.array(out.tri_verts, np.int64))


def built(folder, result):
    path = folder / "part.npz"
    np.savez(path, vertices=result.vertices, faces=result.faces)
    return Execution(outcome=Outcome.BUILT, mesh=path, solids=1)


def judge(folder, target, result, **tolerance):
    verifier: Verifier = MeshVerifier(tolerance=Tolerance(**tolerance))
    return verifier.judge(Target(mesh=target), built(folder, result))


def drilled(radius, size=(80.0, 50.0, 8.0)):
    import manifold3d

    plate = manifold3d.Manifold.cube(size)
    return solid(plate - manifold3d.Manifold.cylinder(20, radius, radius, 48).translate((20, 20, -5)))


def test_a_failure_scores_zero_and_keeps_its_message(tmp_path):
    failed = Execution(outcome=Outcome.RAISED, message="StdFail_NotDone: fillet", line=7)
    verdict = MeshVerifier().judge(Target(mesh=mesh(trimesh.creation.box((1, 1, 1)))), failed)
    assert not verdict.accepted
    assert verdict.iou == 0.0
    assert verdict.reason == "raised: StdFail_NotDone: fillet"


def test_an_equal_result_is_accepted_with_every_figure(tmp_path):
    verdict = judge(tmp_path, drilled(3), drilled(3))
    assert verdict.accepted
    assert verdict.iou == pytest.approx(1.0, abs=1e-9)
    assert verdict.iou_method == "exact"
    assert verdict.iou_voxel64 == 1.0
    assert verdict.surface_f1 == 1.0
    assert verdict.volume_error == pytest.approx(0.0, abs=1e-9)
    assert verdict.bbox_error_mm == 0.0
    assert verdict.deviation.max == pytest.approx(0.0, abs=1e-6)
    assert verdict.betti_target == verdict.betti_result == Betti(b0=1, b1=1, b2=0)
    assert verdict.regions == ()
    assert verdict.unknown == {}


def test_a_missing_hole_refuses_although_the_iou_is_high(tmp_path):
    verdict = judge(tmp_path, drilled(2), mesh(trimesh.creation.box(bounds=[[0, 0, 0], [80, 50, 8]])))
    assert verdict.iou > 0.99
    assert not verdict.accepted
    assert "0 through holes instead of 1" in verdict.reason
    assert "hole ⌀4.0 missing near (20, 20, 4)" in verdict.reason


def test_a_missing_hole_refuses_in_the_thinnest_sheet_too(tmp_path):
    sheet = (80.0, 50.0, 0.2)
    verdict = judge(tmp_path, drilled(2, sheet), mesh(trimesh.creation.box(bounds=[[0, 0, 0], sheet])))
    assert verdict.iou > 0.99
    assert not verdict.accepted
    assert "0 through holes instead of 1" in verdict.reason


def test_a_pinhole_is_told_but_does_not_refuse(tmp_path):
    whole = mesh(trimesh.creation.box(bounds=[[0, 0, 0], [80, 50, 8]]))
    verdict = judge(tmp_path, whole, drilled(0.1))
    assert verdict.accepted
    assert "1 through hole instead of 0" in verdict.reason
    assert not judge(tmp_path, whole, drilled(0.1), min_feature_rel=1e-4).accepted


def test_a_result_of_the_wrong_size_is_refused_with_the_direction(tmp_path):
    target, result = trimesh.creation.box((40, 30, 20)), trimesh.creation.box((40.8, 30, 20))
    verdict = judge(tmp_path, mesh(target), mesh(result))
    assert verdict.iou == pytest.approx(40 / 40.8)
    assert verdict.bbox_error_mm == pytest.approx(0.4)
    assert verdict.volume_error == pytest.approx(0.02)
    assert not verdict.accepted
    assert "the box is off by 0.4 mm" in verdict.reason
    assert "0.8 mm too long along x" in verdict.reason
    assert judge(tmp_path, mesh(target), mesh(result), max_bbox_error_rel=0.01, max_volume_error_rel=0.03).accepted


def test_another_number_of_bodies_is_refused(tmp_path):
    box = trimesh.creation.box((40, 30, 20))
    crumb = trimesh.creation.box((0.5, 0.5, 0.5), trimesh.transformations.translation_matrix((0, 0, 9.0 + 1.2)))
    verdict = judge(tmp_path, mesh(box), mesh(trimesh.util.concatenate([box, crumb.apply_translation((0, 0, 0.2))])))
    assert verdict.iou > 0.999
    assert not verdict.accepted
    assert "2 bodies instead of 1" in verdict.reason


@pytest.mark.parametrize("sections", [12, 16, 24])
def test_a_true_cylinder_over_a_coarse_one_is_accepted(tmp_path, sections):
    coarse = trimesh.creation.cylinder(radius=10, height=30, sections=sections)
    true = trimesh.creation.cylinder(radius=10, height=30, sections=512)
    verdict = judge(tmp_path, mesh(coarse), mesh(true))
    assert verdict.accepted, verdict.reason
    assert verdict.regions == ()
    # The forgiveness is for what the facets explain, not for a radius that is wrong by as much again.
    wrong = trimesh.creation.cylinder(radius=10.6 if sections < 24 else 10.3, height=30, sections=512)
    assert not judge(tmp_path, mesh(coarse), mesh(wrong)).accepted


def test_a_true_cylinder_over_an_octagon_is_refused(tmp_path):
    octagon = trimesh.creation.cylinder(radius=10, height=30, sections=8)
    true = trimesh.creation.cylinder(radius=10, height=30, sections=512)
    assert not judge(tmp_path, mesh(octagon), mesh(true)).accepted


def test_a_limit_on_the_deviation_can_be_asked_for(tmp_path):
    import manifold3d

    block = manifold3d.Manifold.cube((40, 40, 40))
    pin = manifold3d.Manifold.cube((1, 1, 20)).translate((20, 20, -20))
    notched = block - manifold3d.Manifold.cube((1, 1, 10)).translate((20, 20, 30))
    assert judge(tmp_path, solid(block), solid(notched)).accepted
    assert not judge(tmp_path, solid(block), solid(notched), max_deviation_rel=0.005).accepted
    assert not judge(tmp_path, solid(block), solid(block + pin)).accepted


def test_an_open_target_is_judged_by_rays_and_says_what_is_unknown(tmp_path):
    ball = trimesh.creation.icosphere(4, 10.0)
    keep = ball.triangles_center @ [0.6, 0.0, 0.8] < 9.8
    torn = Mesh(name="torn", vertices=np.array(ball.vertices), faces=np.array(ball.faces)[keep])
    verdict = judge(tmp_path, torn, mesh(ball))
    assert verdict.iou == pytest.approx(1.0, abs=0.005)
    assert "rays" in verdict.iou_method
    assert set(verdict.unknown) == {"betti_target", "regions"}
    assert "open edges" in verdict.unknown["betti_target"]
    assert verdict.betti_target is None
    assert verdict.accepted


def test_a_flat_target_is_refused_with_reasons_for_every_volume_figure(tmp_path):
    sheet = Mesh(name="sheet", vertices=np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0.0]]), faces=np.array([[0, 1, 2]]))
    verdict = judge(tmp_path, sheet, mesh(trimesh.creation.box((1, 1, 1))))
    assert not verdict.accepted
    assert {"volume_error", "betti_target", "regions"} <= set(verdict.unknown)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"not a zip"])
def test_a_broken_file_is_a_verdict_not_a_crash(tmp_path, content):
    path = tmp_path / "part.npz"
    path.write_bytes(content)
    verdict = MeshVerifier().judge(Target(mesh=drilled(3)), Execution(outcome=Outcome.BUILT, mesh=path))
    assert not verdict.accepted
    assert verdict.iou is None
    assert set(verdict.unknown) == EVERY_FIGURE


def test_a_file_with_objects_is_not_run(tmp_path):
    path = tmp_path / "part.npz"
    np.savez(path, vertices=np.array([print, print], dtype=object), faces=np.zeros((1, 3), int))
    verdict = MeshVerifier().judge(Target(mesh=drilled(3)), Execution(outcome=Outcome.BUILT, mesh=path))
    assert "could not read" in verdict.reason


def test_a_missing_file_and_no_file_are_told(tmp_path):
    target = Target(mesh=drilled(3))
    gone = Execution(outcome=Outcome.BUILT, mesh=tmp_path / "gone.npz")
    assert "could not read" in MeshVerifier().judge(target, gone).reason
    assert "no mesh" in MeshVerifier().judge(target, Execution(outcome=Outcome.BUILT)).reason


def test_nonsense_in_the_file_is_told(tmp_path):
    nan = Mesh(name="nan", vertices=np.full((3, 3), np.nan), faces=np.array([[0, 1, 2]]))
    verdict = judge(tmp_path, drilled(3), nan)
    assert not verdict.accepted
    assert "finite" in verdict.reason


def test_one_verifier_serves_several_threads_and_parts(tmp_path):
    verifier = MeshVerifier()
    targets = [drilled(r) for r in (1.0, 2.0, 3.0)]

    def task(k):
        folder = tmp_path / str(k)
        folder.mkdir()
        return verifier.judge(Target(mesh=targets[k % 3]), built(folder, targets[(k + k // 3) % 3])).iou

    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(task, range(9)))
    alone = [MeshVerifier().judge_mesh(targets[k % 3], targets[(k + k // 3) % 3]).iou for k in range(9)]
    assert threaded == pytest.approx(alone, abs=1e-12)


def test_a_verifier_can_be_sent_to_another_process():
    verifier = MeshVerifier(tolerance=Tolerance(min_iou=0.9))
    part = drilled(3)
    before = verifier.judge_mesh(part, part)
    # Batches ship the verifier by this protocol; nothing here is read from a file.
    make, arguments = verifier.__reduce__()
    sent = make(*arguments)
    assert sent.tolerance == verifier.tolerance
    assert sent.judge_mesh(part, part).iou == before.iou


def test_the_cheap_figure_is_the_same():
    verifier = MeshVerifier()
    assert verifier.iou(drilled(3), drilled(4)).value == verifier.judge_mesh(drilled(3), drilled(4)).iou


def test_nothing_is_said_on_stderr_when_a_verifier_lives_until_the_end():
    code = (
        "import trimesh; from cad_pipeline.verify import MeshVerifier; from cad_pipeline.values import Mesh;"
        "box = trimesh.creation.box((1, 2, 3)); part = Mesh(name='box', vertices=box.vertices, faces=box.faces);"
        "keep = MeshVerifier(); print(keep.judge_mesh(part, part).accepted)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
    assert done.stderr == ""


def test_warming_up_compiles_what_a_judgement_needs():
    from cad_pipeline.verify import warm_up
    from cad_pipeline.verify.dense import _cross
    from cad_pipeline.verify.distance import _nearest

    warm_up()
    before = [len(kernel.signatures) for kernel in (_cross, _nearest)]
    MeshVerifier().judge_mesh(drilled(3), drilled(4))
    assert [len(kernel.signatures) for kernel in (_cross, _nearest)] == before == [1, 1]


def test_the_package_loads_nothing_heavy():
    code = (
        "import sys, cad_pipeline.verify as v; assert 'MeshVerifier' in v.__all__ == sorted(v.__all__);"
        "print([m for m in ('numba', 'manifold3d', 'scipy', 'trimesh', 'cadquery') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_resolves():
    import cad_pipeline.verify as package

    for name in package.__all__:
        assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError, match="nonsense"):
        package.nonsense  # noqa: B018
