"""Maps of what networks look at, against direct computation from what the networks themselves compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_trackers import SMALL_TRACKERS, scene
from torch import Tensor

from trackbench.errors import UsageError
from trackbench.regions import Box
from trackbench.trackers.base import Target, Tracker, TrackerModel
from trackbench.trackers.maps import ModuleCall, NetworkMap, check_maps, step_with_maps
from trackbench.trackers.zoo.aiatrack.attention import Attention
from trackbench.trackers.zoo.aiatrack.maps import target_correlations
from trackbench.trackers.zoo.siamattn.anchors import choose_proposals
from trackbench.trackers.zoo.sparsett import attention as sparsett

MAPS = {
    "sbt": ("confidence", "response", "attention:1", "attention:2"),
    "simtrack": ("attention:1", "attention:4", "top-left", "bottom-right"),
    "aiatrack": ("correlation:1", "attention:1", "correlation:long", "attention:short", "top-left", "bottom-right"),
    "sparsett": ("attention:1", "keys:1", "confidence"),
    "siamattn-box": ("confidence", "attention:3"),
}


def followed(model: TrackerModel[Any], names: tuple[str, ...], steps: int = 1) -> list[Any]:
    """Return the predictions of two targets in the last of some frames, with maps."""
    sequences = [scene(seed, steps + 1) for seed in (0, 1)]
    states = model.start([frames[0] for frames, _ in sequences], [Target(box) for _, box in sequences])
    predictions = []
    for index in range(1, steps + 1):
        predictions = step_with_maps(model, [frames[index] for frames, _ in sequences], states, names)
    return predictions


@pytest.fixture
def dot_products(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor, float]]:
    """Queries, keys and scale of each fused attention."""
    seen: list[tuple[Tensor, Tensor, float]] = []
    fused = F.scaled_dot_product_attention

    def spy(q: Tensor, k: Tensor, *arguments: Any, **named: Any) -> Tensor:
        seen.append((q.clone(), k.clone(), named.get("scale", q.shape[-1] ** -0.5)))
        return fused(q, k, *arguments, **named)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    return seen


def weights(q: Tensor, k: Tensor, scale: float) -> np.ndarray:
    """Return the softmax of products, in float64 by NumPy."""
    products = np.einsum("...nd,...md->...nm", q.double().numpy(), k.double().numpy()) * scale
    exponents = np.exp(products - products.max(-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(-1, keepdims=True))


def values(predictions: list[Any], name: str) -> np.ndarray:
    return np.stack([prediction.extras[name].values for prediction in predictions])


@pytest.mark.parametrize("name", MAPS)
def test_maps_change_no_answer_and_are_there_only_when_asked_for(name: str) -> None:
    model = SMALL_TRACKERS[name]("cpu")
    assert set(MAPS[name]) <= set(model.maps())
    plain, seen = followed(model, ()), followed(model, tuple(model.maps()))
    for one, other in zip(plain, seen, strict=True):
        assert (one.region, one.score) == (other.region, other.score)
        assert not any(isinstance(value, NetworkMap) for value in one.extras.values())
        for each in model.maps():
            found = other.extras[each]
            assert found.values.dtype == np.float32
            assert np.isfinite(found.values).all()
            assert found.window.w == found.window.h > 0


def test_cross_attention_of_sbt(dot_products: list[Any]) -> None:
    predictions = followed(SMALL_TRACKERS["sbt"]("cpu"), ("attention:1", "confidence"))
    # Of a block between the images, the template's 16 queries meet the search region's 16 (reduced) keys.
    q, k, scale = next(each for each in dot_products if each[0].shape[2] == each[1].shape[2] == 16)
    direct = weights(q, k, scale).mean((1, 2))
    np.testing.assert_allclose(values(predictions, "attention:1").reshape(2, -1), direct, rtol=1e-4)


def test_confidence_of_sbt_is_the_score_where_the_response_is_highest() -> None:
    for prediction in followed(SMALL_TRACKERS["sbt"]("cpu"), ("confidence", "response")):
        response = prediction.extras["response"].values
        assert int(response.argmax()) == prediction.extras["token"]
        assert prediction.extras["confidence"].values.flat[response.argmax()] == pytest.approx(prediction.score)
        assert response.max() == pytest.approx(prediction.extras["fused_score"])


def test_target_relevant_attention_of_simtrack(dot_products: list[Any]) -> None:
    """Equation 8 of the paper: the softmax over exemplar and search, of which the exemplar's part is averaged."""
    model = SMALL_TRACKERS["simtrack"]("cpu")
    predictions = followed(model, ("attention:1", "attention:2", "attention:4"))
    cells = 64  # tokens of the search image, before the class token
    layers = [each for each in dot_products if each[1].shape[2] > cells]
    for layer in (1, 2, 4):
        q, k, scale = layers[layer - 1]
        direct = weights(q[:, :, :cells], k, scale)[..., cells + 1 :].mean((1, 3))
        np.testing.assert_allclose(values(predictions, f"attention:{layer}").reshape(2, -1), direct, rtol=1e-4)


def test_sparse_attention_of_sparsett(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    sparse = sparsett.sparse_attention

    def spy(q: Tensor, k: Tensor, v: Tensor, top_k: int, dropout: float = 0.0) -> Tensor:
        seen.append((q.clone(), k.clone(), top_k))
        return sparse(q, k, v, top_k, dropout)

    monkeypatch.setattr(sparsett, "sparse_attention", spy)
    predictions = followed(SMALL_TRACKERS["sparsett"]("cpu"), ("attention:1", "keys:1", "confidence"))
    ((q, k, top_k),) = seen
    products = np.einsum("bhnd,bhmd->bhnm", q.double().numpy(), k.double().numpy()) * q.shape[-1] ** -0.5
    limit = np.sort(products, -1)[..., -top_k, None]
    chosen = products >= limit
    exponents = np.exp(products - products.max(-1, keepdims=True)) * chosen
    direct = (exponents / exponents.sum(-1, keepdims=True)).mean((1, 2))
    np.testing.assert_allclose(values(predictions, "attention:1").reshape(2, -1), direct, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(values(predictions, "keys:1").reshape(2, -1), chosen.mean((1, 2)), atol=1e-3)
    assert values(predictions, "keys:1").sum() == pytest.approx(2 * top_k, rel=1e-4)
    for prediction in predictions:
        score = prediction.extras["confidence"].values.flat[prediction.extras["cell"]]
        assert score == pytest.approx(prediction.extras["fused_score"], rel=1e-5)


def test_correlations_of_aiatrack_before_and_after_refinement(dot_products: list[Any]) -> None:
    """In evaluation the network makes no map, but a product of twice as many channels that has the same differences."""
    model = SMALL_TRACKERS["aiatrack"]("cpu")
    attention = model.maps()["attention:long"].module
    assert isinstance(attention, Attention)
    calls: list[ModuleCall] = []
    handle = attention.register_forward_hook(lambda _, given, out: calls.append(ModuleCall(given, {}, out)))
    predictions = followed(model, ("correlation:long",))
    handle.remove()
    (call,) = calls
    cells, channels = 6, call.arguments[1].shape[-1]
    # The fused attentions of the decoder's branches have queries of 2 d channels; the long-term branch is the first.
    q, k, _ = [each for each in dot_products if each[0].shape[-1] == 2 * channels][-2]
    plain = np.einsum("bhnd,bhmd->bhnm", q[..., :channels].double().numpy(), k[..., :channels].double().numpy())
    refined = np.einsum("bhnd,bhmd->bhnm", q.double().numpy(), k.double().numpy())
    middle = [row * cells + column for row in (2, 3) for column in (2, 3)]

    def centred(maps: np.ndarray) -> np.ndarray:
        return np.asarray((maps[..., middle].mean(-1) - maps.mean(-1)).mean(1))

    np.testing.assert_allclose(
        values(predictions, "correlation:long").reshape(2, -1), plain[..., middle].mean((1, 3)), rtol=1e-3, atol=1e-6
    )
    with torch.no_grad():
        near, whole = (target_correlations(attention, call, factor, True).flatten(1) for factor in (3.0, 1.0))
    assert np.abs(centred(refined) - centred(plain)).max() > 1e-4  # the refinement does something
    np.testing.assert_allclose((near - whole).numpy(), centred(refined), rtol=1e-3, atol=1e-5)


def test_confidence_of_siamattn(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    choose = choose_proposals

    def spy(cls: Tensor, *arguments: Any) -> Any:
        seen.append(cls.clone())
        return choose(cls, *arguments)

    monkeypatch.setattr("trackbench.trackers.zoo.siamattn.tracker.choose_proposals", spy)
    model = SMALL_TRACKERS["siamattn-box"]("cpu")
    predictions = followed(model, ("confidence",))
    logits = seen[-1].double().numpy().reshape(2, 2, 5, 25, 25)
    direct = (1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))).max(1)
    np.testing.assert_allclose(values(predictions, "confidence"), direct, rtol=1e-5)
    window = predictions[0].extras["confidence"].window
    assert window.w == pytest.approx(model.search_window(model.start(*_first())[0]).w * 25 * 8 / 255)


def _first() -> Any:
    frames, box = scene(0, 1)
    return [frames[0]], [Target(box)]


def test_spatial_attention_of_siamattn(dot_products: list[Any]) -> None:
    predictions = followed(SMALL_TRACKERS["siamattn-box"]("cpu"), ("attention:3",))
    q, k, scale = [each for each in dot_products if each[0].shape[-2] == 31 * 31][-1]
    direct = weights(q, k, scale).mean(-2)
    np.testing.assert_allclose(values(predictions, "attention:3").reshape(2, -1), direct.reshape(2, -1), rtol=1e-3)


@pytest.mark.parametrize("name", ["sbt", "sparsett", "siamattn-box"])
def test_the_window_is_what_the_search_region_shows(name: str) -> None:
    """What is white within the window, and black around it, is a search region that is white to its edges."""
    model: Any = SMALL_TRACKERS[name]("cpu")
    frame = np.zeros((200, 240, 3), np.uint8)
    states = model.start([frame], [Target(Box(100, 80, 32, 24))])
    window = model.search_window(states[0])
    for inset, whole in ((-1.0, True), (5.0, False)):
        frame[:] = 0
        top, left = round(window.y + inset), round(window.x + inset)
        frame[top : round(window.y + window.h - inset), left : round(window.x + window.w - inset)] = 255
        inputs: list[Tensor] = []
        states = model.start([frame], [Target(Box(100, 80, 32, 24))])
        hooks = [
            module.register_forward_pre_hook(lambda _, given, inputs=inputs: inputs.extend(given))
            for module in model.network.modules()
        ]
        model.step([frame], states)
        for hook in hooks:
            hook.remove()
        seen = next(each for each in inputs if isinstance(each, Tensor) and each.dim() == 4 and each.shape[1] == 3)[0]
        edges = torch.stack([seen[:, 1, 1], seen[:, -2, -2]])
        assert torch.allclose(edges, seen[:, seen.shape[1] // 2, seen.shape[2] // 2].expand(2, -1)) == whole


def test_unknown_maps_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        UsageError, match=r"--map attention:9: sbt-light has none of this name.*it offers .*attention:1"
    ):
        check_maps(SMALL_TRACKERS["sbt"]("cpu"), ["attention:9"], "sbt-light")
    with pytest.raises(UsageError, match="static offers no maps"):
        check_maps(SMALL_TRACKERS["static"]("cpu"), ["attention:1"], "static")


def test_the_plain_tracker_gives_maps_too() -> None:
    frames, box = scene(0, 2)
    tracker = Tracker(SMALL_TRACKERS["sbt"]("cpu"))
    tracker.init(frames[0], box)
    assert isinstance(tracker.track(frames[1], maps=["confidence"]).extras["confidence"], NetworkMap)
