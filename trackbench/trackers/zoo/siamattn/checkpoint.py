"""Official names of SiamAttn's parameters to ours."""

from __future__ import annotations

from trackbench.checkpoints.key_map import KeyMap
from trackbench.trackers.zoo.siamattn.network import LEVELS, Parts


def official_keys(parts: Parts) -> KeyMap:
    """Return the key map for a network with these parts: what the network lacks is known, and not needed."""
    off = []
    if not parts.mask:
        off += [r"mask_(head|features)\..*"]
    if not parts.refine_box:
        off += [r"box_(head|features)\..*"]
    if not parts.attention:
        off += [r"attention\..*"]
    if not parts.self_attention:
        off += [r"attention\.\d\.spatial\..*"]
    if not parts.deform_pool:
        off += [r"(box|mask)_head\.roi_pool\..*"]
    # Maps are called p2 to p4 in the neck and the proposals, and 0 to 2 everywhere else.
    levels = tuple(
        (rf"^{official}{level + 2}\.", f"{ours}.{level}.")
        for level in range(LEVELS)
        for official, ours in ((r"neck\.downsample", "neck"), (r"rpn_head\.rpn", "rpn.levels"))
    )
    return KeyMap(
        rename=(
            *levels,
            (r"^neck\.(\d)\.downsample\.", r"neck.\1."),
            (r"^rpn_head\.", "rpn."),
            (r"^feature_enhance\.pams\.(\d)\.", r"attention.\1.spatial."),
            (r"^feature_enhance\.cam_uses\.(\d)\.", r"attention.\1."),
            (r"^feature_enhance\.deform_convs\.(\d)\.", r"attention.\1.convolution."),
            (r"^feature_fusion\.(xcorr|convs)\.", r"box_features.\1."),
            (r"^feature_fusion\.lateral_convs\.", "mask_features.lateral_convs."),
            (r"^bbox_head\.roi_pool_b\.", "box_head.roi_pool."),
            (r"^mask_head\.roi_pool_m\.", "mask_head.roi_pool."),
            (r"^bbox_head\.", "box_head."),
            (r"\.BN256\.", ".norm."),
        ),
        off=tuple(off),
    )
