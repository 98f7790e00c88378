"""The fast networks against the plain ones of the paper: whole training steps, after a proof that both compute the same."""

from dataclasses import replace
from functools import partial
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.plain import PlainCMMA, as_plain
from benchmarks.result import Result
from benchmarks.timing import interleave, speed_up, timed
from benchmarks.workload import BareSteps, RandomFaces, Scale, device, network, precisions
from lit_faces.methods.cmma import CMMA

_SHORT = {"32-true": "fp32", "bf16-mixed": "bf16"}


def run(scale: Scale) -> Result:
    """Check in float64, then time the steps of every form."""
    result, data = Result("training_step", scale), RandomFaces(scale)
    loss, gradients = differences(scale, data)
    result.check("float64 loss of fast and plain, relative", loss, 1e-10)
    result.check("float64 gradients of fast and plain, relative", gradients, 1e-10)

    forms = {"plain fp32 NCHW": BareSteps(network(PlainCMMA, scale, data), data, "32-true", channels_last=False)}
    for precision in precisions():
        for cls, name in ((PlainCMMA, "plain"), (CMMA, "fast")):
            steps = BareSteps(network(cls, scale, data), data, precision)
            forms[f"{name} {_SHORT[precision]} channels_last"] = steps
    seconds = interleave(
        {name: timed(partial(form, scale.steps), device()) for name, form in forms.items()}, scale.rounds
    )
    result.add(seconds)
    result.details["images_per_second"] = {
        name: scale.steps * scale.batch / spread["median"] for name, spread in result.seconds.items()
    }
    goals = {"fast fp32 channels_last": 2.3, "fast bf16 channels_last": 8.0}
    for name in list(forms)[1:]:
        goal = scale.goal(goals[name], on="cpu") if name in goals else None
        result.ratios[name] = speed_up(seconds, name, "plain fp32 NCHW", goal)
    return result


def differences(scale: Scale, data: RandomFaces) -> tuple[float, float]:
    """Largest relative difference of the losses and of the gradients of the fast and the plain form, in float64.

    Both have the same parameters, noise and two faces; a gradient's difference is relative to the largest entry of its layer.
    """
    fast, plain = (BareSteps(network(cls, scale, data).double(), data, "32-true") for cls in (CMMA, PlainCMMA))
    plain.method.load_state_dict(as_plain(fast.method.state_dict()))
    losses = []
    # Images and outputs are taken to float32 by `Tensor.float`: here they stay in float64.
    with patch.object(Tensor, "float", Tensor.double):
        for steps in (fast, plain):
            steps.faces = replace(steps.faces, attributes=steps.faces.attributes.double())
            torch.manual_seed(1)
            loss = steps.loss(data.rows[0][:2])
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.item())
    expected = {name: parameter.grad for name, parameter in plain.method.named_parameters()}
    found = as_plain({name: _gradient(parameter) for name, parameter in fast.method.named_parameters()})
    assert found.keys() == expected.keys()
    relative = [float((found[name] - g).abs().amax() / g.abs().amax()) for name, g in expected.items() if g is not None]
    assert len(relative) == len(found)
    return abs(losses[0] - losses[1]) / abs(losses[1]), max(relative)


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
