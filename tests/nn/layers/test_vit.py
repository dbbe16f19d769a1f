import pytest
import torch
from torch import nn

from trackbench.nn.layers.packed_linear import PackedLinear, can_pack, pack_linears
from trackbench.nn.layers.vit import CLIP, TIMM, Attention, Block, VisionTransformer, ViTForm


def small(form: ViTForm = CLIP) -> VisionTransformer:
    torch.manual_seed(0)
    return VisionTransformer(width=32, depth=3, heads=4, patch=8, grid=4, form=form).eval()


@torch.inference_mode()
def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    ours, theirs = Attention(32, 4), nn.MultiheadAttention(32, 4, batch_first=True)
    theirs.in_proj_weight.copy_(ours.in_proj.weight)
    theirs.in_proj_bias.copy_(ours.in_proj.bias.normal_())
    theirs.out_proj.load_state_dict(ours.out_proj.state_dict())
    x = torch.randn(2, 10, 32)
    torch.testing.assert_close(ours(ours.project(x)), theirs(x, x, x, need_weights=False)[0])


@torch.inference_mode()
def test_some_queries_are_a_part_of_all() -> None:
    block = Block(32, 4)
    x = torch.randn(2, 10, 32)
    torch.testing.assert_close(block(x, queries=6), block(x)[:, :6])


@torch.inference_mode()
def test_tokens_in_memory_are_attended_to_like_others() -> None:
    block = Block(32, 4)
    x, others = torch.randn(2, 6, 32), torch.randn(2, 4, 32)
    remembered = block(x, memory=block.project(others)[:, 1:])
    torch.testing.assert_close(remembered, block(torch.cat([x, others], 1), queries=6))


@torch.inference_mode()
def test_positions_are_kept_or_resized() -> None:
    vit = small()
    torch.testing.assert_close(vit.positions(4), vit.positional_embedding[1:])
    # A map that grows along x alone stays so, and keeps its mean.
    vit.positional_embedding[1:] = torch.arange(4.0).repeat(4)[:, None].expand(16, 32)
    larger = vit.positions(6).view(6, 6, 32)
    assert (larger[:, 1:, 0] > larger[:, :-1, 0]).all()
    assert larger[0].equal(larger[5])
    assert larger.mean().item() == pytest.approx(1.5)


@pytest.mark.parametrize("form", [CLIP, TIMM])
@torch.inference_mode()
def test_the_form_for_inference_gives_the_same(form: ViTForm) -> None:
    vit = small(form)
    x = torch.randn(2, 17, 32)
    image = torch.randn(2, 3, 32, 32)
    patches = vit.patches(image)
    before = x
    for block in vit.blocks:
        before = block(before)
    vit.for_inference(17)
    after = x
    for block in vit.blocks:
        after = block(after)
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(vit.patches(image), patches, rtol=1e-5, atol=1e-5)
    if can_pack():
        assert not any(type(module) is nn.Linear for module in vit.modules())


@pytest.mark.skipif(not can_pack(), reason="this torch cannot pack weights")
@torch.inference_mode()
def test_packed_layers_take_any_number_of_rows() -> None:
    layer = nn.Linear(24, 40)
    packed = PackedLinear(layer, rows=7)
    for shape in ((7, 24), (1, 24), (3, 50, 24)):
        x = torch.randn(shape)
        torch.testing.assert_close(packed(x), layer(x))
    x = torch.randn(5, 24)
    torch.testing.assert_close(PackedLinear(layer, 5, "gelu")(x), nn.functional.gelu(layer(x)))
    torch.testing.assert_close(PackedLinear(layer, 5, "swish")(x), nn.functional.silu(layer(x)))


@pytest.mark.skipif(not can_pack(), reason="this torch cannot pack weights")
def test_only_what_can_be_packed_is() -> None:
    tree = nn.ModuleDict(
        {"a": nn.Linear(4, 4), "b": nn.Sequential(nn.Linear(4, 4, bias=False)), "c": nn.Linear(4, 4).double()}
    )
    assert pack_linears(tree, 3) == 2
    assert type(tree["c"]) is nn.Linear
