"""Maps of SBT: its classification map, and the attention of its EoC-CA blocks (paper Figs. 7, 11 and 12)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from trackbench.nn.layers.pyramid import SpatialReductionAttention
from trackbench.trackers.maps import MapReader, ModuleCall, as_square, attention_weights, numbered
from trackbench.trackers.zoo.sbt.backbone import SBTBackbone
from trackbench.trackers.zoo.sbt.network import SBTNetwork


def sbt_maps(network: SBTNetwork, window: Tensor, share: float) -> dict[str, MapReader]:
    """Return the maps that SBT offers.

    ``confidence`` is the probability of the target (Figs. 7 and 12); ``response`` the same, blended with the window, by
    which the target is found; ``attention:k`` what the template's tokens attend to in the search region in the k-th
    EoC-CA block, counted from 1 over all stages, the mean over heads and tokens (Fig. 11).

    Args:
        network: the network.
        window: weighted, (tokens,).
        share: weight of the probability in the blend.
    """

    def confidence(call: ModuleCall) -> Tensor:
        return as_square(call.output.logits.float().softmax(2)[..., 0])

    maps = {
        "confidence": MapReader(network, confidence),
        "response": MapReader(network, lambda call: confidence(call).double() * share + as_square(window[None])),
    }
    if isinstance(network.backbone, SBTBackbone):
        maps |= numbered("attention", crossed_blocks(network.backbone), template_attention)
    return maps


def crossed_blocks(backbone: SBTBackbone) -> list[nn.Module]:
    """Return the EoC-CA blocks in the order in which tokens pass them, those with global or reduced attention."""
    blocks = [
        block
        for stage, numbers in enumerate(backbone.options.cross)
        for number, block in enumerate(backbone.get_submodule(f"block{stage + 1}").children(), 1)
        if number in numbers
    ]
    return [block for block in blocks if isinstance(block.attn, SpatialReductionAttention)]


def template_attention(block: Any, call: ModuleCall) -> Tensor:
    """Return the attention of the template's tokens to the search image's keys in an EoC-CA block, (B, h, w)."""
    search, template = call.arguments[0]
    search, template = (each.replaced(block.norm1(each.tokens)) for each in (search, template))
    attention: SpatialReductionAttention = block.attn
    queries = attention.q(template.tokens)
    queries = queries.reshape(*queries.shape[:2], attention.heads, -1).transpose(1, 2)
    keys = attention.keys_values(search).keys
    return as_square(attention_weights(queries, keys).mean((1, 2)))
