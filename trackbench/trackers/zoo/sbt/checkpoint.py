"""Map the names of SBT's official checkpoints to ours."""

from __future__ import annotations

from trackbench.checkpoints.key_map import KeyMap

_BLOCKS = ((r"\.mlp\.dwconv\.dwconv\.", ".mlp.position."),)

OFFICIAL = KeyMap(
    rename=(
        *_BLOCKS,
        (r"^box_head\.", "head."),
        (r"\.layers_channle\.", ".channel."),
        (r"\.layers_spatial\.", ".spatial."),
    )
)
"""``SBTtrack_ep….pth.tar``, entry ``net``."""


def classification_keys(depths: tuple[int, ...]) -> KeyMap:
    """Return how a classification file of PVT v2 becomes the backbone of so many stages and blocks.

    The file's further stages, its further blocks and its classifier are not needed; the stages' names are the same.
    """
    stages = len(depths)
    later = "|".join(str(number) for number in range(stages + 1, 5))
    unused = [r"head\..*"]
    if later:
        unused.append(rf"(patch_embed|block|norm)({later})(\..*)?")
    for stage, depth in enumerate(depths, 1):
        # Blocks from number `depth` on, whatever their number.
        built = "|".join(str(number) for number in range(depth))
        unused.append(rf"block{stage}\.(?!({built})\.)\d+\..*")
    return KeyMap(rename=_BLOCKS, unused=tuple(unused))
