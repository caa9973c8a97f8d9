#include "harness/commands/repeat.h"

#include <optional>

#include "harness/server/layer_server.h"
#include "harness/server/protocol.h"
#include "harness/server/step_server.h"
#include "harness/server/text_step_server.h"
#include "harness/text/corpus.h"
#include "harness/text/known_texts.h"
#include "harness/timing/grid.h"
#include "harness/timing/measure_options.h"

namespace seqbench {

int repeat_command(const std::vector<std::string>& arguments) {
  CommandLine line(
      "repeat", "[options of a grid]",
      "Single repetitions on request, so that another program can interleave them with those of\n"
      "other libraries (scripts/peers). Reads one JSON object a line and answers each with one;\n"
      "ends with its input. Requests: list, prepare CASE, repeat CASE, judge CASE SAMPLES, probe\n"
      "THREADS, release CASE.",
      "  echo '{\"do\":\"list\"}' | seqbench repeat --length 512\n"
      "  printf '%s\\n' '{\"do\":\"prepare\",\"case\":\"gru:hoisted:forward:B1:T64:D256:H-:t1\"}' "
      "\\\n"
      "    '{\"do\":\"repeat\",\"case\":\"gru:hoisted:forward:B1:T64:D256:H-:t1\"}' |\n"
      "    seqbench repeat --model gru --kernel hoisted --length 64\n");
  add_grid_options(line, "512");
  add_scope_options(line);
  add_timing_options(line);
  add_step_options(line);
  add_text_step_options(line);
  if (!line.parse(arguments)) return 0;
  line.refuse_passed_on();
  const MeasureOptions options = parse_timing_options(line);
  if (line.given("text")) {
    const Corpus corpus(text_path(line.text("text")), std::nullopt);
    TextStepServer server(parse_text_step_cases(line, corpus), corpus, options);
    serve([&](const std::string& request) { return server.answer(request); });
  } else if (line.given("task")) {
    StepServer server(parse_step_cases(line), options);
    serve([&](const std::string& request) { return server.answer(request); });
  } else {
    LayerServer server(expand_cases(parse_grid(line)), options);
    serve([&](const std::string& request) { return server.answer(request); });
  }
  return 0;
}

}  // namespace seqbench
