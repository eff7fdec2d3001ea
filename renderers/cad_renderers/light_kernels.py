"""The compiled light: from triangle numbers to shaded pixels, depths and normals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad_renderers.compiled import compiled

__all__ = ["finished", "maps", "shade", "surface_plane"]

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
U8 = NDArray[np.uint8]

_SLOTS = 1024  # a power of two


@compiled
def surface_plane(f: int, screen: F64, faces: I32, normals: F64, corner_normals: I32, planes: F64, slot: int) -> None:
    """Write how triangle `f` runs over the screen: at (x, y) a normal or depth is p[k, 0] + x·p[k, 1] + y·p[k, 2].

    p, `planes[slot]` (3 or 4, 3): the normal's three parts, turned to the viewer's side and not of unit length, and,
    where there is room for it, the depth. A triangle seen from its edge gets the values of its middle.
    """
    i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
    ax, ay = screen[i, 0], screen[i, 1]
    bx, by = screen[j, 0] - ax, screen[j, 1] - ay
    cx, cy = screen[k, 0] - ax, screen[k, 1] - ay
    area = bx * cy - cx * by
    thin = abs(area) <= 1e-9 * (bx * bx + by * by + cx * cx + cy * cy)
    share = 0.0 if thin else 1.0 / area
    # Rows of the screen run down: a triangle that faces the viewer has a negative area.
    side = 1.0 if area <= 0.0 else -1.0
    na, nb, nc = corner_normals[f, 0], corner_normals[f, 1], corner_normals[f, 2]
    for part in range(planes.shape[1]):
        if part < 3:
            va, vb, vc = side * normals[na, part], side * normals[nb, part], side * normals[nc, part]
        else:
            va, vb, vc = screen[i, 2], screen[j, 2], screen[k, 2]
        if thin:
            planes[slot, part, 0], planes[slot, part, 1], planes[slot, part, 2] = (va + vb + vc) / 3.0, 0.0, 0.0
        else:
            gx = ((vb - va) * cy - (vc - va) * by) * share
            gy = ((vc - va) * bx - (vb - va) * cx) * share
            planes[slot, part, 0], planes[slot, part, 1], planes[slot, part, 2] = va - ax * gx - ay * gy, gx, gy


@compiled
def shade(
    ids: I32,
    samples: int,
    screen: F64,
    faces: I32,
    normals: F64,
    corner_normals: I32,
    flat: U8,
    lights: F64,
    material: F64,
    shininess: int,
    ground: F64,
) -> tuple[F64, U8]:
    """Light every sample and average `samples`² of them into each pixel.

    `lights` (l, 7): direction to the light, direction halfway to the viewer, intensity. `material` (6,): colour,
    ambient, diffuse, specular. Returns the canvas (p, p, 3) in [0, 1] and how many samples of each pixel the part
    covers.
    """
    pixels = len(ids) // samples
    canvas = np.empty((pixels, pixels, 3))
    cover = np.zeros((pixels, pixels), dtype=np.uint8)
    share = 1.0 / (samples * samples)
    last, steady = -1, False
    r, g, b = 0.0, 0.0, 0.0
    # Neighbouring pixels ask for the same few triangles again and again: their planes wait in numbered slots.
    held = np.full(_SLOTS, -1, dtype=np.int32)
    planes = np.empty((_SLOTS, 3, 3))
    # The triangles in a pixel of several: number, samples, and the middle of the samples.
    seen = np.empty(samples * samples, dtype=np.int32)
    counts = np.empty(samples * samples, dtype=np.int32)
    middles = np.empty((samples * samples, 2))
    # Below this cosine the highlight is too faint for a byte.
    dull = (1.0 / 1024.0) ** (1.0 / shininess)
    for row in range(pixels):
        for column in range(pixels):
            top, left = row * samples, column * samples
            whole = ids[top, left]
            if samples == 2:
                if ids[top, left + 1] != whole or ids[top + 1, left] != whole or ids[top + 1, left + 1] != whole:
                    whole = -2
            else:
                for i in range(samples):
                    for j in range(samples):
                        if ids[top + i, left + j] != whole:
                            whole = -2
            if whole == -1:
                canvas[row, column, 0], canvas[row, column, 1], canvas[row, column, 2] = ground[0], ground[1], ground[2]
                continue
            # Samples of one triangle are lit once, in their middle.
            f, count, u, v = whole, samples * samples, left + 0.5 * samples, top + 0.5 * samples
            n_seen = 1
            if whole < 0:
                n_seen = 0
                for y in range(top, top + samples):
                    for x in range(left, left + samples):
                        f = ids[y, x]
                        if f < 0:
                            continue
                        k = n_seen - 1
                        while k >= 0 and seen[k] != f:
                            k -= 1
                        if k < 0:
                            k, n_seen = n_seen, n_seen + 1
                            seen[k], counts[k], middles[k, 0], middles[k, 1] = f, 0, 0.0, 0.0
                        counts[k] += 1
                        middles[k, 0] += x + 0.5
                        middles[k, 1] += y + 0.5
            sum_r, sum_g, sum_b, hits = 0.0, 0.0, 0.0, 0
            for n in range(n_seen):
                if whole < 0:
                    f, count = seen[n], counts[n]
                    u, v = middles[n, 0] / count, middles[n, 1] / count
                hits += count
                if f != last or not steady:
                    slot = f & (_SLOTS - 1)
                    if held[slot] != f:
                        held[slot] = f
                        surface_plane(f, screen, faces, normals, corner_normals, planes, slot)
                    last, steady = f, flat[f] == 1
                    nx = planes[slot, 0, 0] + u * planes[slot, 0, 1] + v * planes[slot, 0, 2]
                    ny = planes[slot, 1, 0] + u * planes[slot, 1, 1] + v * planes[slot, 1, 2]
                    nz = planes[slot, 2, 0] + u * planes[slot, 2, 1] + v * planes[slot, 2, 2]
                    unit = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-60)
                    nx, ny, nz = nx * unit, ny * unit, nz * unit
                    diffuse, mirrored = material[3], 0.0
                    for k in range(len(lights)):
                        facing = nx * lights[k, 0] + ny * lights[k, 1] + nz * lights[k, 2]
                        if facing <= 0.0:
                            continue
                        diffuse += material[4] * lights[k, 6] * facing
                        base = nx * lights[k, 3] + ny * lights[k, 4] + nz * lights[k, 5]
                        if base < dull:
                            continue
                        power, bits = 1.0, shininess
                        while bits > 0:
                            if bits & 1:
                                power *= base
                            base *= base
                            bits >>= 1
                        mirrored += material[5] * lights[k, 6] * power
                    r = min(1.0, material[0] * diffuse + mirrored)
                    g = min(1.0, material[1] * diffuse + mirrored)
                    b = min(1.0, material[2] * diffuse + mirrored)
                sum_r += r * count
                sum_g += g * count
                sum_b += b * count
            beside = 1.0 - hits * share
            cover[row, column] = hits
            canvas[row, column, 0] = sum_r * share + ground[0] * beside
            canvas[row, column, 1] = sum_g * share + ground[1] * beside
            canvas[row, column, 2] = sum_b * share + ground[2] * beside
    return canvas, cover


@compiled
def maps(
    ids: I32, samples: int, screen: F64, faces: I32, normals: F64, corner_normals: I32
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Take depth (p, p) and normal (p, p, 3) of the nearest sample in each pixel; +inf and 0 where nothing is."""
    pixels = len(ids) // samples
    depth = np.full((pixels, pixels), np.inf, dtype=np.float32)
    direction = np.zeros((pixels, pixels, 3), dtype=np.float32)
    planes = np.zeros((1, 4, 3))
    plane = planes[0]
    last = -1
    for y in range(pixels * samples):
        for x in range(pixels * samples):
            f = ids[y, x]
            if f < 0:
                continue
            if f != last:
                surface_plane(f, screen, faces, normals, corner_normals, planes, 0)
                last = f
            u, v = x + 0.5, y + 0.5
            z = plane[3, 0] + u * plane[3, 1] + v * plane[3, 2]
            row, column = y // samples, x // samples
            if z < depth[row, column]:
                nx = plane[0, 0] + u * plane[0, 1] + v * plane[0, 2]
                ny = plane[1, 0] + u * plane[1, 1] + v * plane[1, 2]
                nz = plane[2, 0] + u * plane[2, 1] + v * plane[2, 2]
                length = max(1e-30, np.sqrt(nx * nx + ny * ny + nz * nz))
                depth[row, column] = z
                direction[row, column, 0] = nx / length
                direction[row, column, 1] = ny / length
                direction[row, column, 2] = nz / length
    return depth, direction


@compiled
def finished(canvas: F64, ink: F64, color: F64) -> U8:
    """Lay ink of one colour over the canvas and round to bytes."""
    image = np.empty(canvas.shape, dtype=np.uint8)
    before = np.full(3, -1.0)  # the last bare pixel's colour: most pixels repeat it
    r, g, b = np.uint8(0), np.uint8(0), np.uint8(0)
    for row in range(canvas.shape[0]):
        for column in range(canvas.shape[1]):
            t = ink[row, column]
            if (
                t == 0.0
                and canvas[row, column, 0] == before[0]
                and canvas[row, column, 1] == before[1]
                and canvas[row, column, 2] == before[2]
            ):
                image[row, column, 0], image[row, column, 1], image[row, column, 2] = r, g, b
                continue
            for k in range(3):
                value = canvas[row, column, k] * (1.0 - t) + color[k] * t
                image[row, column, k] = np.uint8(min(1.0, max(0.0, value)) * 255.0 + 0.5)
            if t == 0.0:
                before[0], before[1], before[2] = canvas[row, column, 0], canvas[row, column, 1], canvas[row, column, 2]
                r, g, b = image[row, column, 0], image[row, column, 1], image[row, column, 2]
    return image
