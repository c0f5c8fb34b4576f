"""The layer-wise optimizers in plain PyTorch, as one would write them from their papers: what Gatun is timed against.

Each function takes one step on lists of tensors. step is a tensor that counts from 1, so that torch.compile does not
compile anew for every step. Formulas: native/rules; decay applies to every tensor here, as in torch.optim.AdamW.
"""
import torch

LR, BETA1, BETA2, EPS, DECAY = 1e-3, 0.9, 0.999, 1e-8, 0.01


def corrections(step):
    return 1 - BETA1**step, (1 - BETA2**step).sqrt()


def sing(weights, gradients, m, v, step):
    """SING before AdamW: row means removed, then the tensor's norm."""
    bc1, bc2 = corrections(step)
    for w, g, first, second in zip(weights, gradients, m, v):
        if g.dim() > 1:
            g = g - g.mean(dim=tuple(range(1, g.dim())), keepdim=True)
        g = g / (g.norm() + 1e-8)
        first.lerp_(g, 1 - BETA1)
        second.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
        w.mul_(1 - LR * DECAY)
        w.sub_(first / (second.sqrt() / bc2 + EPS) * (LR / bc1))


def lamb(weights, gradients, m, v, step):
    bc1, bc2 = corrections(step)
    for w, g, first, second in zip(weights, gradients, m, v):
        first.lerp_(g, 1 - BETA1)
        second.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
        update = first / bc1 / (second.sqrt() / bc2 + 1e-6) + DECAY * w
        of_w, of_update = w.norm(), update.norm()
        ratio = torch.where((of_w > 0) & (of_update > 0), of_w / of_update, 1.0)
        w.sub_(update * (LR * ratio))


def adal(weights, gradients, m, v, step):
    bc1, bc2 = corrections(step)
    lr = LR / step.sqrt()
    for w, g, first, second in zip(weights, gradients, m, v):
        h = g * g.abs().sum()
        first.lerp_(h, 1 - BETA1)
        second.mul_(BETA2).addcmul_(h, h, value=1 - BETA2)
        w.mul_(1 - lr * DECAY)
        w.sub_(first / (second.sqrt() / bc2 + EPS) * (lr / bc1))


def aida(weights, gradients, m, v, step):
    bc1, bc2 = corrections(step)
    for w, g, first, second in zip(weights, gradients, m, v):
        g = g + DECAY * w
        first.lerp_(g, 1 - BETA1)
        a, b = g, first
        for _ in range(2):
            dot = (a * b).sum()
            a, b = a * (dot / ((a * a).sum() + 1e-20)), b * (dot / ((b * b).sum() + 1e-20))
        residual = b - a
        second.mul_(BETA2).addcmul_(residual, residual, value=1 - BETA2).add_(EPS)
        w.sub_(first / (second.sqrt() / bc2) * (LR / bc1))


def ladam(weights, gradients, m, v, step):
    """v: one number per tensor, the mean of the squared gradient."""
    bc1, bc2 = corrections(step)
    for w, g, first, second in zip(weights, gradients, m, v):
        g = g + DECAY * w
        first.lerp_(g, 1 - BETA1)
        second.mul_(BETA2).add_((g * g).mean() * (1 - BETA2) + EPS)
        w.sub_(first * (LR / bc1) / (second.sqrt() / bc2))


MOMENTS = {"beta1": BETA1, "beta2": BETA2, "weight_decay": DECAY}
STANDARDIZE = [{"value": 1e-8, "kind": 1, "center": 1, "normalize": 1}]

# name: the function, Gatun's rule and its arguments (decay 0 is L2, 1 decoupled), transformations, state per tensor:
# "tensor" as long as the weight, "scalar" one double
LAYERWISE = {
    "sing": (sing, "adam", {**MOMENTS, "eps": EPS, "decay": 1}, STANDARDIZE, ("tensor", "tensor")),
    "lamb": (lamb, "lamb", {**MOMENTS, "eps": 1e-6}, [], ("tensor", "tensor")),
    "adal": (adal, "adal", {**MOMENTS, "eps": EPS, "decay": 1, "sqrt_decay": 1}, [], ("tensor", "tensor")),
    "aida": (aida, "aida", {**MOMENTS, "eps": EPS, "xi": 1e-20, "k": 2, "decay": 0}, [], ("tensor", "tensor")),
    "ladam": (ladam, "ladam", {**MOMENTS, "eps": EPS, "decay": 0}, [], ("tensor", "scalar")),
}
ADAMW = ("adam", {**MOMENTS, "eps": EPS, "decay": 1}, [], ("tensor", "tensor"))
