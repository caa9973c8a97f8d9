"""report.html in a real browser: controls, errors, requests, widths, contrast, keyboard, hostile names.

Needs the venv of scripts/bootstrap and Chromium (Debian's package chromium). Screenshots go to
build/page/, or to the folder that SEQBENCH_ARTEFACTS names.
"""

import importlib.util
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(ROOT / "tests/cli"))
sys.dont_write_bytecode = True

import browser

INSTALLED = all(importlib.util.find_spec(name) for name in ("pandas", "altair", "vl_convert"))
if INSTALLED:
    import pandas as pd

    from plotting import claims, report, verdict
    from plotting.page import questions
    from plotting.reading import read_run

WIDTHS = (320, 375, 768, 1280, 1920)
MOST_BYTES, MOST_FIRST_VIEW_SECONDS = 3_000_000, 1.0
REFERENCE = ROOT / "results/reference"
HOSTILE = ('</script><script>alert(1)</script>', '=cmd()', '<img src=x onerror=alert(2)>',
           '"\'`${alert(3)}&amp;')  # fmt: skip

DRAWN = "[...document.querySelectorAll('figure.chart')].every((one) => one.dataset.drawn)"
OPEN_ALL = "for (const one of document.querySelectorAll('details')) one.open = true"
# Comes near every chart in turn, as one who scrolls.
SCROLL = """(async () => {
  for (const figure of document.querySelectorAll("figure.chart")) {
    figure.scrollIntoView({block: "center"});
    for (let tries = 0; !figure.dataset.drawn && tries < 400; ++tries) {
      await new Promise((done) => setTimeout(done, 25));
    }
    if (!figure.dataset.drawn) break;
  }
})()"""

OUT_OF_PLACE = """[...document.querySelectorAll(".plot")].filter((plot) => plot.checkVisibility()
  && plot.firstElementChild.getBoundingClientRect().right > plot.getBoundingClientRect().right + 1
).map((plot) => plot.closest("figure").id)"""

# Every control through all its values: what it could not draw or list.
TRY_CONTROLS = """(async () => {
  const frame = () => new Promise((done) => setTimeout(done, 0));
  const wrong = [];
  let tried = 0;
  for (const figure of document.querySelectorAll("figure.chart")) {
    const list = figure.querySelector(".rows");
    const names = [...figure.querySelectorAll("select")].map((one) => one.name);
    for (const name of names) {
      const select = figure.querySelector(`select[name="${name}"]`);
      const before = select.value;
      for (const value of [...select.options].map((one) => one.value)) {
        select.value = value;
        select.dispatchEvent(new Event("change", {bubbles: true}));
        await frame();
        tried += 1;
        const what = `${figure.id}: ${name} = ${value}`;
        if (select.value !== value) wrong.push(`${what}: not kept`);
        if (!list.querySelector("tbody tr")) wrong.push(`${what}: no rows`);
        if (![...figure.querySelectorAll(".plot svg")].some(
              (svg) => svg.querySelector(".role-mark path, .role-mark text, .role-mark line")))
          wrong.push(`${what}: nothing drawn`);
        for (const word of figure.querySelectorAll(`[data-column="${name}"]`)) {
          if (word.textContent.replace(/^'|'$/g, "") !== value) wrong.push(`${what}: not in the command`);
        }
      }
      select.value = before;
      select.dispatchEvent(new Event("change", {bubbles: true}));
    }
  }
  return {tried, wrong};
})()"""

# Texts whose contrast with what is behind them is less than WCAG 2.1 asks (AA): 4.5, large text 3.
LOW_CONTRAST = """(() => {
  const channels = (colour) => {
    const parts = colour.match(/^rgba?\\((.*)\\)$/)?.[1].split(/[ ,/]+/).map(Number);
    return parts ? {rgb: parts.slice(0, 3), alpha: parts[3] ?? 1} : null;
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255).map(
      (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const paper = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour && colour.alpha === 1) return colour.rgb;
    }
    return [255, 255, 255];
  };
  const behind = (text) => {  // of a chart's text the shape it stands on
    const box = text.getBoundingClientRect();
    const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
    let found = null;
    for (const shape of text.ownerSVGElement.querySelectorAll("path, rect")) {
      if (shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_PRECEDING) break;
      const style = getComputedStyle(shape), at = shape.getBoundingClientRect();
      const colour = channels(style.fill);
      const solid = colour && colour.alpha === 1 && style.fillOpacity === "1" && style.opacity === "1";
      if (solid && at.left <= x && x <= at.right && at.top <= y && y <= at.bottom) found = colour.rgb;
    }
    return found ?? paper(text.closest(".plot"));
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("script, style, noscript, option")) continue;
    if (!element.checkVisibility() || !element.getClientRects().length) continue;
    const style = getComputedStyle(element), isChart = element instanceof SVGElement;
    const colour = channels(isChart ? style.fill : style.color);
    if (!colour || (isChart && style.fillOpacity === "0")) continue;
    const size = parseFloat(style.fontSize), bold = style.fontWeight >= 700;
    const asked = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    const is = ratio(colour.rgb, isChart ? behind(element) : paper(element));
    seen += 1;
    if (is < asked) low.push(`${is.toFixed(2)}: ${element.tagName} ${walker.currentNode.data.slice(0, 40)}`);
  }
  // Lines and points of the models: 3.
  const root = getComputedStyle(document.documentElement);
  const probe = document.body.appendChild(document.createElement("i"));
  for (const name of ["attention", "lstm", "gru", "mingru", "elman", "work", "rate", "parallelism"]) {
    probe.style.color = `var(--${name})`;
    const is = ratio(channels(getComputedStyle(probe).color).rgb, paper(document.body));
    if (is < 3) low.push(`${is.toFixed(2)}: --${name}`);
  }
  probe.remove();
  return {seen, low};
})()"""


def page_of(runs, folder):
    """The report of these runs, written into the folder."""
    text = report.report_html(
        runs, [], {run.name: verdict.verdicts_of(run) for run in runs},
        {run.name: claims.claims_of(run) for run in runs},
    )  # fmt: skip
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    return path


def changed(folder, name, change):
    """Writes a table of the folder anew."""
    path = folder / name
    change(pd.read_csv(path, dtype="string", keep_default_na=False)).to_csv(path, index=False)


def with_more_choices(folder):
    """Beside the reference run's rows others of another width, kernel and precision, and files that
    only a full run has: so that every kind of control and chart is there."""
    def race(rows):
        slow = rows[rows["model"] == "lstm"].assign(kernel="stepwise")
        half = rows[rows["model"] != "elman"].assign(dtype="bfloat16")
        wide = rows.assign(width="512")
        library = rows[rows["model"] == "gru"].assign(kernel="pytorch")
        parts = [rows, slow, half, wide, library]
        parts = [part.assign(case_id=part["case_id"] + f":{place}") for place, part in enumerate(parts)]
        return pd.concat(parts)

    def both(rows):
        wide = rows.assign(width="512")
        slow = rows[rows["baseline_model"] == "lstm"].assign(baseline_kernel="stepwise")
        return pd.concat([rows, wide, slow])

    changed(folder, "throughput.csv", race)
    changed(folder, "speedup.csv", both)
    changed(folder, "crossover.csv", lambda rows: pd.concat([rows, rows.assign(width="512")]))
    tables = {
        "span.csv": "model,kernel,pass,batch,seq_len,width,causal,variant,processors,steps,parallelism,status\n"
        "attention,fused,train,1,64,256,false,,2,0,9,ok\n"
        "lstm,persistent,train,1,64,256,,default,2,128,9,ok\n",
        "frontier.csv": "task,model,variant,width,layers,pairs,seq_len,seed,state_bytes,"
        "decode_tokens_per_second,accuracy,chance,outcome,status,reason\n"
        + "".join(f"mqar,{model},x,{width},2,{pairs},64,1,{width * 8},9,{0.1 + width / 200},0.25,partial,ok,\n"
                  for model in ("gru", "attention") for width in (16, 64) for pairs in (4, 8)),
        "ablation.csv": "task,setup,model,variant,ablation,distance,seed,accuracy,chance,outcome,status,reason\n"
        + "".join(f"{task},causal,attention,learned,{part},64,1,{0.3 + place / 10},0.25,partial,ok,\n"
                  for task in ("mqar", "coreference")
                  for place, part in enumerate(("none", "frozen_qk", "no_softmax"))),
        "peers.csv": "case_id,model,pass,batch,seq_len,width,threads,peer,peer_variant,ratio,ratio_low,ratio_high\n"
        + "".join(f"{peer}{length},lstm,train,1,{length},256,1,{peer},w,{ratio},{ratio - 0.2},{ratio + 0.2}\n"
                  for peer, ratio in (("pytorch", 2), ("onednn", 1.1)) for length in (64, 512)),
    }  # fmt: skip
    for name, text in tables.items():
        (folder / name).write_text(text)


def copy_of_reference(folder, *without):
    shutil.copytree(REFERENCE, folder, ignore=shutil.ignore_patterns("*.png", "*.svg", *without))
    return folder


def setUpModule():
    """A browser, and pages that all tests share."""
    if not INSTALLED:
        raise unittest.SkipTest("needs the venv of scripts/bootstrap")
    if browser.program() is None:
        raise unittest.SkipTest("needs a browser: apt-get install chromium")
    shared = BrowserTest
    shared.folder = Path(unittest.enterModuleContext(tempfile.TemporaryDirectory()))
    shared.artefacts = Path(os.environ.get("SEQBENCH_ARTEFACTS", ROOT / "build/page"))
    shared.artefacts.mkdir(parents=True, exist_ok=True)
    rich = copy_of_reference(shared.folder / "reference")
    shared.reference = page_of([read_run(rich)], shared.folder)
    with_more_choices(rich)
    shared.rich = page_of([read_run(rich)], rich)
    shared.page = unittest.enterModuleContext(browser.Browser()).page()


class BrowserTest(unittest.TestCase):
    def folder_of(self, name):
        folder = self.folder / name
        folder.mkdir()
        return folder

    def open(self, path, width=1280, height=800, scheme="light", whole=True, place=""):
        """The page in a window of that size; the whole of it drawn and unfolded, unless told not to."""
        self.page.resize(width, height)
        self.page.prefer(scheme)
        self.page.open(path, place)
        if whole:
            self.page.evaluate(OPEN_ALL)
            self.page.evaluate(SCROLL)
            self.assertTrue(self.page.evaluate(DRAWN), self.page.complaints())

    def assert_quiet(self, path):
        self.assertEqual(self.page.complaints(), [])
        elsewhere = [url for url in self.page.requests() if url.split("#")[0] != path.as_uri()]
        self.assertEqual(elsewhere, [])

    def screenshot(self, name, **options):
        self.page.screenshot(self.artefacts / f"{name}.png", **options)


class Page(BrowserTest):
    def test_the_first_view_comes_within_a_second_and_the_file_is_small(self):
        self.assertLess(self.rich.stat().st_size, MOST_BYTES)
        seconds = []
        for _ in range(3):  # the machine may be busy with something else meanwhile
            self.open(self.reference, whole=False)
            self.page.wait_for("performance.getEntriesByName('first-contentful-paint').length")
            seconds.append(self.page.evaluate(
                "performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000)  # fmt: skip
        self.assertLess(min(seconds), MOST_FIRST_VIEW_SECONDS)
        self.screenshot("first-view-1280")
        # The verdict is what one sees first: all seven rows.
        bottom = self.page.evaluate("document.querySelector('.verdicts').getBoundingClientRect().bottom")
        self.assertLess(bottom, 800)

    def test_every_control_chooses_rows_draws_them_and_stands_in_the_command(self):
        self.open(self.rich)
        result = self.page.evaluate(TRY_CONTROLS)
        self.assertEqual(result["wrong"], [])
        self.assertGreater(result["tried"], 60)
        names = set(self.page.evaluate(
            "[...document.querySelectorAll('form.choices select')].map((one) => one.name)"))  # fmt: skip
        self.assertLessEqual(
            {"pass", "batch", "width", "threads", "dtype", "rung", "task", "sentence", "layer", "asks"},
            names)  # fmt: skip
        self.assert_quiet(self.rich)

    def test_no_width_scrolls_sideways(self):
        for path in (self.reference, self.rich):
            for width in WIDTHS:
                with self.subTest(width=width, path=path.parent.name):
                    if width == WIDTHS[0]:
                        self.open(path, width=width)
                    else:  # as one who turns the phone or widens the window
                        self.page.resize(width, 800)
                        self.page.evaluate("new Promise((done) => setTimeout(done, 100))")
                    wide = self.page.evaluate("document.scrollingElement.scrollWidth")
                    self.assertLessEqual(wide, width)
                    # Nor does a chart stand out of its place.
                    out = self.page.evaluate(OUT_OF_PLACE)
                    self.assertEqual(out, [])
                    self.assert_quiet(path)
                    if path == self.reference:
                        self.page.evaluate("scrollTo(0, 0)")
                        self.screenshot(f"page-{width}", whole=True)

    def test_text_and_lines_stand_out_in_light_and_dark(self):
        for scheme in ("light", "dark"):
            with self.subTest(scheme):
                self.open(self.rich, scheme=scheme)
                result = self.page.evaluate(LOW_CONTRAST)
                self.assertEqual(result["low"], [])
                self.assertGreater(result["seen"], 300)
                self.page.evaluate("scrollTo(0, 0)")
                self.screenshot(scheme, whole=True)

    def test_headings_go_down_by_one_and_everything_has_a_name(self):
        self.open(self.rich)
        levels = self.page.evaluate(
            "[...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))")  # fmt: skip
        self.assertEqual(levels.count(1), 1)
        self.assertEqual(levels[0], 1)
        for before, after in zip(levels, levels[1:]):
            self.assertLessEqual(after, before + 1)
        nameless = self.page.evaluate("""[
          ...[...document.querySelectorAll("select")].filter((one) => !one.labels[0]?.textContent.trim()),
          ...[...document.querySelectorAll("button, a, summary")].filter((one) => !one.textContent.trim()),
          ...[...document.querySelectorAll("figure, section")].filter((one) =>
            !document.getElementById(one.getAttribute("aria-labelledby"))?.textContent.trim()),
        ].map((one) => one.outerHTML.slice(0, 80))""")
        self.assertEqual(nameless, [])
        twice = self.page.evaluate("""(() => {
          const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
          return ids.filter((one, place) => ids.indexOf(one) !== place);
        })()""")
        self.assertEqual(twice, [])
        dead = self.page.evaluate("""[...document.querySelectorAll("a")].map((one) =>
          one.getAttribute("href")).filter((one) => !one.startsWith("#")
          || !document.getElementById(one.slice(1)))""")
        self.assertEqual(dead, [])

    def test_keyboard_reaches_and_works_everything(self):
        self.open(self.reference, whole=False)
        self.page.evaluate(SCROLL.replace('"figure.chart"', '"section > figure.chart"'))
        self.page.evaluate("scrollTo(0, 0); document.body.focus()")
        self.page.press("Tab")
        self.assertEqual(self.page.evaluate("document.activeElement.className"), "skip")
        # Each control, link, button and fold outside closed folds has its turn.
        wanted = self.page.evaluate("""[...document.querySelectorAll("a, select, button, summary")].filter(
          (one) => one.checkVisibility()).length""")
        reached = 1
        for _ in range(3 * wanted):
            self.page.press("Tab")
            if self.page.evaluate("document.activeElement === document.body"):
                break
            reached += self.page.evaluate("document.activeElement.matches('a, select, button, summary')")
        self.assertEqual(reached, wanted)
        # A fold opens by Enter, a control changes by an arrow, and the chart with it.
        self.page.evaluate("document.querySelector('#claim-2 > details summary').focus()")
        self.page.press("Enter")
        self.assertTrue(self.page.evaluate("document.querySelector('#claim-2 > details').open"))
        self.page.evaluate("""(() => {
          const select = document.querySelector("#chart-speedup select[name=pass]");
          select.focus();
          window.drawing = () => document.querySelector("#chart-speedup svg").outerHTML;
          window.before = [select.value, drawing()];
        })()""")
        for key in ("ArrowUp", "ArrowDown"):
            self.page.press(key)
        self.page.press("ArrowUp")
        self.page.wait_for("drawing() !== before[1]")
        self.assertNotEqual(*self.page.evaluate("[before[0], document.activeElement.value]"))

    def test_pointing_at_a_mark_shows_its_numbers(self):
        self.open(self.reference)
        x, y = self.page.evaluate("""(() => {
          const mark = document.querySelector("#chart-speedup .mark-symbol.role-mark path");
          mark.scrollIntoView({block: "center"});
          const box = mark.getBoundingClientRect();
          return [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
        })()""")
        self.page.command("Input.dispatchMouseEvent", type="mouseMoved", x=x - 1, y=y)
        self.page.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.page.wait_for("document.querySelector('.vg-tooltip.visible')?.textContent.includes('speedup')")
        self.screenshot("tooltip")

    def test_a_command_is_copied(self):
        self.open(self.reference)
        self.page.evaluate("document.querySelector('#chart-speedup .command button').click()")
        self.page.wait_for(
            "document.querySelector('#chart-speedup .command button').textContent === 'Copied'")  # fmt: skip
        command = self.page.evaluate("getSelection().toString()")
        self.assertTrue(command.startswith("build/release/seqbench scaling --model attention"), command)
        self.assertIn("--pass train --batch 1 --length 64,128,", command)

    def test_each_question_is_answered_one_click_from_the_first_screen(self):
        for width, height in ((1280, 800), (375, 667)):
            with self.subTest(width=width):
                self.open(self.reference, width=width, height=height, whole=False)
                box = self.page.evaluate("""(() => {
                  const link = document.querySelector("nav a[href='#questions']");
                  const box = link.getBoundingClientRect();
                  link.click();
                  return [box.top, box.bottom];
                })()""")
                self.assertGreaterEqual(box[0], 0)
                self.assertLess(box[1], height)
                self.page.wait_for("Math.abs(document.getElementById('questions')"
                                   ".getBoundingClientRect().top) < 100")
        told = self.page.evaluate("""[...document.querySelectorAll("#questions dt")].map((one) =>
          [one.textContent, one.nextElementSibling.textContent,
           one.nextElementSibling.querySelector("a").getAttribute("href")])""")
        self.assertEqual([text for text, _, _ in told], [one.text for one in questions.QUESTIONS])
        self.assertEqual(len(told), 10)
        for text, answer, place in told:
            with self.subTest(text):
                # Of bfloat16 the reference run has no row, and says what measures it.
                if "bfloat16" not in text:
                    self.assertNotIn(questions.NOT_MEASURED, answer)
                # A click shows the place, even where it was folded, and what is there is drawn.
                self.page.evaluate(f"document.querySelector('#questions a[href=\"{place}\"]').click()")
                self.page.wait_for(f"document.querySelector('{place}').checkVisibility()")
                self.page.wait_for(
                    f"(({{top, bottom}}) => bottom > 0 && top < innerHeight)"
                    f"(document.querySelector('{place}').getBoundingClientRect())")  # fmt: skip
                if place.startswith("#chart-"):
                    self.page.wait_for(f"document.querySelector('{place}').dataset.drawn")

    def test_paper_is_white_whatever_the_screen_prefers(self):
        self.open(self.reference, scheme="dark")
        self.page.prefer("dark", media="print")
        self.assertEqual(self.page.evaluate("getComputedStyle(document.body).backgroundColor"),
                         "rgb(255, 255, 255)")  # fmt: skip
        self.assertEqual(self.page.evaluate(LOW_CONTRAST)["low"], [])
        pdf = self.page.pdf()
        self.assertTrue(pdf.startswith(b"%PDF"))
        (self.artefacts / "page.pdf").write_bytes(pdf)

    def test_without_scripts_the_verdict_is_there(self):
        self.page.command("Emulation.setScriptExecutionDisabled", value=True)
        self.addCleanup(self.page.command, "Emulation.setScriptExecutionDisabled", value=False)
        self.open(self.reference, whole=False)
        self.screenshot("no-scripts")
        self.assertEqual(self.page.complaints(), [])
        self.assertEqual(self.page.evaluate("document.querySelectorAll('.verdicts tbody tr').length"), 7)


class Hostile(BrowserTest):
    def test_names_that_look_like_code_are_text(self):
        run = copy_of_reference(self.folder_of("hostile") / HOSTILE[1])
        of_model, of_variant, of_task, of_word = HOSTILE
        changed(run, "throughput.csv", lambda rows: rows.assign(
            model=rows["model"].mask(rows["model"] == "gru", of_model)))
        changed(run, "speedup.csv", lambda rows: rows.assign(
            baseline_model=rows["baseline_model"].mask(rows["baseline_model"] == "gru", of_model)))
        changed(run, "recall.csv", lambda rows: rows.assign(
            variant=rows["variant"].mask(rows["model"] == "lstm", of_variant),
            task=rows["task"].mask(rows["task"] == "word_problem", of_task)))
        changed(run, "attention.csv", lambda rows: rows.assign(
            sentence=rows["sentence"] + of_model,
            key_token=rows["key_token"].mask(rows["key_token"] == "animal", of_word),
            query_token=rows["query_token"].mask(rows["query_token"] == "because", of_word)))
        changed(run, "training.csv", lambda rows: rows.assign(variant=of_task))
        pd.DataFrame([{"run_id": "r", "model": "lstm", "variant": of_variant, "seed": 1, "prompt": "\n",
                       "temperature": 0.8, "text": "".join(HOSTILE), "dtype": "float32"}]
                     ).to_csv(run / "text-samples.csv", index=False)  # fmt: skip
        path = page_of([read_run(run)], run.parent)
        self.open(path)
        self.assertEqual(self.page.evaluate(TRY_CONTROLS)["wrong"], [])
        self.assert_quiet(path)
        text = self.page.evaluate("document.body.innerText")
        for name in HOSTILE:
            self.assertIn(name, text)
        drawn = self.page.evaluate(
            "[...document.querySelectorAll('figure svg text')].map((one) => one.textContent)")
        for name in (of_model, of_variant, of_word):
            self.assertTrue([one for one in drawn if name[:9] in one], name)
        self.screenshot("hostile", whole=True)


class Several(BrowserTest):
    def test_runs_stand_side_by_side(self):
        folder = self.folder_of("several")
        other = copy_of_reference(folder / "other", "recall.csv")
        runs = [read_run(REFERENCE), read_run(other)]
        path = page_of(runs, folder)
        for width in (320, 1920):
            self.open(path, width=width)
            self.assertLessEqual(self.page.evaluate("document.scrollingElement.scrollWidth"), width)
        boxes = self.page.evaluate("""[...document.querySelectorAll("#chart-speedup .plot")].map((one) =>
          [one.dataset.run, one.getBoundingClientRect().top, one.getBoundingClientRect().left])""")
        self.assertEqual([box[0] for box in boxes], ["reference", "other"])
        self.assertEqual(boxes[0][1], boxes[1][1])
        self.assertLess(boxes[0][2], boxes[1][2])
        self.assertEqual(self.page.evaluate("document.querySelectorAll('#chart-kept .plot').length"), 1)
        self.assertEqual(self.page.evaluate(TRY_CONTROLS)["wrong"], [])
        self.assert_quiet(path)
        self.assertIn("other: recall.csv not in this run", self.page.evaluate("document.body.innerText"))
        self.screenshot("several-1920", whole=True)


if __name__ == "__main__":
    unittest.main()
