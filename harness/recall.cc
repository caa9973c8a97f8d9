#include "harness/recall.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <map>
#include <mutex>
#include <set>

#include "harness/command_line.h"
#include "harness/csv.h"
#include "harness/errors.h"
#include "harness/interrupt.h"
#include "harness/machine.h"
#include "harness/progress.h"
#include "harness/registry.h"
#include "harness/run_directory.h"
#include "harness/statistics.h"
#include "harness/training.h"

namespace seqbench {

const std::vector<std::string> kRecallColumns = {
    "run_id",   "task",           "setup",          "regime",        "model",
    "variant",  "train_distance", "distance",       "seq_len",       "width",
    "layers",   "heads",          "parameters",     "seed",          "learning_rate",
    "batch",    "steps",          "steps_to_solve", "train_seconds", "seconds_to_solve",
    "accuracy", "pair_accuracy",  "chance",         "loss",          "baseline_loss",
    "solved",   "status",         "reason"};

const std::vector<std::string> kLearningColumns = {
    "run_id",         "task", "setup", "regime",  "model", "variant",
    "train_distance", "seed", "step",  "seconds", "loss",  "accuracy"};

const std::vector<std::string> kGradientColumns = {
    "run_id", "model",         "variant",       "stage",
    "seed",   "distance",      "gradient_norm", "relative_gradient_norm",
    "task",   "train_distance"};

namespace {

constexpr const char* kRecallFile = "recall.csv";
constexpr const char* kLearningFile = "learning.csv";
constexpr const char* kGradientFile = "gradient.csv";

// One model per distance; the other regime, mixed distances, is not there yet.
constexpr const char* kRegime = "single";

void add_options(CommandLine& line) {
  line.option("task", "first_token", "tasks, comma list");
  line.option("model", "all", "models, comma list");
  line.option("variant", "", "variants, each for the models that have it (default: the task's)");
  line.option("distance", "", "the task's distances, comma list (default: the task's)");
  line.option("pairs", "", "key-value pairs, for tasks that have them");
  line.option("seeds", "", "trainings of each kind, with seeds counted up (default: the task's)");
  line.option("seed", "1", "first seed");
  line.option("steps", "", "training steps (default: the task's)");
  line.option("batch", "", "sequences a step (default: the task's)");
  line.option("width", "", "width of embedding and layers (default: the task's)");
  line.option("layers", "", "recurrent layers or attention blocks (default: the task's)");
  line.option("heads", "", "heads of attention (default: the task's)");
  line.option("learning-rate", "", "peak learning rate (default: the task's for each model)");
  line.option("threads", "", "trainings side by side (default: all CPUs)");
  line.option("config", "", "file of further options, one name=value a line");
  add_output_options(line);
  line.flag("no-progress", "no progress line on the terminal");
}

Index integer_or(const CommandLine& line, const std::string& name, Index fallback) {
  return line.given(name) ? line.integer(name) : fallback;
}

void check_heads(const CommandLine& line, const TrainingSettings& settings) {
  if (settings.width % settings.heads == 0) return;
  const std::string option = line.given("heads") ? "heads" : "width";
  throw UsageError("--" + option + ": '" + line.text(option) +
                   "' is not allowed; expected a width (" + std::to_string(settings.width) +
                   ") divisible by attention's heads (" + std::to_string(settings.heads) + ")");
}

/// All trainings of one task that the options ask for.
std::vector<TrainingSettings> trainings_of(const Task& task, const CommandLine& line) {
  if (line.given("pairs")) {
    throw UsageError("--pairs: '" + line.text("pairs") + "' is not allowed; task " + task.name +
                     " has no pairs");
  }
  const TaskDefaults& defaults = task.defaults;
  const auto distances =
      line.given("distance") ? line.integers("distance", task.min_distance) : defaults.distances;
  const auto variants =
      line.given("variant") ? line.names("variant", variant_names()) : defaults.variants;
  const Index first_seed = line.integer("seed", 0);
  const Index seeds = line.given("seeds") ? line.integer("seeds", 1, 10000) : defaults.seeds;
  const Index longest = *std::ranges::max_element(distances);

  std::vector<TrainingSettings> trainings;
  for (const std::string& model : line.names("model", model_names())) {
    for (const std::string& name : variants) {
      const Variant* variant = find_variant(model, name);
      if (variant == nullptr) continue;
      for (const Index distance : distances) {
        for (Index seed = first_seed; seed < first_seed + seeds; ++seed) {
          TrainingSettings settings;
          settings.task = &task;
          settings.model = model;
          settings.variant = *variant;
          settings.distance = distance;
          settings.seed = seed;
          settings.steps = integer_or(line, "steps", defaults.steps);
          settings.batch = integer_or(line, "batch", defaults.batch);
          settings.width = integer_or(line, "width", defaults.width);
          settings.layers = integer_or(line, "layers", defaults.layers.at(model));
          settings.heads = integer_or(line, "heads", defaults.heads);
          settings.learning_rate = line.given("learning-rate")
                                       ? line.number("learning-rate", 1e-12, 1e3)
                                       : defaults.learning_rate.at(model);
          // gradient.csv has one curve for a model, variant and seed: that of the longest distance.
          settings.measure_gradients = distance == longest;
          if (!model_info(model).is_recurrent()) check_heads(line, settings);
          trainings.push_back(settings);
        }
      }
    }
  }
  return trainings;
}

std::vector<TrainingSettings> requested_trainings(const CommandLine& line) {
  std::vector<TrainingSettings> trainings;
  for (const std::string& name : line.names("task", task_names())) {
    const auto of_task = trainings_of(task_by_name(name), line);
    trainings.insert(trainings.end(), of_task.begin(), of_task.end());
  }
  if (trainings.empty()) {
    throw UsageError("--variant: '" + line.text("variant") +
                     "' is not allowed; expected one that " + line.text("model") + " has");
  }
  return trainings;
}

std::string label(const TrainingSettings& settings) {
  return settings.task->name + " " + settings.model + " " + settings.variant.name + " distance " +
         std::to_string(settings.distance) + " seed " + std::to_string(settings.seed);
}

/// The cells that all three files share.
CsvRow identity_row(const TrainingSettings& settings, const std::string& run_id) {
  return {{"run_id", run_id},
          {"task", settings.task->name},
          {"setup", settings.task->setup},
          {"regime", kRegime},
          {"model", settings.model},
          {"variant", settings.variant.name},
          {"train_distance", settings.distance},
          {"seed", settings.seed}};
}

CsvRow recall_row(const TrainingSettings& settings, const std::string& run_id) {
  CsvRow row = identity_row(settings, run_id);
  row["distance"] = settings.distance;
  row["seq_len"] = settings.seq_len();
  row["width"] = settings.width;
  row["layers"] = settings.layers;
  if (!model_info(settings.model).is_recurrent()) row["heads"] = settings.heads;
  row["learning_rate"] = settings.learning_rate;
  row["batch"] = settings.batch;
  row["steps"] = settings.steps;
  row["chance"] = settings.task->chance;
  row["baseline_loss"] = settings.task->baseline_loss;
  return row;
}

CsvRow unfinished_row(const TrainingSettings& settings, const std::string& run_id,
                      const std::string& status, const std::string& reason) {
  CsvRow row = recall_row(settings, run_id);
  row["status"] = status;
  row["reason"] = reason;
  return row;
}

CsvRow finished_row(const TrainingSettings& settings, const TrainingResult& result,
                    const std::string& run_id) {
  CsvRow row = recall_row(settings, run_id);
  row["parameters"] = result.parameters;
  row["train_seconds"] = result.train_seconds;
  if (result.steps_to_solve) {
    row["steps_to_solve"] = *result.steps_to_solve;
    row["seconds_to_solve"] = *result.seconds_to_solve;
  }
  row["accuracy"] = result.accuracy;
  row["loss"] = result.loss;
  row["solved"] = result.solved(*settings.task);
  row["status"] = result.failure.empty() ? "ok" : "failed";
  row["reason"] = result.failure;
  return row;
}

std::vector<CsvRow> learning_rows(const TrainingSettings& settings, const TrainingResult& result,
                                  const std::string& run_id) {
  std::vector<CsvRow> rows;
  for (const LearningPoint& point : result.learning) {
    CsvRow row = identity_row(settings, run_id);
    row["step"] = point.step;
    row["seconds"] = point.seconds;
    row["loss"] = point.loss;
    row["accuracy"] = point.accuracy;
    rows.push_back(row);
  }
  return rows;
}

std::vector<CsvRow> gradient_rows(const TrainingSettings& settings, const TrainingResult& result,
                                  const std::string& run_id) {
  std::vector<CsvRow> rows;
  const auto add_stage = [&](const char* stage, const std::vector<GradientPoint>& points) {
    for (const GradientPoint& point : points) {
      CsvRow row = identity_row(settings, run_id);
      row.erase("setup");
      row.erase("regime");
      row["stage"] = stage;
      row["distance"] = point.distance;
      row["gradient_norm"] = point.norm;
      row["relative_gradient_norm"] = point.norm / points.front().norm;
      rows.push_back(row);
    }
  };
  add_stage("init", result.initial_gradients);
  add_stage("trained", result.trained_gradients);
  return rows;
}

/// A training's identity: the columns that tell its rows from those of any other.
using Identity = std::vector<std::string>;

Identity identity_of(const std::map<std::string, std::string>& row) {
  return {row.at("task"), row.at("model"), row.at("variant"), row.at("train_distance"),
          row.at("seed")};
}

Identity identity_of(const TrainingSettings& settings) {
  return {settings.task->name, settings.model, settings.variant.name,
          std::to_string(settings.distance), std::to_string(settings.seed)};
}

/// Throws UsageError when a finished training differs in anything that a repeat would have to
/// share.
void check_same_settings(const TrainingSettings& settings,
                         const std::map<std::string, std::string>& row) {
  const CsvRow wanted = recall_row(settings, row.at("run_id"));
  for (const auto& [column, cell] : wanted) {
    if (row.at(column) == cell.text()) continue;
    throw UsageError("--resume: " + label(settings) + " is there with " + column + " " +
                     row.at(column) + ", now " + cell.text() +
                     " is asked for; expected the same settings, or another --out");
  }
}

/// Reads which trainings a resumed directory holds, and drops rows of any that did not finish.
std::set<Identity> keep_finished(const std::vector<TrainingSettings>& trainings,
                                 const RunDirectory& directory) {
  std::set<Identity> finished;
  const auto exists = [&](const char* name) {
    return std::filesystem::exists(directory.file(name));
  };
  if (!directory.resuming() || !exists(kRecallFile)) return finished;
  std::map<Identity, const TrainingSettings*> wanted;
  for (const TrainingSettings& settings : trainings) wanted[identity_of(settings)] = &settings;
  const CsvTable rows = read_csv(directory.file(kRecallFile));
  for (const auto& row : rows) {
    const auto match = wanted.find(identity_of(row));
    if (match != wanted.end()) check_same_settings(*match->second, row);
    finished.insert(identity_of(row));
  }
  const auto drop_unfinished = [&](const char* name, const std::vector<std::string>& columns) {
    if (!exists(name)) return;
    CsvTable table = read_csv(directory.file(name));
    std::erase_if(table, [&](const auto& row) { return !finished.contains(identity_of(row)); });
    rewrite_csv(directory.file(name), columns, table);
  };
  rewrite_csv(directory.file(kRecallFile), kRecallColumns, rows);  // without a torn last line
  drop_unfinished(kLearningFile, kLearningColumns);
  drop_unfinished(kGradientFile, kGradientColumns);
  return finished;
}

void print_header() {
  std::printf("%-12s %-10s %-9s %9s %6s %9s %9s %9s %9s  %s\n", "task", "model", "variant",
              "distance", "seed", "accuracy", "loss", "solved at", "seconds", "status");
}

void print_row(const CsvRow& row) {
  const auto text = [&row](const char* column) {
    const auto cell = row.find(column);
    return cell == row.end() || cell->second.text().empty() ? std::string("-")
                                                            : cell->second.text();
  };
  const auto number = [&](const char* column, const char* format) {
    if (text(column) == "-") return std::string("-");
    char formatted[32];
    std::snprintf(formatted, sizeof(formatted), format, std::stod(text(column)));
    return std::string(formatted);
  };
  const std::string reason = text("reason") == "-" ? "" : ": " + text("reason");
  std::printf("%-12s %-10s %-9s %9s %6s %9s %9s %9s %9s  %s%s\n", text("task").c_str(),
              text("model").c_str(), text("variant").c_str(), text("distance").c_str(),
              text("seed").c_str(), number("accuracy", "%.3f").c_str(),
              number("loss", "%.4g").c_str(), text("steps_to_solve").c_str(),
              number("train_seconds", "%.1f").c_str(), text("status").c_str(), reason.c_str());
  std::fflush(stdout);
}

/// Accuracy of every model and variant at every distance: the directory's rows, median over seeds.
void print_summary(const RunDirectory& directory, const std::vector<TrainingSettings>& trainings) {
  std::map<std::vector<std::string>, std::vector<double>> accuracies;
  for (const auto& row : read_csv(directory.file(kRecallFile))) {
    if (row.at("accuracy").empty()) continue;
    accuracies[{row.at("task"), row.at("model"), row.at("variant"), row.at("distance")}].push_back(
        std::stod(row.at("accuracy")));
  }
  std::vector<std::vector<std::string>> lines;  // task, model, variant, in the order asked for
  std::vector<Index> distances;
  for (const TrainingSettings& settings : trainings) {
    const std::vector<std::string> line = {settings.task->name, settings.model,
                                           settings.variant.name};
    if (std::ranges::find(lines, line) == lines.end()) lines.push_back(line);
    if (std::ranges::find(distances, settings.distance) == distances.end()) {
      distances.push_back(settings.distance);
    }
  }
  std::printf("\naccuracy, median over seeds, at distance\n%-33s", "");
  for (const Index distance : distances) std::printf("%9td", distance);
  for (const auto& line : lines) {
    std::printf("\n%-12s %-10s %-9s", line[0].c_str(), line[1].c_str(), line[2].c_str());
    for (const Index distance : distances) {
      auto key = line;
      key.push_back(std::to_string(distance));
      const auto found = accuracies.find(key);
      if (found == accuracies.end()) {
        std::printf("%9s", "-");
      } else {
        std::printf("%9.3f", median(found->second));
      }
    }
  }
  std::printf("\n");
}

/// Runs trainings side by side and writes their rows. Its members are shared by the workers.
class TrainingRun {
 public:
  TrainingRun(const RunDirectory& directory, bool show_progress, double total_flops)
      : run_id_(directory.run_id()),
        recall_(directory.file(kRecallFile), kRecallColumns),
        learning_(directory.file(kLearningFile), kLearningColumns),
        gradient_(directory.file(kGradientFile), kGradientColumns),
        progress_(total_flops, show_progress) {}

  /// Trains the longest first, so that no worker is left alone with a long one at the end.
  void run(std::vector<TrainingSettings> trainings, int workers) {
    std::ranges::stable_sort(trainings, std::greater<>(), [](const TrainingSettings& settings) {
      return training_cost(settings).flops;
    });
    const double memory_bytes = usable_memory_bytes() / workers;
    make_team(workers).for_each_task(static_cast<Index>(trainings.size()), [&](Index k, int) {
      if (stopped()) return;
      try {
        run_one(trainings[static_cast<std::size_t>(k)], memory_bytes);
      } catch (...) {  // no exception may leave a parallel region
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
        has_error_ = true;
      }
    });
    progress_.clear();
    if (error_) std::rethrow_exception(error_);
    stop_if_interrupted();
  }

  bool any_failed() const { return any_failed_; }

 private:
  bool stopped() const { return pending_signal() != 0 || has_error_; }

  void run_one(const TrainingSettings& settings, double memory_bytes) {
    const TrainingCost cost = training_cost(settings);
    if (cost.bytes > memory_bytes) {
      return write(
          unfinished_row(settings, run_id_, "skipped",
                         "needs " + human_bytes(cost.bytes) + " of " + human_bytes(memory_bytes) +
                             " that each of the trainings side by side may use; fewer "
                             "--threads, or a smaller --batch or --width, may help"),
          {}, {});
    }
    double credited = 0;  // of this training's FLOPs
    const auto credit = [&](double flops) {
      done_flops_ += flops - credited;
      credited = flops;
    };
    const auto result = train(settings, [&](Index steps_done) {
      credit(cost.flops * double(steps_done) / double(settings.steps));
      show_progress(settings);
      return !stopped();
    });
    if (!result) return;
    credit(cost.flops);
    write(finished_row(settings, *result, run_id_), learning_rows(settings, *result, run_id_),
          gradient_rows(settings, *result, run_id_));
  }

  void show_progress(const TrainingSettings& settings) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock.owns_lock()) progress_.update(done_flops_, label(settings));
  }

  void write(const CsvRow& row, const std::vector<CsvRow>& learning,
             const std::vector<CsvRow>& gradient) {
    const std::lock_guard lock(mutex_);
    learning_.append(learning);
    gradient_.append(gradient);
    recall_.append({row});
    any_failed_ = any_failed_ || row.at("status").text() == "failed";
    progress_.clear();
    print_row(row);
  }

  const std::string run_id_;
  std::mutex mutex_;  // guards what follows, up to the atomics
  CsvWriter recall_, learning_, gradient_;
  Progress progress_;
  bool any_failed_ = false;
  std::exception_ptr error_;
  std::atomic<bool> has_error_ = false;
  std::atomic<double> done_flops_ = 0;
};

}  // namespace

int recall_command(const std::vector<std::string>& arguments) {
  CommandLine line("recall", "[options]",
                   "Train on long-range tasks; accuracy and gradient norm against distance.",
                   "  seqbench recall --distance 8..64 --seeds 3 --out results/recall\n"
                   "  seqbench recall --model lstm --variant default,chrono --distance 128\n"
                   "  seqbench recall --variant noanswer --steps 300\n");
  add_options(line);
  if (!line.parse(arguments)) return 0;
  const std::vector<TrainingSettings> requested = requested_trainings(line);
  const Index threads = line.given("threads") ? line.integer("threads", 1, 4096)
                                              : static_cast<Index>(usable_cpus().size());
  RunDirectory directory(line, {kRecallFile, kLearningFile, kGradientFile});
  const std::set<Identity> finished = keep_finished(requested, directory);
  directory.record_command("recall", line);

  std::vector<TrainingSettings> trainings;
  double total_flops = 0;
  for (const TrainingSettings& settings : requested) {
    if (finished.contains(identity_of(settings))) continue;
    trainings.push_back(settings);
    total_flops += training_cost(settings).flops;
  }
  const Index workers = std::clamp<Index>(static_cast<Index>(trainings.size()), 1, threads);
  print_header();
  TrainingRun run(directory, !line.flag_given("no-progress"), total_flops);
  run.run(trainings, static_cast<int>(workers));
  print_summary(directory, requested);
  const int code = run.any_failed() ? 1 : 0;
  directory.record_end(code);
  std::printf("\n%s\n", directory.path().c_str());
  return code;
}

}  // namespace seqbench
