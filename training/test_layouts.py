"""Layouts of LFM-1's sizes: their numbers of parameters, and files whose sizes are right."""

import tempfile
import unittest
from pathlib import Path

from rill_train import layouts


class Layouts(unittest.TestCase):
    def test_parameters_are_the_announced_ones(self):
        for name, layout in layouts.LAYOUTS.items():
            count, used = layouts.parameters(layout)
            self.assertAlmostEqual(count / 1e9, float(name.removesuffix("B")), delta=0.03)
            self.assertAlmostEqual(used / 1e9, 12 if layout.experts else count / 1e9, delta=0.1)

    def test_a_hollow_file_has_the_size_of_a_full_one(self):
        tiny = layouts.Layout(64, 128, 4, (1, 3), heads_kv=1, vocabulary=512, experts=4, used=2,
                              expert_width=32, dense=1)
        with tempfile.TemporaryDirectory() as folder:
            full, hollow = Path(folder) / "full.gguf", Path(folder) / "hollow.gguf"
            layouts.write(full, tiny, "tiny")
            layouts.write(hollow, tiny, "tiny", hollow=True)
            self.assertEqual(full.stat().st_size, hollow.stat().st_size)
            head, tensors = layouts.head(tiny, "tiny")
            self.assertEqual(full.stat().st_size, len(head) + tensors)
            self.assertEqual(full.read_bytes()[: len(head)], hollow.read_bytes()[: len(head)])


if __name__ == "__main__":
    unittest.main()
