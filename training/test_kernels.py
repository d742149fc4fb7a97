"""python3 -m unittest"""

import unittest

import torch

from rill_train import image_models, kernels, speech_models
from rill_train.operators import Linear, SwiGlu


class Kernels(unittest.TestCase):
    def setUp(self):
        Linear.bfloat16, SwiGlu.dropout = True, 0.0
        self.addCleanup(setattr, Linear, "bfloat16", False)
        if not kernels.available():
            self.skipTest("no C++ compiler")

    def test_a_stack_of_blocks_is_that_of_pytorch(self):
        torch.manual_seed(3)
        model = speech_models.SpeechModel(dict(
            speech_models.BASE, **{"width": 64, "swiglu.width": 96, "liquid_scan.width": 64,
                                   "operators": ["short_conv", "liquid_scan", "short_conv"]}))
        x = torch.randn(37, 5, 64)
        # Some gates shut so tightly that the state neither fades nor takes anything in.
        model.blk[1].liquid_scan.in_proj.bias.data[128:144] = -20
        wanted = torch.randn(37, 5, 64)
        results = {}
        for name in ("float32", "kernels"):
            Linear.bfloat16 = name == "kernels"
            model.zero_grad()
            leaf = x.clone().requires_grad_()
            if name == "kernels":
                hidden, outputs = kernels.blocks(model.blk, leaf, model.norm)
                middle = outputs[1]
            else:
                outputs = [leaf]
                for block in model.blk:
                    outputs.append(block(outputs[-1], block.operator.initial_state(5))[0])
                hidden, middle = model.norm(outputs[-1]), outputs[2]
            ((hidden.float() * wanted).sum() + (middle * wanted).sum()).backward()
            results[name] = {"hidden": hidden.float().detach(), "middle": middle.detach(),
                             "x": leaf.grad, **{key: p.grad for key, p in model.named_parameters()
                                                if p.grad is not None}}
        self.assertEqual(results["float32"].keys(), results["kernels"].keys())
        self.assertIn("blk.1.liquid_scan.decay", results["kernels"])
        for key, want in results["float32"].items():
            error = (results["kernels"][key] - want).norm() / want.norm()
            self.assertLess(error, 0.02, key)

    def test_blocks_over_pictures_are_those_of_pytorch(self):
        torch.manual_seed(4)
        blocks = torch.nn.ModuleList(image_models.ImageBlock(32, 48, 1e-5, 0.5) for _ in range(2))
        x, wanted = torch.randn(2, 3, 7, 5, 32)
        results = []
        for fused in False, True:
            Linear.bfloat16 = fused
            blocks.zero_grad()
            leaf = x.clone().requires_grad_()
            y = kernels.stream(blocks, leaf) if fused else blocks[1](blocks[0](leaf))
            (y * wanted).sum().backward()
            results.append({"y": y.detach(), "x": leaf.grad,
                            **{key: p.grad.clone() for key, p in blocks.named_parameters()}})
        for key, want in results[0].items():
            self.assertLess((results[1][key] - want).norm() / want.norm(), 0.02, key)

    def test_silu_keeps_the_order_of_memory(self):
        x = torch.randn(2, 5, 3, 4).to(memory_format=torch.channels_last).bfloat16().requires_grad_()
        y = kernels.silu(x)
        self.assertEqual(y.stride(), x.stride())
        grad = torch.randn(2, 5, 3, 4).bfloat16()
        got, = torch.autograd.grad(y, x, grad)
        other = x.detach().float().requires_grad_()
        want, = torch.autograd.grad(torch.nn.functional.silu(other), other, grad.float())
        torch.testing.assert_close(got.float(), want, rtol=0.02, atol=0.01)

    def test_large_values_have_finite_gradients(self):
        x = torch.tensor([-1e5, -1e4, -200, -90, -80, 0, 80, 90, 200, 1e4] * 7).bfloat16().requires_grad_()
        y = kernels.silu(x)
        y.sum().backward()
        torch.testing.assert_close(y.detach().float(), x.detach().float().clamp(min=0), atol=0.1, rtol=0)
        self.assertTrue(x.grad.isfinite().all())

    def test_what_dropout_drops_has_no_gradient(self):
        SwiGlu.dropout = 0.5
        self.addCleanup(setattr, SwiGlu, "dropout", 0.0)
        layer = SwiGlu(32, 64, 1.0).train()
        u = torch.randn(50, 32).bfloat16()
        torch.manual_seed(1)
        kernels.swiglu(layer, u).sum().backward()
        kernel = layer.up.weight.grad.clone()
        layer.zero_grad()
        torch.manual_seed(1)
        layer(u.float()).sum().backward()
        error = (kernel - layer.up.weight.grad).norm() / kernel.norm()
        self.assertLess(error, 0.02)


if __name__ == "__main__":
    unittest.main()
