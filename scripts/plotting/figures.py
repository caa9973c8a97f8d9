"""The list of figures: which plot, for which setting, with the words that explain it."""

from dataclasses import dataclass

import altair as alt

from plotting import (
    ablations,
    attention,
    frontier,
    learners,
    projection,
    race,
    recall,
    sweeps,
    text,
    trade_offs,
)
from plotting.layout import gather
from plotting.settings import settings_of


@dataclass(frozen=True)
class Plot:
    """A plot of the report: file name, heading, how to read it, the files it needs, its
    function, and whether there is one for each setting."""

    slug: str
    heading: str
    explanation: str
    files: tuple
    draw: callable
    by_setting: bool = True
    optional: bool = False  # told nothing of where a run has nothing for it


@dataclass(frozen=True)
class Figure:
    plot: Plot
    slug: str
    label: str
    chart: alt.TopLevelMixin


PLOTS = (
    Plot(
        "throughput-vs-length",
        "Throughput against sequence length",
        "How many tokens one layer works through in a second, for one pass over the batch; higher"
        " is faster. A recurrent model does the same work for each token, so its line stays level"
        " once it is busy. Attention compares every token with every other: its line falls as"
        " sequences grow. Bars are 95 % intervals of the median; a hollow point is noisy.",
        files=("throughput.csv",),
        draw=race.throughput_vs_length,
    ),
    Plot(
        "speedup-vs-length",
        "Attention's speedup over each recurrent model",
        "Tokens per second of attention divided by those of a recurrent model on the same shape,"
        " pass and threads, each with the kernel that is meant to be its fastest. Where a line crosses ×1, the lead"
        " changes hands. Compare the panels of one thread with those of all threads: the first"
        " show the algorithm, the second what threads add to it.",
        files=("speedup.csv", "throughput.csv"),
        draw=race.speedup_vs_length,
    ),
    Plot(
        "speedup-by-block",
        "Attention's speedup, of layers, blocks and models",
        "A layer of attention has 4·D² weights and an LSTM 8·D²; a block with its MLP 12·D² and 16·D²."
        " So the ratio of bare layers is the largest: what stands around them is the same for both."
        " At equal parameters the recurrent model is narrower or wider instead.",
        files=("speedup.csv",),
        draw=race.speedup_by_block,
        by_setting=False,
        optional=True,
    ),
    Plot(
        "speedup-vs-threads",
        "Gain from threads",
        "How much faster a model becomes with more threads, at one length. A model whose steps"
        " wait for each other stays near ×1; one whose work is independent follows the dashed line,"
        " as far as the machine's CPUs are real cores. Bars are the widest range that the two"
        " times' 95 % intervals allow.",
        files=("throughput.csv",),
        draw=race.speedup_vs_threads,
    ),
    Plot(
        "thread-gain-vs-length",
        "Gain from threads against sequence length",
        "The same gain at the largest number of threads, for every length. Short sequences leave"
        " too little work to share.",
        files=("throughput.csv",),
        draw=race.thread_gain_vs_length,
    ),
    Plot(
        "speedup-vs-processors",
        "Speed-up projected for more processors",
        "What the tasks of one pass, timed on one thread, would give on more processors than there are:"
        " dashed, between what no scheduling can exceed and what handing tasks to whoever is free cannot"
        " miss. It takes for granted that every processor has the caches and the memory of the measured"
        " one, and that a meeting costs in proportion to their number beyond the measured ones. Points"
        " with solid lines were measured; where they leave the band, the projection is wrong.",
        files=("projection.csv",),
        draw=projection.speedup_vs_processors,
        by_setting=False,
        optional=True,
    ),
    Plot(
        "crossover-map",
        "Where attention's lead is lost",
        "The length at which a recurrent model becomes as fast as attention, by width and batch, in"
        " each precision that the run has. FLOPs"
        " alone would have it at twice the width for an LSTM and at the width for a GRU (point at a"
        " cell for that length and for the interval).",
        files=("crossover.csv",),
        draw=race.crossover_map,
        by_setting=False,
        optional=True,
    ),
    Plot(
        "accuracy-vs-distance",
        "Accuracy against distance",
        "Each point is a model trained from scratch to answer from words that stood up to so many"
        " tokens back, and tested on fresh sequences. A model that loses them falls to the"
        " dashed line, a guess among the candidates, or below it where it does not even know"
        " these. Hollow points lie beyond the distances of training. With several seeds, bars reach"
        " from the worst to the best. Points of one distance are set slightly apart sideways, so"
        " that equal accuracies stay visible. A task with a single distance has a column for each"
        " model and variant.",
        files=("recall.csv",),
        draw=recall.accuracy_vs_distance,
        by_setting=False,
    ),
    Plot(
        "accuracy-of-variants",
        "Accuracy of variants",
        "The same for other ways to start, to tell positions, numbers of layers, and controls, beside"
        " the models above, where the run has any. noanswer hides the answer: above the dashed line"
        " it would be a leak.",
        files=("recall.csv",),
        draw=recall.accuracy_of_variants,
        by_setting=False,
        optional=True,
    ),
    Plot(
        "share-solved",
        "Seeds that solve a task",
        "How many of the seeds came to answers that count as solved (95 % of fresh test sequences, by"
        " the task's own mark), by distance, for every model, start and control that was trained. What"
        " is learned is mostly learned wholly or not at all, so that a share of seeds tells more than"
        " a median of accuracies; few seeds leave it a wide interval (point at a cell).",
        files=("recall.csv",),
        draw=recall.share_solved,
        by_setting=False,
    ),
    Plot(
        "time-to-solve",
        "Time to a solution",
        "Seconds that a model trained, on one thread, until its answers in training first counted"
        " as solved, of trainings whose test is solved too. A point is missing where half of them"
        " or more were not: a line that ends is a model that has lost the words. Batches are the"
        " task's; those of mqar without a convolution are eight times as large.",
        files=("recall.csv",),
        draw=recall.time_to_solve_vs_distance,
        by_setting=False,
    ),
    Plot(
        "learning-curves",
        "Learning curves",
        "Accuracy on the batches of training, as training goes on. Trainings that are solved may"
        " stop early; a line ends with the last of its seeds, and the others keep their last accuracy"
        " until then. A curve that stays level has found nothing"
        " to go by. Shown at the shortest, the middle and the longest distance that was trained.",
        files=("learning.csv",),
        draw=recall.learning_curves,
        by_setting=False,
    ),
    Plot(
        "accuracy-vs-gap",
        "Accuracy against the gap within a sequence",
        "Where a sequence asks several questions, their answers stand at different gaps behind"
        " what they depend on. Each point counts the gaps from its tick to just below the double."
        " mqar: from the question back to the pair; parity: how many bits the answer sums.",
        files=("gap.csv",),
        draw=recall.accuracy_vs_gap,
        by_setting=False,
    ),
    Plot(
        "gradient-vs-distance",
        "Gradient norm against distance",
        "How strongly the answer's loss pulls on a word that stood so many tokens back. A line that"
        " falls steeply means that a first step changes little for such words; a level line, that"
        " distance does not matter. Before training it does not tell which model learns. Trained attention is shown at the"
        " positions that training had. Shown at doubling distances and the longest that each panel has, for"
        " trainings at the longest distance; published settings are left out. Below the dashed line,"
        " where there is one, float32 is flushed to zero: no training gets anything from there.",
        files=("gradient.csv",),
        draw=recall.gradient_vs_distance,
        by_setting=False,
    ),
    Plot(
        "lost-before-and-after",
        "What the gradient loses over the distance",
        "How many powers of ten the gradient loses on its way from the answer back to the word that"
        " it depends on: before training, and after 100 steps, of recurrent models that had not yet"
        " solved their task. Low and filled: the gradient reaches the word by then, and the model"
        " learns, however little of it got there at first. High and hollow: it does not, and the"
        " model does not.",
        files=("decay.csv", "learning.csv", "recall.csv"),
        draw=learners.lost_before_and_after,
        by_setting=False,
        optional=True,
    ),
    Plot(
        "sweeps-vs-decay",
        "Sweeps against the gradient's decay",
        "How often Newton's method has to go over all steps of a sequence until it has every state of"
        " a recurrent model at once (recall --newton), before and after training. Each training is a"
        " point; one that keeps what it read, whose gradient does not decay, stands at the right. A"
        " sweep is a product of many rows, a step of the usual loop one of a single row.",
        files=("newton.csv",),
        draw=sweeps.sweeps_vs_decay,
        by_setting=False,
        optional=True,
    ),
    Plot(
        "loss-vs-seconds",
        "Loss against seconds and tokens",
        "Models that learn to predict a text's next token, each in the same blocks: the loss over the"
        " last tenth of the text, which training never saw, as training goes on. Against seconds the"
        " speed of a step counts too; against tokens, what is learned from each.",
        files=("training.csv",),
        draw=text.loss_vs_seconds,
        by_setting=False,
        optional=True,
    ),
    Plot(
        "seconds-to-level",
        "Seconds to a level",
        "What each model takes to come down to the lowest loss that all of them reach, divided by what"
        " attention takes. The seconds are the product of the other two: how many tokens it has to see,"
        " and how long one takes. Below 1, the model is ahead of attention.",
        files=("training.csv",),
        draw=text.time_to_level,
        by_setting=False,
        optional=True,
    ),
    Plot(
        "loss-by-position",
        "Loss by position in the context",
        "How well a token is predicted by how many stand before it in the window: a line that goes on"
        " falling belongs to a model that makes use of more context. In windows longer than those of"
        " training it tells what a model makes of lengths that it has not seen.",
        files=("context.csv",),
        draw=text.loss_by_position,
        by_setting=False,
        optional=True,
    ),
    Plot(
        "memory-against-recall",
        "Memory against recall",
        "What a model answers of key-value pairs, against the bytes that it carries from one token to"
        " the next: a recurrent state of a fixed size, or the keys and values of every token so far."
        " Along a line the model gets wider. The last panel has the tokens that it decodes in a second"
        " with them: its layers alone, on one thread, at the end of a sequence.",
        files=("frontier.csv",),
        draw=frontier.memory_against_recall,
        by_setting=False,
        optional=True,
    ),
    Plot(
        "attention-without-a-part",
        "Attention without one of its parts",
        "The same attention with one part taken away at a time, trained and tested as the whole:"
        " queries and keys from weights that are drawn once and never trained, scores not divided by"
        " √d_k, values that are the input itself, one head instead of several, scores as weights"
        " without a softmax.",
        files=("ablation.csv",),
        draw=ablations.bars,
        by_setting=False,
        optional=True,
    ),
    Plot(
        "trade-offs",
        "What each model trades for what",
        "Trains in parallel: the share of the FMA peak that training of one sequence reaches on all"
        " threads. Recalls by pairing: the share of key-value pairs it answers (mqar). Tracks state:"
        " the share of products of permutations it gets right (word_problem). Constant memory: by how"
        " much the bytes carried from token to token grow with the length.",
        files=("throughput.csv", "recall.csv"),
        draw=trade_offs.table,
        by_setting=False,
        optional=True,
    ),
    Plot(
        "attention-arcs",
        "What one word attends to",
        "From the word that asks to every other word, as wide as its weight: how much of that"
        " word's value the asking word takes over. A small model learned the sentences' grammar"
        " from its answers alone; nobody told it where to look, but its learning rate, weight decay"
        " and the width of its MLP were chosen so that it looks at the nouns: others answer as well"
        " from other words. The hidden verb is shown as itself, but the model sees only that a word"
        " is missing.",
        files=("attention.csv",),
        draw=attention.arcs,
        by_setting=False,
    ),
    Plot(
        "attention-maps",
        "Weights of attention",
        "The same weights of every layer and head, for every word. A line sums to 100 %; numbers below"
        " 10 % are left out.",
        files=("attention.csv",),
        draw=attention.heat_maps,
        by_setting=False,
    ),
    Plot(
        "accuracy-with-word-hidden",
        "Accuracy with one word hidden",
        "What a weight is worth: one word is hidden from attention, from every query in every"
        " layer, and the answers are counted again. A weight is evidence for what a model uses only"
        " together with such a loss: a model of one layer answers as well, and its weights prefer"
        " neither noun.",
        files=("interventions.csv",),
        draw=attention.hidden_words,
        by_setting=False,
    ),
    Plot(
        "weight-against-use",
        "Does the weight tell what is used?",
        "A point a setting (learning rate, weight decay, MLP, depth): how much weight the word that"
        " asks gives the noun in the last layer, against the share of right answers that is lost when"
        " only this edge is cut, from the noun to the word that asks, in every layer. Points above the"
        " middle on one axis and below it on the other are models whose weights do not show what they"
        " use. Runs of one setting have no such picture.",
        files=("interventions.csv",),
        draw=attention.weight_against_use,
        by_setting=False,
        optional=True,
    ),
)


def figures_of(runs):
    """All figures that the runs have data for, those of the main setting without a suffix."""
    rows = gather(runs, lambda run: run.table("throughput"))
    settings = settings_of(rows) if not rows.empty else []
    figures = []
    for plot in PLOTS:
        if not plot.by_setting:
            chart = plot.draw(runs)
            figures += [Figure(plot, plot.slug, "", chart)] if chart is not None else []
            continue
        for setting in settings:
            chart = plot.draw(runs, setting)
            if chart is None:
                continue
            main = setting == settings[0]
            slug = plot.slug if main else f"{plot.slug}-{setting.slug}"
            figures.append(Figure(plot, slug, setting.label, chart))
    return figures


def save(figure, folder):
    """Writes the figure as PNG (two pixels a point) and SVG; returns both paths."""
    paths = [folder / f"{figure.slug}.png", folder / f"{figure.slug}.svg"]
    figure.chart.save(paths[0], scale_factor=2)
    figure.chart.save(paths[1])
    return paths
