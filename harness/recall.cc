#include "harness/recall.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <map>
#include <mutex>
#include <optional>

#include "harness/command_line.h"
#include "harness/errors.h"
#include "harness/interrupt.h"
#include "harness/machine.h"
#include "harness/model_file.h"
#include "harness/progress.h"
#include "harness/recall_tables.h"
#include "harness/registry.h"
#include "harness/run_directory.h"
#include "harness/statistics.h"
#include "harness/training.h"

namespace seqbench {
namespace {

/// "first_token: sequence length; …".
std::string distance_meanings() {
  std::vector<std::string> meanings;
  for (const std::string& name : task_names()) {
    meanings.push_back(name + ": " + task_by_name(name).distance_meaning);
  }
  return join(meanings, "; ");
}

void add_options(CommandLine& line) {
  line.option("task", "first_token", "tasks, comma list");
  line.option("setup", "all", "set-ups of these tasks, comma list (" + join(setup_names()) + ")");
  line.option("model", "all", "models, comma list");
  line.option("variant", "",
              "variants, each for the models that have it (" + join(variant_names()) +
                  "; default: the task's)");
  line.option(
      "distance", "",
      "comma list, on the task's own axis (" + distance_meanings() + "; default: the task's)");
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
  line.option("memory-limit", "",
              "most memory that the trainings side by side may use together, such as 4GiB "
              "(default: three quarters of what is free)");
  line.option("config", "", "file of further options, one name=value a line");
  line.flag("save-models", "write every trained model to OUT/models/, for attend --model-file");
  add_output_options(line);
  line.flag("no-progress", "no progress line on the terminal");
}

Index integer_or(const CommandLine& line, const std::string& name, Index fallback) {
  return line.given(name) ? line.integer(name) : fallback;
}

[[noreturn]] void refuse(const std::string& option, const std::string& value,
                         const std::string& expected) {
  throw UsageError("--" + option + ": '" + value + "' is not allowed; expected " + expected);
}

void check_heads(const CommandLine& line, const TrainingSettings& settings) {
  const Index heads = settings.form.heads;
  if (settings.width % heads == 0) return;
  const std::string option = line.given("heads") ? "heads" : "width";
  refuse(option, line.text(option),
         "a width (" + std::to_string(settings.width) + ") divisible by attention's heads (" +
             std::to_string(heads) + ")");
}

/// --pairs, or 0 for the task's own rule.
Index pairs_of(const Task& task, const CommandLine& line) {
  if (!line.given("pairs")) return 0;
  if (task.pairs == nullptr) {
    refuse("pairs", line.text("pairs"), "a task with pairs, which " + task.name + " is not");
  }
  return line.integer("pairs", 2, task.most_pairs);
}

/// Those asked for, or the task's.
std::vector<Index> distances_of(const Task& task, const CommandLine& line, Index pairs) {
  if (!line.given("distance")) return task.defaults.distances;
  const auto distances = line.integers("distance", 0);
  const Index least = task.min_distance(pairs);
  for (const Index distance : distances) {
    if (distance >= least) continue;
    const std::string room = pairs > 0 ? " with " + std::to_string(pairs) + " pairs" : "";
    refuse("distance", std::to_string(distance),
           "at least " + std::to_string(least) + " (" + task.distance_meaning + ") for task " +
               task.name + room);
  }
  return distances;
}

/// The memory for all trainings side by side.
double memory_limit_bytes(const CommandLine& line) {
  if (!line.given("memory-limit")) return usable_memory_bytes();
  return std::min(usable_memory_bytes(), parse_bytes("memory-limit", line.text("memory-limit")));
}

/// All trainings of one task that the options ask for.
std::vector<TrainingSettings> trainings_of(const Task& task, const CommandLine& line) {
  const TaskDefaults& defaults = task.defaults;
  const Index pairs = pairs_of(task, line);
  const auto distances = distances_of(task, line, pairs);
  const auto variants =
      line.given("variant") ? line.names("variant", variant_names()) : defaults.variants;
  const Index first_seed = line.integer("seed", 0);
  const Index seeds = line.given("seeds") ? line.integer("seeds", 1, 10000) : defaults.seeds;
  const Index longest = *std::ranges::max_element(distances);

  std::vector<TrainingSettings> trainings;
  for (const std::string& model : line.names("model", model_names())) {
    std::vector<std::string> taken;  // two names can mean the same variant
    for (const std::string& name : variants) {
      const std::optional<Variant> variant = find_variant(model, name);
      if (!variant || std::ranges::find(taken, variant->name) != taken.end()) continue;
      taken.push_back(variant->name);
      for (const Index distance : distances) {
        for (Index seed = first_seed; seed < first_seed + seeds; ++seed) {
          TrainingSettings settings;
          settings.task = &task;
          settings.model = model;
          settings.variant = *variant;
          settings.distance = distance;
          settings.pairs = pairs;
          settings.seed = seed;
          settings.steps = integer_or(line, "steps", defaults.steps);
          settings.batch = integer_or(line, "batch", defaults.batch);
          settings.width = integer_or(line, "width", defaults.width);
          settings.form = defaults.models.at(model);
          settings.form.layers = integer_or(line, "layers", settings.form.layers);
          settings.form.heads = integer_or(line, "heads", settings.form.heads);
          if (line.given("learning-rate")) {
            settings.form.learning_rate = line.number("learning-rate", 1e-12, 1e3);
          }
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
  const auto tasks = line.names("task", task_names()), setups = line.names("setup", setup_names());
  std::vector<TrainingSettings> trainings;
  bool any_task = false;
  for (const Task& task : all_tasks()) {
    const auto asked = [](const auto& names, const std::string& name) {
      return std::ranges::find(names, name) != names.end();
    };
    if (!asked(tasks, task.name) || !asked(setups, task.setup)) continue;
    any_task = true;
    const auto of_task = trainings_of(task, line);
    trainings.insert(trainings.end(), of_task.begin(), of_task.end());
  }
  if (!any_task) refuse("setup", line.text("setup"), "one that " + line.text("task") + " has");
  if (trainings.empty()) {
    refuse("variant", line.text("variant"),
           "one that " + line.text("model") +
               " has: " + join(variant_names(line.names("model", model_names()))));
  }
  return trainings;
}

void print_header() {
  std::printf("%-12s %-8s %-10s %-16s %9s %6s %9s %9s %9s %9s  %s\n", "task", "setup", "model",
              "variant", "distance", "seed", "accuracy", "loss", "solved at", "seconds", "status");
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
  std::printf("%-12s %-8s %-10s %-16s %9s %6s %9s %9s %9s %9s  %s%s\n", text("task").c_str(),
              text("setup").c_str(), text("model").c_str(), text("variant").c_str(),
              text("distance").c_str(), text("seed").c_str(), number("accuracy", "%.3f").c_str(),
              number("loss", "%.4g").c_str(), text("steps_to_solve").c_str(),
              number("train_seconds", "%.1f").c_str(), text("status").c_str(), reason.c_str());
  std::fflush(stdout);
}

/// Accuracy of every model and variant at every distance: the directory's rows, median over seeds.
void print_summary(const RunDirectory& directory, const std::vector<TrainingSettings>& trainings) {
  std::map<std::vector<std::string>, std::vector<double>> accuracies;
  for (const auto& row : read_csv(directory.file(kRecallFile))) {
    if (row.at("accuracy").empty()) continue;
    accuracies[{row.at("task"), row.at("setup"), row.at("model"), row.at("variant"),
                row.at("distance")}]
        .push_back(std::stod(row.at("accuracy")));
  }
  std::vector<std::vector<std::string>> lines;  // task to variant, in the order asked for
  std::vector<Index> distances;
  for (const TrainingSettings& settings : trainings) {
    const std::vector<std::string> line = {settings.task->name, settings.task->setup,
                                           settings.model, settings.variant.name};
    if (std::ranges::find(lines, line) == lines.end()) lines.push_back(line);
    if (std::ranges::find(distances, settings.distance) == distances.end()) {
      distances.push_back(settings.distance);
    }
  }
  std::printf("\naccuracy, median over seeds, at distance\n%-49s", "");
  for (const Index distance : distances) std::printf("%9td", distance);
  for (const auto& line : lines) {
    std::printf("\n%-12s %-8s %-10s %-16s", line[0].c_str(), line[1].c_str(), line[2].c_str(),
                line[3].c_str());
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
  /// Models are saved into `model_folder`, unless it is empty.
  TrainingRun(RecallTables& tables, std::string run_id, std::filesystem::path model_folder,
              Progress& progress)
      : run_id_(std::move(run_id)),
        model_folder_(std::move(model_folder)),
        tables_(tables),
        progress_(progress) {}

  /// Trains the longest first, so that no worker is left alone with a long one at the end. The
  /// workers share `memory_bytes` evenly.
  void run(std::vector<TrainingSettings> trainings, int workers, double memory_bytes) {
    std::ranges::stable_sort(trainings, std::greater<>(), [](const TrainingSettings& settings) {
      return training_cost(settings).flops;
    });
    make_team(workers).for_each_task(static_cast<Index>(trainings.size()), [&](Index k, int) {
      if (stopped()) return;
      try {
        run_one(trainings[static_cast<std::size_t>(k)], memory_bytes / workers);
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

 private:
  bool stopped() const { return pending_signal() != 0 || has_error_; }

  void run_one(const TrainingSettings& settings, double memory_bytes) {
    const TrainingCost cost = training_cost(settings);
    if (cost.bytes > memory_bytes) {
      const std::string reason = "needs " + human_bytes(cost.bytes) + " of " +
                                 human_bytes(memory_bytes) +
                                 " that each of the trainings side by side may use; fewer "
                                 "--threads, or a smaller --batch or --width, may help";
      return write(settings, skipped_rows(settings, reason, run_id_));
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
    if (!model_folder_.empty()) {
      write_model(model_folder_ / model_file_name(settings), settings, *result->model);
    }
    write(settings, finished_rows(settings, *result, run_id_));
  }

  void show_progress(const TrainingSettings& settings) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock.owns_lock()) progress_.update(done_flops_, label(settings));
  }

  void write(const TrainingSettings& settings, const TrainingRows& rows) {
    const std::lock_guard lock(mutex_);
    tables_.write(settings, rows);
    progress_.clear();
    for (const CsvRow& row : rows.recall) print_row(row);
  }

  const std::string run_id_;
  const std::filesystem::path model_folder_;
  std::mutex mutex_;  // guards what follows, up to the atomics
  RecallTables& tables_;
  Progress& progress_;
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
                   "  seqbench recall --task parity --model lstm,attention\n"
                   "  seqbench recall --variant noanswer --steps 300\n");
  add_options(line);
  if (!line.parse(arguments)) return 0;
  line.refuse_passed_on();
  const std::vector<TrainingSettings> requested = requested_trainings(line);
  const Index threads = line.given("threads") ? line.integer("threads", 1, kMostThreads)
                                              : static_cast<Index>(usable_cpus().size());
  const double memory_bytes = memory_limit_bytes(line);
  RunDirectory directory(line, {kRecallFile, kLearningFile, kGradientFile, kGapFile});
  RecallTables tables(directory);

  std::vector<TrainingSettings> trainings;
  double total_flops = 0;
  for (const TrainingSettings& settings : requested) {
    if (tables.holds_finished(settings)) continue;
    trainings.push_back(settings);
    total_flops += training_cost(settings).flops;
  }
  directory.record_command("recall", line);
  const Index workers = std::clamp<Index>(static_cast<Index>(trainings.size()), 1, threads);
  Progress progress(total_flops, !line.flag_given("no-progress"));
  print_header();
  std::filesystem::path model_folder;
  if (line.flag_given("save-models")) {
    model_folder = directory.file("models");
    std::filesystem::create_directory(model_folder);
  }
  TrainingRun(tables, directory.run_id(), model_folder, progress)
      .run(trainings, static_cast<int>(workers), memory_bytes);
  print_summary(directory, requested);
  const int code = tables.any_failed() ? 1 : 0;
  directory.record_end(code);
  std::printf("\n%s\n", directory.path().c_str());
  return code;
}

}  // namespace seqbench
