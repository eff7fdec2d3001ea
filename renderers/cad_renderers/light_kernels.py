"""The compiled light: from triangle numbers to shaded pixels, depths and normals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad_renderers.compiled import compiled

__all__ = ["finished", "maps", "shade", "surface_plane"]

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
U8 = NDArray[np.uint8]


@compiled
def surface_plane(f: int, screen: F64, faces: I32, normals: F64, corner_normals: I32, plane: F64) -> None:
    """Write how triangle `f` runs over the screen: at (x, y) a normal or depth is p[k, 0] + x·p[k, 1] + y·p[k, 2].

    `plane` (4, 3): the normal's three parts, turned to the viewer's side and not of unit length, and the depth. A
    triangle seen from its edge gets the values of its middle.
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
    for part in range(4):
        if part < 3:
            va, vb, vc = side * normals[na, part], side * normals[nb, part], side * normals[nc, part]
        else:
            va, vb, vc = screen[i, 2], screen[j, 2], screen[k, 2]
        if thin:
            plane[part, 0], plane[part, 1], plane[part, 2] = (va + vb + vc) / 3.0, 0.0, 0.0
        else:
            gx = ((vb - va) * cy - (vc - va) * by) * share
            gy = ((vc - va) * bx - (vb - va) * cx) * share
            plane[part, 0], plane[part, 1], plane[part, 2] = va - ax * gx - ay * gy, gx, gy


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
    plane = np.zeros((4, 3))
    # Below this cosine the highlight is too faint for a byte.
    dull = (1.0 / 1024.0) ** (1.0 / shininess)
    for row in range(pixels):
        for column in range(pixels):
            top, left = row * samples, column * samples
            whole = ids[top, left]
            for i in range(samples):
                for j in range(samples):
                    if ids[top + i, left + j] != whole:
                        whole = -2
            if whole == -1:
                canvas[row, column, 0], canvas[row, column, 1], canvas[row, column, 2] = ground[0], ground[1], ground[2]
                continue
            sum_r, sum_g, sum_b, hits = 0.0, 0.0, 0.0, 0
            # Samples of one triangle are lit once, in their middle: a pixel inside a triangle costs one light.
            for i in range(1 if whole >= 0 else samples):
                for j in range(1 if whole >= 0 else samples):
                    f = ids[top + i, left + j]
                    if f < 0:
                        continue
                    count, u, v = samples * samples, left + 0.5 * samples, top + 0.5 * samples
                    if whole < 0:
                        count, u, v = 0, 0.0, 0.0
                        for k in range(samples * samples):
                            y, x = top + k // samples, left + k % samples
                            if ids[y, x] == f:
                                if k < i * samples + j:
                                    count = 0
                                    break
                                count, u, v = count + 1, u + x + 0.5, v + y + 0.5
                        if count == 0:  # it was lit with an earlier sample
                            continue
                        u, v = u / count, v / count
                    hits += count
                    if f != last:
                        surface_plane(f, screen, faces, normals, corner_normals, plane)
                    if f != last or not steady:
                        last, steady = f, flat[f] == 1
                        nx = plane[0, 0] + u * plane[0, 1] + v * plane[0, 2]
                        ny = plane[1, 0] + u * plane[1, 1] + v * plane[1, 2]
                        nz = plane[2, 0] + u * plane[2, 1] + v * plane[2, 2]
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
    plane = np.zeros((4, 3))
    last = -1
    for y in range(pixels * samples):
        for x in range(pixels * samples):
            f = ids[y, x]
            if f < 0:
                continue
            if f != last:
                surface_plane(f, screen, faces, normals, corner_normals, plane)
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
    for row in range(canvas.shape[0]):
        for column in range(canvas.shape[1]):
            t = ink[row, column]
            for k in range(3):
                value = canvas[row, column, k] * (1.0 - t) + color[k] * t
                image[row, column, k] = np.uint8(min(1.0, max(0.0, value)) * 255.0 + 0.5)
    return image
