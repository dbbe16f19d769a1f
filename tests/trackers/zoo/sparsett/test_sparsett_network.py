"""The parts of SparseTT's network: sparse attention, ablated networks, training mode, foreign weights."""

from __future__ import annotations

import re

import pytest
import torch
from small_sparsett import SWIN, small_network
from torch.utils._python_dispatch import TorchDispatchMode

from trackbench.checkpoints.key_map import match
from trackbench.errors import DataError
from trackbench.nn.layers.swin import Swin
from trackbench.trackers.zoo.sparsett import attention as module
from trackbench.trackers.zoo.sparsett.attention import Attention, similarities, sparse_attention
from trackbench.trackers.zoo.sparsett.checkpoint import official_keys, start_from_imagenet
from trackbench.trackers.zoo.sparsett.focus import Positions
from trackbench.trackers.zoo.sparsett.tracker import SparseTTOptions


def projections(queries=9, keys=13, seed=0, kind=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, n, 4, generator=generator, dtype=kind) for n in (queries, keys, keys)]


def masked_attention(q, k, v, top_k):
    """Softmax over all keys, those that are not among the strongest at minus infinity."""
    scores = similarities(q, k)
    outside = torch.ones_like(scores, dtype=torch.bool).scatter(-1, scores.topk(top_k, -1).indices, False)
    return scores.masked_fill(outside, float("-inf")).softmax(-1) @ v


@pytest.mark.parametrize("top_k", [1, 5, 12])
def test_only_the_strongest_keys_count(top_k):
    q, k, v = projections()
    expected = masked_attention(q, k, v, top_k)
    torch.testing.assert_close(sparse_attention(q, k, v, top_k), expected)
    with torch.inference_mode():
        torch.testing.assert_close(sparse_attention(q, k, v, top_k), expected)


@pytest.mark.parametrize("grad", [False, True])
def test_ties_at_the_limit_keep_exactly_k_keys(grad):
    """Keys 1 and 2 are the same, and their similarity is the second strongest: only one of them is kept."""
    q = torch.tensor([[[[1.0, 0.0]]]])
    k = torch.tensor([[[[3.0, 0.0], [2.0, 1.0], [2.0, 1.0], [0.0, 0.0]]]])
    with torch.set_grad_enabled(grad):
        weights = sparse_attention(q, k, torch.eye(4)[None, None], 2)[0, 0, 0]
    assert (weights > 0).sum() == 2
    expected = torch.tensor([3.0, 2.0]).div(2**0.5).softmax(0)
    torch.testing.assert_close(weights.sort(descending=True).values[:2], expected)
    assert weights[0] == weights.max()


def test_gradients_flow_through_the_chosen_keys():
    inputs = q, k, v = [t.requires_grad_() for t in projections(3, 6)]
    assert torch.autograd.gradcheck(lambda q, k, v: sparse_attention(q, k, v, 2), inputs)
    expected = torch.autograd.grad(masked_attention(q, k, v, 2).square().sum(), inputs)
    found = torch.autograd.grad(sparse_attention(q, k, v, 2).square().sum(), inputs)
    torch.testing.assert_close(found, expected)


class Made(TorchDispatchMode):
    """Notes which operators make tensors of the similarities' shape."""

    def __init__(self, shape):
        super().__init__()
        self.shape, self.names = shape, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        if isinstance(output, torch.Tensor) and output.shape == self.shape and not function._schema.is_mutable:
            self.names.append(function._schema.name)
        return output


def test_at_most_one_dense_tensor_besides_the_similarities():
    q, k, v = projections(kind=torch.float32)
    with torch.enable_grad(), Made((2, 3, 9, 13)) as made:
        sparse_attention(q.requires_grad_(), k, v, 5)
    assert [name for name in made.names if not name.endswith(("view", "expand"))] == ["aten::zeros_like"]


def test_all_keys_are_plain_attention(monkeypatch):
    torch.manual_seed(0)
    sparse, dense = Attention(16, 2, 0.0, top_k=10).eval(), Attention(16, 2, 0.0).eval()
    dense.load_state_dict(sparse.state_dict())
    x = torch.randn(2, 10, 16)
    monkeypatch.setattr(module, "sparse_attention", None)
    torch.testing.assert_close(sparse(x), dense(x))


def test_attention_is_the_standard_multi_head_attention():
    torch.manual_seed(0)
    ours, torchs = Attention(16, 4, 0.0), torch.nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        torchs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        torchs.in_proj_bias.copy_(torch.randn(48))
        ours.query.bias.copy_(torchs.in_proj_bias[:16])
        ours.key_value.bias.copy_(torchs.in_proj_bias[16:])
        torchs.out_proj.load_state_dict(ours.out_proj.state_dict())
    x, y = torch.randn(2, 7, 16), torch.randn(2, 5, 16)
    torch.testing.assert_close(ours(x), torchs(x, x, x)[0])
    torch.testing.assert_close(ours(x, ours.keys_values(y)), torchs(x, y, y)[0])


def test_positions_are_columns_then_rows():
    positions = Positions(3, 8)
    found = positions().view(3, 3, 8)
    for row in range(3):
        for column in range(3):
            expected = torch.cat([positions.col_embed.weight[column], positions.row_embed.weight[row]])
            assert torch.equal(found[row, column], expected)


ABLATIONS = [
    {},
    *({"encoder_layers": n} for n in (0, 1, 3)),
    *({"decoder_layers": n} for n in (1, 3)),
    *({"top_k": k} for k in (16, 64, 128, 256, 361)),
    {"heads": "conv"},
    {"heads": "fc"},
]


@pytest.mark.parametrize("changed", ABLATIONS, ids=str)
def test_every_ablation_trains(changed):
    torch.manual_seed(0)
    network = small_network(SparseTTOptions.model_validate(changed)).train()
    heads = network(torch.randn(1, 3, 127, 127), torch.randn(1, 3, 289, 289))
    kind = changed.get("heads", "double")
    assert set(heads) == ({"fc", "conv"} if kind == "double" else {kind})
    for head in heads.values():
        assert head.logits.shape == (1, 361)
        assert head.boxes.shape == head.raw.shape == (1, 361, 4)
        assert (head.boxes[..., :2] < head.boxes[..., 2:]).all()
    sum(head.logits.square().mean() + (head.boxes / 289).square().mean() for head in heads.values()).backward()
    idle = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    dead = {name for name in idle if name.startswith(("backbone.stages.3.", "backbone.stages.2.downsample."))}
    assert idle == dead
    assert dead


def test_training_mode_draws_and_counts():
    torch.manual_seed(0)
    network = small_network(SparseTTOptions()).train()
    images = torch.randn(2, 3, 127, 127), torch.randn(2, 3, 289, 289)
    running_mean = "head.conv.cls.bn.running_mean"
    before = network.get_buffer(running_mean).clone()
    with torch.no_grad():
        first, second = (network(*images)["conv"].logits for _ in range(2))
        assert not torch.equal(first, second)
        assert not torch.equal(network.get_buffer(running_mean), before)
        network.eval()
        first, second = (network(*images)["conv"].logits for _ in range(2))
        assert torch.equal(first, second)


def official_names(state):
    """Return a network's weights under the official names, which have attention's projections in one."""
    named = {}
    halves: dict[tuple[str, str], dict[str, torch.Tensor]] = {}
    for name, tensor in state.items():
        if found := re.match(r"(.*)\.(query|key_value)\.(weight|bias)", name):
            halves.setdefault((found[1], found[3]), {})[found[2]] = tensor
        else:
            named[name] = tensor
    for (block, kind), parts in halves.items():
        named[f"{block}.in_proj_{kind}"] = torch.cat([parts["query"], parts["key_value"]])
    official = {}
    for name, tensor in named.items():
        if ".downsample." in name:
            tensor = tensor.unflatten(-1, (4, -1)).transpose(-1, -2).flatten(-2)
        for ours, theirs in (
            (r"^backbone\.", "basemodel.net."),
            (r"\.attn\.", ".attn.w_msa."),
            (r"\.mlp\.fc1\.", ".ffn.layers.0.0."),
            (r"\.mlp\.fc2\.", ".ffn.layers.1."),
            (r"patch_embed\.proj\.", "patch_embed.projection."),
            (r"^(encoder|decoder)\.layers\.", r"neck.\1.\1_layers."),
            (r"^(encoder|decoder)\.positions\.", r"neck.\1.spatial_position_encoding."),
            (r"^head\.(fc|conv)\.(cls|reg)\.", r"head.\1_branch_\2."),
            (r"^head\.(fc|conv)\.features\.", r"head.\1_branch."),
            (r"^head\.(fc|conv)\.(si|bi)$", r"head.\2_\1"),
        ):
            name = re.sub(ours, theirs, name)
        official[name] = tensor
    return official | {"head.fm_ctr": torch.zeros(1, 361, 2)}


@pytest.mark.parametrize("heads", ["double", "conv", "fc"])
def test_official_names_become_ours(heads):
    """One head alone takes its part of a file of both."""
    whole = small_network(SparseTTOptions()).state_dict()
    wanted = small_network(SparseTTOptions(heads=heads)).state_dict()
    found = match(official_names(whole), official_keys(heads), wanted)
    assert found.complete
    assert found.weights.keys() == wanted.keys()
    for name, tensor in found.weights.items():
        assert torch.equal(tensor, whole[name]), name
    truncated = {name: tensor for name, tensor in official_names(whole).items() if "stages.3" not in name}
    assert not match(truncated, official_keys(heads), wanted).complete


def test_training_starts_from_imagenet(tmp_path):
    torch.manual_seed(0)
    source, target = Swin(SWIN, outputs=(2,)).eval(), Swin(SWIN, outputs=(2,)).eval()
    published = {"norm.weight": torch.ones(64), "norm.bias": torch.ones(64), "head.weight": torch.ones(5, 64)}
    for name, tensor in source.state_dict().items():
        if name.startswith("norm2."):
            continue
        if ".downsample." in name:
            rows, columns = tensor.unflatten(-1, (2, 2, -1)).unbind(-3)
            tensor = torch.cat([part[..., i, :] for i in (0, 1) for part in (rows, columns)], -1)
        published[name.replace("stages.", "layers.")] = tensor
    published["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49)
    published["layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
    path = tmp_path / "swin_tiny.pth"
    torch.save({"model": published}, path)
    start_from_imagenet(target, path)
    image = torch.randn(1, 3, 60, 60)
    torch.testing.assert_close(target(image)[0], source(image)[0], rtol=0, atol=0)
    del published["layers.1.blocks.0.norm1.weight"]
    torch.save({"model": published}, path)
    with pytest.raises(DataError, match=r"1 missing: stages\.1\.blocks\.0\.norm1\.weight"):
        start_from_imagenet(target, path)
