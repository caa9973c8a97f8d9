// peer_onednn: oneDNN's recurrent layers behind the protocol of `seqbench repeat`

#include <cstdio>
#include <iostream>

#include "core/thread_team.h"
#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/machine/placement.h"
#include "harness/peers/onednn_layer.h"
#include "harness/server/layer_server.h"
#include "harness/server/protocol.h"
#include "harness/timing/case.h"
#include "harness/timing/grid.h"
#include "harness/timing/measure_options.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

/// Translates between the ids of oneDNN's cases and those of seqbench's, which the server knows.
class OnednnServer {
 public:
  OnednnServer(const std::vector<Case>& cases, const MeasureOptions& options)
      : server_(cases, options, make_onednn_layer) {
    for (const Case& one : cases) {
      Case theirs = one;
      theirs.layer.kernel = "onednn";
      cases_.emplace(theirs.id(), one);
    }
  }

  Json answer(const std::string& line) {
    Json request = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    const Json id = request.is_object() ? request.value("case", Json()) : Json();
    const auto found = id.is_string() ? cases_.find(id.get<std::string>()) : cases_.end();
    if (found == cases_.end()) return server_.answer(line);
    const bool prepares = request.value("do", Json()) == "prepare";
    const std::string model = found->second.layer.model;
    if (prepares && (model == "attention" || model == "mingru")) {
      return {{"case", id}, {"status", "skipped"}, {"reason", "oneDNN 2.6 has no " + model}};
    }
    if (prepares && found->second.layer.factors == Factors::kBfloat16) {
      return {{"case", id}, {"status", "skipped"}, {"reason", "oneDNN's layers here are float32"}};
    }
    request["case"] = found->second.id();
    Json reply = server_.answer(request.dump());
    if (reply.contains("case")) reply["case"] = id;
    if (prepares) {
      reply["version"] = onednn_version();
      reply["variant"] = "batch_first";
    }
    return reply;
  }

 private:
  std::map<std::string, Case> cases_;  // seqbench's, by oneDNN's id
  LayerServer server_;
};

int serve_onednn(const std::vector<std::string>& arguments) {
  CommandLine line("", "[options of a grid]", "oneDNN's layers for scripts/peers.", "");
  add_grid_options(line, "512");
  add_timing_options(line);
  if (!line.parse(arguments)) return 0;
  line.refuse_passed_on();
  const Grid grid = parse_grid(line);
  OnednnServer server(expand_cases(grid), parse_timing_options(line));
  for (std::string request; std::getline(std::cin, request);) {
    std::cout << server.answer(request).dump(-1, ' ', false, Json::error_handler_t::replace)
              << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace seqbench

int main(int count, char** values) {
  seqbench::flush_subnormals_to_zero();
  try {
    seqbench::usable_cpus();  // before any thread is pinned
    return seqbench::serve_onednn({values + 1, values + count});
  } catch (const seqbench::UsageError& error) {
    std::cerr << "peer_onednn: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "peer_onednn: " << error.what() << '\n';
    return 1;
  }
}
