"""conform as a user runs it: a file in, a file out, and one clear line for every bad file."""

import json
import os
import pathlib
import struct
import unittest

from program import ProgramTest, run
from tensor_file import floats_of, read_header, rounded, with_tensor, write_file

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"


class Conform(ProgramTest):
    def test_a_golden_file_gives_every_result(self):
        for name in ["lstm_B3_T7_D10", "attention_B3_T7_D10_H5_causal"]:
            out = self.folder / f"{name}.safetensors"
            process = run("conform", GOLDEN / f"{name}.safetensors", "--out", out)
            self.assertEqual(process.returncode, 0, process.stderr)
            golden, _ = read_header(GOLDEN / f"{name}.safetensors")
            result, _ = read_header(out)
            expected = {key for key in golden if key in ("y", "dx") or key.startswith("d.")}
            self.assertTrue(expected)
            self.assertEqual(set(result) - {"__metadata__"}, expected)
            for key in expected:
                self.assertEqual(result[key]["shape"], golden[key]["shape"])

    def test_tensors_in_bfloat16_give_what_their_values_give_but_for_rounding(self):
        for name, kernel in [("lstm_B3_T7_D10", "persistent"), ("gru_B4_T3_D17", "persistent"),
                             ("elman_B1_T70_D3", "persistent"), ("mingru_B3_T7_D10", "scan"),
                             ("attention_B1_T65_D6_H2_causal", "fused")]:
            with self.subTest(name):
                header, data = read_header(GOLDEN / f"{name}.safetensors")
                given = [key for key in header if key not in ("__metadata__", "y", "dx")
                         and not key.startswith("d.")]
                results = []
                for dtype in ("F32", "BF16"):
                    path, out = self.folder / f"{name}-{dtype}", self.folder / f"{name}-{dtype}-out"
                    write_file(path, *rounded(header, data, given, dtype))
                    process = run("conform", path, "--out", out)
                    self.assertEqual(process.returncode, 0, process.stderr)
                    results.append(read_header(out))
                (exact, exact_data), (result, result_data) = results
                self.assertEqual(result["__metadata__"], exact["__metadata__"] | {"kernel": kernel})
                self.assertNotEqual(result_data, exact_data)
                for key in set(exact) - {"__metadata__"}:
                    self.assertEqual(result[key]["dtype"], "F32")
                    one, other = (floats_of(*of, key) for of in ((exact, exact_data),
                                                                 (result, result_data)))
                    # Some roundings of 2⁻⁸ each at most on the way through a few steps.
                    bound = 0.03 * max(map(abs, one))
                    self.assertLess(max(abs(a - b) for a, b in zip(one, other)), bound, key)

    def test_tensors_in_bfloat16_are_all_so_and_name_a_kernel_that_takes_them(self):
        header, data = read_header(GOLDEN / "lstm_B3_T7_D10.safetensors")
        given = [key for key in header if key in ("x", "dy") or "_l0" in key and key[:2] != "d."]
        path, out = self.folder / "bad.safetensors", self.folder / "result"
        mixed, mixed_data = rounded(header, data, given, "BF16")
        mixed, mixed_data = with_tensor({k: v for k, v in mixed.items() if k != "dy"} |
                                        {"d.x": mixed["dy"]}, mixed_data, "dy", (3, 7, 10))
        write_file(path, mixed, mixed_data)
        self.assert_refused(run("conform", path, "--out", out), 1, '"dy"', "F32", "BF16")
        slow, slow_data = rounded(header, data, given, "BF16")
        slow["__metadata__"] = slow["__metadata__"] | {"kernel": "stepwise"}
        write_file(path, slow, slow_data)
        self.assert_refused(run("conform", path, "--out", out), 1, '"stepwise"', "persistent")
        self.assertFalse(out.exists())

    def test_an_existing_result_is_not_written_over(self):
        out = self.folder / "result.safetensors"
        out.write_text("precious")
        process = run("conform", GOLDEN / "gru_B1_T1_D1.safetensors", "--out", out)
        self.assert_refused(process, 1, str(out))
        self.assertEqual(out.read_text(), "precious")

    def test_wrong_use(self):
        self.assert_refused(run("conform"), 2, "FILE")
        self.assert_refused(run("conform", "a.safetensors"), 2, "--out")
        process = run("conform", self.folder / "none.safetensors", "--out", self.folder / "r")
        self.assert_refused(process, 1, "none.safetensors")

    def test_bad_files(self):
        header, data = read_header(GOLDEN / "lstm_B3_T7_D10.safetensors")

        def changed(**entries):
            return {**{k: dict(v) for k, v in header.items()}, **entries}

        without = changed(something_else=header["weight_hh_l0"])
        del without["weight_hh_l0"]
        shape = changed()
        shape["dy"]["shape"] = [7, 3, 10]
        dtype = changed()
        dtype["x"]["dtype"] = "F16"
        overlap = changed()
        overlap["x"]["data_offsets"] = header["dy"]["data_offsets"]
        model = changed(__metadata__={"model": "mamba"})
        for name, bad, word in [
            ("missing tensor", without, "weight_hh_l0"),
            ("wrong shape", shape, "dy"),
            ("wrong dtype", dtype, "x"),
            ("overlapping offsets", overlap, "bad.safetensors"),
            ("unknown model", model, "mamba"),
            ("no metadata", changed(__metadata__={}), "model"),
        ]:
            with self.subTest(name):
                path = self.folder / "bad.safetensors"
                write_file(path, bad, data)
                process = run("conform", path, "--out", self.folder / "result")
                self.assert_refused(process, 1, "bad.safetensors", word)
                self.assertEqual(os.listdir(self.folder), ["bad.safetensors"])

    def test_what_would_mean_another_layer_is_refused(self):
        path, out = self.folder / "bad.safetensors", self.folder / "result"
        for golden, tensors in [
            ("lstm_B3_T7_D10", ["weight_ih_l1", "weight_ih_l0_reverse", "weight_hr_l0", "d.dx"]),
            ("attention_B3_T7_D10_H5", ["bias_k", "bias_v", "x2"]),
        ]:
            header, data = read_header(GOLDEN / f"{golden}.safetensors")
            for tensor in tensors:
                with self.subTest(tensor):
                    out.unlink(missing_ok=True)
                    write_file(path, *with_tensor(header, data, tensor))
                    self.assert_refused(run("conform", path, "--out", out), 1, "bad.safetensors",
                                        f'tensor "{tensor}" is not allowed', "x, dy, y, dx")
                    self.assertFalse(out.exists())
        for golden, key, value, allowed in [
            ("elman_B3_T7_D10", "nonlinearity", "relu", "tanh"),
            ("lstm_B3_T7_D10", "batch_first", "false", "true"),
            ("gru_B3_T7_D10", "num_layers", "2", "1"),
            ("lstm_B3_T7_D10", "proj_size", "4", "model, kernel, threads"),
            ("lstm_B3_T7_D10", "heads", "5", "model, kernel, threads"),
            ("lstm_B3_T7_D10", "format", "tf", "pt"),
            ("attention_B3_T7_D10_H5", "add_zero_attn", "true", "heads, causal"),
            ("attention_B3_T7_D10_H5", "caf\xe9\x1b", "", r"caf\u00e9\u001b"),
        ]:
            with self.subTest(key=key):
                out.unlink(missing_ok=True)
                header, data = read_header(GOLDEN / f"{golden}.safetensors")
                header["__metadata__"][key] = value
                write_file(path, header, data)
                self.assert_refused(run("conform", path, "--out", out), 1, "bad.safetensors",
                                    allowed, f"metadata {json.dumps(key)} is")
                self.assertFalse(out.exists())

    def test_every_golden_file_and_a_result_beside_its_input_are_allowed(self):
        for number, golden in enumerate(sorted(GOLDEN.glob("*.safetensors"))):
            process = run("conform", golden, "--out", self.folder / f"{number}.safetensors")
            self.assertEqual(process.returncode, 0, process.stderr)
        golden, data = read_header(GOLDEN / "lstm_B3_T7_D10.safetensors")
        out, again = self.folder / "again.safetensors", self.folder / "result.safetensors"
        self.assertEqual(run("conform", GOLDEN / "lstm_B3_T7_D10.safetensors", "--out", out)
                         .returncode, 0)
        metadata = read_header(out)[0]["__metadata__"]
        self.assertEqual(metadata, {"model": "lstm", "kernel": metadata["kernel"], "threads": "1"})
        golden["__metadata__"] = metadata | {"format": "pt", "batch_first": "true"}
        write_file(self.folder / "both", golden, data)
        process = run("conform", self.folder / "both", "--out", again)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(again.read_bytes(), out.read_bytes())
        header, data = read_header(GOLDEN / "elman_B3_T7_D10.safetensors")
        header["__metadata__"]["nonlinearity"] = "tanh"
        write_file(self.folder / "elman", header, data)
        process = run("conform", self.folder / "elman", "--out", self.folder / "tanh")
        self.assertEqual(process.returncode, 0, process.stderr)

    def test_truncated_files_at_every_length(self):
        whole = (GOLDEN / "elman_B1_T1_D1.safetensors").read_bytes()
        path = self.folder / "cut.safetensors"
        for length in [*range(0, 16), *range(16, len(whole), 37), len(whole) - 1]:
            with self.subTest(length=length):
                path.write_bytes(whole[:length])
                process = run("conform", path, "--out", self.folder / "result")
                self.assert_refused(process, 1, "cut.safetensors")
        path.write_bytes(struct.pack("<Q", 1 << 62) + whole[8:])
        self.assert_refused(run("conform", path, "--out", self.folder / "r"), 1, "cut.safetensors")


if __name__ == "__main__":
    unittest.main()
