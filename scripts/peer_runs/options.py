"""The command line of scripts/peers."""

import argparse
import sys
from pathlib import Path

from peer_runs.libraries import PEERS, STEP_PEERS, TEXT_PEERS
from peer_runs.environment import ROOT, VARIABLE

EXAMPLES = """
examples:
  scripts/peers --length 512 --batch 1,16
  scripts/peers --model attention --causal --pass forward --length 512,2048 --threads 1
  scripts/peers --model lstm,gru --pass train --peers pytorch --out results/peers-lstm
  scripts/peers --model attention,lstm --dtype float32,bfloat16 --length 512,2048 --batch 1,16
  scripts/peers --task mqar --length 64,256 --model attention,lstm
  scripts/peers --text shakespeare.txt --model attention,lstm --threads 1 --no-compile

--model, --batch, --length, --width, --heads, --threads, --dtype and --causal mean what they mean for
`seqbench throughput`, whose fastest kernel of each model takes part. With --task they are steps of
trainings on one thread: --length is the task's distance, --batch and --width are the task's unless
given, everything else is as the task has it. With --text they are steps of trainings on that text in
the setting of the preset nanogpt-shakespeare, whose first hundred losses have to agree.
"""

# Options that `seqbench repeat` checks and expands, beside --threads, and their defaults.
GRID = {"model": "all", "pass": "forward,train", "batch": "1", "length": "512", "width": "256",
        "heads": "4", "dtype": "float32"}
TEXT = {"text": None, "model": "all"}
# Those of a training's steps; None: the task's own.
STEPS = {"task": None, "model": "attention,lstm", "length": "64,256", "batch": None, "width": None}
# Options that are not allowed beside these.
FIXED = {"task": ("pass", "heads", "threads", "causal", "dtype"),
         "text": ("task", "pass", "batch", "length", "width", "heads", "causal", "dtype")}


class Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"peers: {message}", file=sys.stderr)
        sys.exit(2)


def parse(arguments):
    parser = Parser(
        prog="peers", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures seqbench's layers and those of other libraries, interleaved in one "
                    "run: throughput.csv, samples.csv, peers.csv and a table of ratios.")
    parser.add_argument("--task", choices=["mqar", "mqar_8k"],
                        help="training steps of this task instead of layers; steps.csv")
    parser.add_argument("--text", help="training steps on this text in the setting "
                                       "nanogpt-shakespeare instead of layers; steps.csv")
    parser.add_argument("--model", help="elman, lstm, gru, mingru, attention (default: all; of "
                                        "a task attention,lstm)")
    parser.add_argument("--pass", type=passes, help="forward, train (default: both)")
    parser.add_argument("--batch", help="sequences (default: 1)")
    parser.add_argument("--length", help="tokens in a sequence (default: 512; of a task 64,256)")
    parser.add_argument("--width", help="width of in- and output (default: 256)")
    parser.add_argument("--heads", help="attention heads (default: 4)")
    parser.add_argument("--dtype", help="float32, bfloat16: of the factors of products (default: "
                                        "float32). PyTorch's layers are of such tensors or under "
                                        "torch.autocast, whichever is faster")
    parser.add_argument("--threads", help="numbers of threads (default: 1 and all CPUs)")
    parser.add_argument("--causal", action="store_true", help="attention sees earlier tokens only")
    parser.add_argument("--no-compile", action="store_true",
                        help="of a text: PyTorch's eager forms alone; to compile a model takes up to "
                             "a minute each")
    parser.add_argument("--peers",
                        help=f"out of {', '.join(PEERS)} (default: pytorch,onnxruntime); of a task "
                             f"out of {', '.join(STEP_PEERS)} (default: both); of a text "
                             "pytorch")
    parser.add_argument("--rounds", default=9, type=rounds,
                        help="repetitions of each library, at least 5 (default: 9)")
    parser.add_argument("--min-time", default="0.02", type=min_time,
                        help="least seconds of a repetition (default: 0.02)")
    parser.add_argument("--seed", default=1, type=int,
                        help="of the order within the rounds (default: 1)")
    parser.add_argument("--out", help="folder of the run, to whose tables rows are appended "
                                      "(default: results/<time>-<host>/)")
    parser.add_argument("--seqbench", type=Path, default=ROOT / "build/release/seqbench",
                        help="the program (default: build/release/seqbench)")
    parser.add_argument("--python", help="a Python that has the libraries; default: "
                                         f"{VARIABLE}, or .venv-peers/, made when first needed")
    options = parser.parse_args(arguments)
    if not options.seqbench.is_file():
        parser.error(f"--seqbench: '{options.seqbench}' is not there; build it (cmake --build "
                     "--preset release) or name another")
    for kind, fixed in FIXED.items():
        for name in fixed if vars(options)[kind] else ():
            if vars(options)[name]:
                parser.error(f"--{name}: '{vars(options)[name]}' is not allowed; expected nothing "
                             f"beside --{kind}, which fixes it")
    if options.no_compile and not options.text:
        parser.error("--no-compile: is not allowed; expected beside --text alone, where PyTorch's models "
                     "are compiled too")
    for name, default in kind_of(options).items():
        vars(options)[name] = vars(options)[name] or default
    allowed = tuple(peers_of(options))
    default = ",".join(allowed) if options.task or options.text else "pytorch,onnxruntime"
    try:
        options.peers = names_out_of(allowed, options.peers or default)
    except argparse.ArgumentTypeError as error:
        parser.error(f"argument --peers: {error}")
    return options


def peers_of(options):
    """The table of the libraries that may take part."""
    return TEXT_PEERS if options.text else STEP_PEERS if options.task else PEERS


def kind_of(options):
    """The options that say which cases there are, and their defaults."""
    return TEXT if options.text else STEPS if options.task else GRID


def grid_arguments(options):
    """The cases of the run but for their threads, as seqbench's options."""
    values = vars(options)
    arguments = [word for name in kind_of(options) if values[name]
                 for word in (f"--{name}", values[name])]
    return arguments + (["--causal"] if options.causal else [])


def names_out_of(allowed, text):
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in allowed:
            raise argparse.ArgumentTypeError(
                f"'{name}' is not allowed; expected a comma list of {', '.join(allowed)}")
    return names


def passes(text):
    return ",".join(names_out_of(("forward", "train"), text))


def rounds(text):
    if not text.isdecimal() or not 5 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not allowed; expected an integer from 5 to 1000")
    return int(text)


def min_time(text):
    """The text, since seqbench and the workers read it themselves."""
    try:
        good = 1e-6 <= float(text) <= 3600
    except ValueError:
        good = False
    if not good:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not allowed; expected a number from 1e-06 to 3600")
    return text
