"""Triangles in, eight views out: headless pictures of mechanical parts, the same from every renderer.

Knows nothing of CAD programs or of the pipeline. Every name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cad_renderers.camera import CORNER_ISO, RING_35, Camera, Fit, Rig
    from cad_renderers.choice import Probe, auto_renderer, explain_choice, probe_renderers, renderer_named
    from cad_renderers.chosen import calibrated_rig_file, calibrated_style_file, chosen_rig, chosen_style
    from cad_renderers.difference import DifferenceStyle, difference_views
    from cad_renderers.exploded import exploded_bodies, exploded_image
    from cad_renderers.maps import depth_image, normal_image
    from cad_renderers.pyrender_gl import PyrenderRenderer
    from cad_renderers.roles import Channel, Renderer, RendererUnavailable, Triangles
    from cad_renderers.showpiece import hero_image, save_gif, turntable
    from cad_renderers.software import SoftwareRenderer
    from cad_renderers.style import CAD_GREY, EdgeSet, Ink, Light, LightFrame, Material, Style
    from cad_renderers.views import View, Views
    from cad_renderers.vtk_gl import VtkRenderer

_HOMES = {
    "CAD_GREY": "style",
    "CORNER_ISO": "camera",
    "Camera": "camera",
    "Channel": "roles",
    "DifferenceStyle": "difference",
    "EdgeSet": "style",
    "Fit": "camera",
    "Ink": "style",
    "Light": "style",
    "LightFrame": "style",
    "Material": "style",
    "Probe": "choice",
    "PyrenderRenderer": "pyrender_gl",
    "RING_35": "camera",
    "Renderer": "roles",
    "RendererUnavailable": "roles",
    "Rig": "camera",
    "SoftwareRenderer": "software",
    "Style": "style",
    "Triangles": "roles",
    "View": "views",
    "Views": "views",
    "VtkRenderer": "vtk_gl",
    "auto_renderer": "choice",
    "calibrated_rig_file": "chosen",
    "calibrated_style_file": "chosen",
    "chosen_rig": "chosen",
    "chosen_style": "chosen",
    "depth_image": "maps",
    "difference_views": "difference",
    "exploded_bodies": "exploded",
    "exploded_image": "exploded",
    "explain_choice": "choice",
    "hero_image": "showpiece",
    "normal_image": "maps",
    "probe_renderers": "choice",
    "renderer_named": "choice",
    "save_gif": "showpiece",
    "turntable": "showpiece",
}

__all__ = [
    "CAD_GREY",
    "CORNER_ISO",
    "RING_35",
    "Camera",
    "Channel",
    "DifferenceStyle",
    "EdgeSet",
    "Fit",
    "Ink",
    "Light",
    "LightFrame",
    "Material",
    "Probe",
    "PyrenderRenderer",
    "Renderer",
    "RendererUnavailable",
    "Rig",
    "SoftwareRenderer",
    "Style",
    "Triangles",
    "View",
    "Views",
    "VtkRenderer",
    "auto_renderer",
    "calibrated_rig_file",
    "calibrated_style_file",
    "chosen_rig",
    "chosen_style",
    "depth_image",
    "difference_views",
    "explain_choice",
    "exploded_bodies",
    "exploded_image",
    "hero_image",
    "normal_image",
    "probe_renderers",
    "renderer_named",
    "save_gif",
    "turntable",
]


def __getattr__(name: str) -> object:
    """Load a public name from its module on first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
