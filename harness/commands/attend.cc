#include "harness/commands/attend.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>
#include <tuple>

#include "harness/attention_maps/attention_report.h"
#include "harness/attention_maps/interventions.h"
#include "harness/attention_maps/sentence.h"
#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/base/progress.h"
#include "harness/files/csv.h"
#include "harness/files/run_directory.h"
#include "harness/tasks/task.h"
#include "harness/training/model_file.h"
#include "harness/training/side_by_side.h"
#include "harness/training/training.h"
#include "harness/training/training_cost.h"
#include "harness/training/training_settings.h"

namespace seqbench {

const std::vector<std::string> kAttentionColumns = {
    "run_id",        "sentence", "seed",   "layers",      "learning_rate", "weight_decay",
    "mlp_expansion", "layer",    "head",   "query_index", "query_token",   "key_index",
    "key_token",     "score",    "weight", "answer"};

const std::vector<std::string> kInterventionColumns = {"run_id",
                                                       "task",
                                                       "setup",
                                                       "seed",
                                                       "layers",
                                                       "heads",
                                                       "distance",
                                                       "learning_rate",
                                                       "weight_decay",
                                                       "mlp_expansion",
                                                       "sentences",
                                                       "hidden",
                                                       "key_index",
                                                       "hidden_from",
                                                       "accuracy",
                                                       "noun_weight",
                                                       "other_noun_weight",
                                                       "largest_share",
                                                       "outweighs_share"};

namespace {

constexpr const char* kAttentionFile = "attention.csv";
constexpr const char* kInterventionFile = "interventions.csv";
constexpr const char* kAttendingModel = "attention";  // of those that are trained here
constexpr const char* kDefaultSentence =
    "The animal didn't cross the street because it was too tired";

void add_options(CommandLine& line) {
  line.option("sentence", kDefaultSentence, "one sentence or several with ; between them");
  line.option("model-file", "",
              "models that recall --save-models wrote, comma list (default: train them)");
  line.option("seeds", "1", "models to train of each kind, with seeds counted up");
  line.option("seed", "1", "first seed");
  line.option(
      "layers", "",
      "layers of the models to train, comma list (default: the task's; 2,1 for coreference)");
  line.option("steps", "", "training steps (default: the task's)");
  line.option("learning-rate", "", "peak learning rates, comma list (default: the task's)");
  line.option("weight-decay", "", "weight decays, comma list (default: the task's)");
  line.option("mlp", "",
              "hidden widths of the blocks' MLP ÷ width, comma list; 0: no MLP "
              "(default: the task's)");
  line.option("explain", "", "word whose Q, K, V, scores and weights are printed");
  line.option("test-sentences", "500", "sentences behind interventions.csv");
  line.option("threads", "", "trainings side by side (default: all CPUs)");
  line.option("config", "", "file of further options, one name=value a line");
  add_output_options(line);
  line.flag("no-progress", "no progress line on stderr");
}

std::vector<Sentence> sentences_of(const CommandLine& line) {
  std::vector<Sentence> sentences;
  for (const std::string& part : split(line.text("sentence"), ';')) {
    const std::size_t begin = part.find_first_not_of(' ');
    if (begin == std::string::npos) continue;
    Sentence sentence = parse_sentence(part.substr(begin));
    if (std::ranges::find(sentences, sentence.text, &Sentence::text) != sentences.end()) continue;
    sentences.push_back(std::move(sentence));
  }
  if (sentences.empty()) refuse_option("sentence", "", "a sentence");
  return sentences;
}

/// A model to train, or one from a file.
struct Source {
  TrainingSettings settings;
  std::shared_ptr<TensorFile> file;  // null: to be trained
};

/// Whether a model has weights to watch and reads whole sentences.
bool attends(const TrainingSettings& settings) {
  return !model_info(settings.model).watched_kernel.empty() && !settings.task->causal;
}

/// A file's model. Throws UsageError when it cannot be read, or is none that attends.
Source source_in(const std::string& path) {
  try {
    auto file = std::make_shared<TensorFile>(read_safetensors(path));
    const TrainingSettings settings = model_settings(*file);
    SequenceModel<float> model(model_spec(settings));
    load_parameters(*file, model);
    if (!attends(settings)) {
      throw FileError(path + ": holds model " + settings.model + " of task " + settings.task->name +
                      ", set-up " + settings.task->setup +
                      "; expected attention in set-up encoder");
    }
    return {settings, file};
  } catch (const FileError& error) {
    throw UsageError("--model-file: " + std::string(error.what()));
  }
}

/// A file's model reads sentences of all distances that it was trained at; one to be trained is for
/// sentences of its own.
bool reads(const Source& source, const Sentence& sentence) {
  if (source.settings.task != sentence.task) return false;
  if (!source.file) return source.settings.distance == sentence.distance;
  const auto trained = source.settings.trained_distances();
  return std::ranges::find(trained, sentence.distance) != trained.end();
}

/// What models have in common that differ in their seed alone.
using Kind = std::tuple<const Task*, Index, Index, Index, double, double>;
Kind kind_of(const TrainingSettings& settings) {
  return {settings.task,          settings.distance,
          settings.form.layers,   settings.form.mlp_expansion,
          settings.learning_rate, settings.used_weight_decay()};
}

/// Whether nothing tells the rows of two models apart.
bool same_rows(const Source& one, const Source& other) {
  const auto identity = [](const TrainingSettings& settings) {
    return std::tuple(settings.task, settings.form.layers, settings.form.mlp_expansion,
                      settings.distance, settings.seed);
  };
  return identity(one.settings) == identity(other.settings);
}

std::vector<Source> loaded_sources(const CommandLine& line,
                                   const std::vector<Sentence>& sentences) {
  for (const std::string option :
       {"seeds", "seed", "layers", "steps", "learning-rate", "weight-decay", "mlp"}) {
    if (line.given(option)) {
      throw UsageError("--" + option +
                       ": is for models to be trained; --model-file gives trained ones");
    }
  }
  std::vector<Source> sources;
  for (const std::string& path : split(line.text("model-file"), ',')) {
    Source source = source_in(path);
    if (std::ranges::any_of(sources,
                            [&](const Source& other) { return same_rows(other, source); })) {
      refuse_option("model-file", path,
                    "models that differ in task, layers, MLP, distance or seed, by which rows are "
                    "told apart");
    }
    sources.push_back(std::move(source));
  }
  for (const Sentence& sentence : sentences) {
    if (std::ranges::any_of(sources, [&](const Source& s) { return reads(s, sentence); })) continue;
    throw UsageError("--model-file: no model for '" + sentence.text + "'; expected one of task " +
                     sentence.task->name + ", set-up encoder, with " +
                     std::to_string(sentence.distance) + " filler words");
  }
  return sources;
}

/// A copy of `settings` for each of the given values, which `set` puts in place; nothing given: as
/// they are.
template <typename Value, typename Set>
std::vector<TrainingSettings> with_each(const std::vector<TrainingSettings>& settings,
                                        const std::vector<Value>& values, const Set& set) {
  if (values.empty()) return settings;
  std::vector<TrainingSettings> all;
  for (const TrainingSettings& one : settings) {
    for (const Value& value : values) {
      all.push_back(one);
      set(all.back(), value);
    }
  }
  return all;
}

std::vector<Source> sources_to_train(const CommandLine& line,
                                     const std::vector<Sentence>& sentences) {
  const Index first_seed = line.integer("seed", 0);
  std::vector<Index> seeds(std::size_t(line.integer("seeds", 1, 10000)));
  std::iota(seeds.begin(), seeds.end(), first_seed);
  const auto given = [&line](const std::string& option, const auto& read) {
    using Values = decltype(read(option));
    return line.given(option) ? read(option) : Values{};
  };
  const auto decays = given("weight-decay", [&](const auto& o) { return line.numbers(o, 0, 1e3); });
  const auto widths = given("mlp", [&](const auto& o) { return line.integers(o, 0, 64); });
  const auto rates =
      given("learning-rate", [&](const auto& o) { return line.numbers(o, 1e-12, 1e3); });
  const auto depths = given("layers", [&](const auto& o) { return line.integers(o, 1, 100); });
  std::vector<Source> sources;
  for (const Sentence& sentence : sentences) {
    if (std::ranges::any_of(sources, [&](const Source& s) { return reads(s, sentence); })) continue;
    const TaskDefaults& defaults = sentence.task->defaults;
    TrainingSettings settings = default_training(*sentence.task, nullptr, kAttendingModel);
    settings.variant = *find_variant(kAttendingModel, "learned");
    settings.distance = sentence.distance;
    settings.mixture = defaults.attended_mixture;
    if (auto& mixture = settings.mixture;
        !mixture.empty() && std::ranges::find(mixture, sentence.distance) == mixture.end()) {
      mixture.insert(std::ranges::upper_bound(mixture, sentence.distance), sentence.distance);
    }
    if (line.given("steps")) settings.training_steps = line.integer("steps");
    settings.batch = defaults.batch;
    settings.form.dropout = defaults.attended_dropout;
    settings.measure_gradients = false;
    std::vector<Index> layers = depths;
    if (layers.empty() && settings.form.layers > 1) layers = {settings.form.layers, 1};  // contrast

    std::vector<TrainingSettings> all = {settings};
    all = with_each(all, decays, [](TrainingSettings& s, double decay) { s.weight_decay = decay; });
    all = with_each(all, widths, [](TrainingSettings& s, Index w) { s.form.mlp_expansion = w; });
    all = with_each(all, rates, [](TrainingSettings& s, double rate) { s.learning_rate = rate; });
    all = with_each(all, layers, [](TrainingSettings& s, Index depth) { s.form.layers = depth; });
    all = with_each(all, seeds, [](TrainingSettings& s, Index seed) { s.seed = seed; });
    for (TrainingSettings& one : all) sources.push_back({std::move(one), nullptr});
  }
  return sources;
}

/// A model whose attention is watched.
struct WatchedModel {
  AttentionWatch watch;
  std::unique_ptr<SequenceModel<float>> model;
};

/// Nothing when training was stopped.
std::unique_ptr<WatchedModel> watched_model(const Source& source, const KeepGoing& keep_going) {
  auto watched = std::make_unique<WatchedModel>();
  SequenceModelSpec spec = model_spec(source.settings);
  spec.watch = &watched->watch;
  watched->model = std::make_unique<SequenceModel<float>>(spec);
  if (source.file) {
    load_parameters(*source.file, *watched->model);
    return watched;
  }
  const auto result = train(source.settings, keep_going);
  if (!result) return nullptr;
  copy_parameters(*result->model, *watched->model);
  return watched;
}

AttentionReading read_sentence(const Source& source, const Sentence& sentence,
                               WatchedModel& watched) {
  watched.model->reserve(sentence.batch.shape, 1, 1);
  watched.model->forward(ThreadTeam(1), sentence.batch, Keep::kNothing);
  AttentionReading reading{.sentence = &sentence,
                           .seed = source.settings.seed,
                           .layers = source.settings.form.layers,
                           .heads = source.settings.form.heads,
                           .maps = std::move(watched.watch.maps),
                           .answer = answer_word(*sentence.task, watched.model->answers().front()),
                           .right = watched.model->right().front()};
  watched.watch = {};
  return reading;
}

/// The cells that tell how a model was trained, beside its seed. A file does not say at which rate
/// and decay.
CsvRow training_row(const Source& source) {
  const TrainingSettings& settings = source.settings;
  CsvRow row = {{"seed", settings.seed},
                {"layers", settings.form.layers},
                {"mlp_expansion", settings.form.mlp_expansion}};
  if (source.file) return row;
  row["learning_rate"] = settings.learning_rate;
  row["weight_decay"] = settings.used_weight_decay();
  return row;
}

std::vector<CsvRow> attention_rows(const Source& source, const AttentionReading& reading,
                                   const std::string& run_id) {
  const auto& words = reading.sentence->words;
  std::vector<CsvRow> rows;
  for (Index layer = 0; layer < reading.layers; ++layer) {
    for (Index head = 0; head < reading.heads; ++head) {
      const AttentionMap& map = reading.map(layer, head);
      for (std::size_t i = 0; i < words.size(); ++i) {
        for (std::size_t j = 0; j < words.size(); ++j) {
          CsvRow row = training_row(source);
          row.insert({{"run_id", run_id},
                      {"sentence", reading.sentence->text},
                      {"layer", layer + 1},
                      {"head", head + 1},
                      {"query_index", Index(i)},
                      {"query_token", words[i]},
                      {"key_index", Index(j)},
                      {"key_token", words[j]},
                      {"score", map.scores.matrix()(Index(i), Index(j))},
                      {"weight", map.weights.matrix()(Index(i), Index(j))},
                      {"answer", reading.answer}});
          rows.push_back(std::move(row));
        }
      }
    }
  }
  return rows;
}

/// The cells of interventions.csv that tell which model a row is of.
CsvRow model_row(const Source& source) {
  const TrainingSettings& settings = source.settings;
  CsvRow row = training_row(source);
  row.insert({{"task", settings.task->name},
              {"setup", settings.task->setup},
              {"heads", settings.form.heads},
              {"distance", settings.distance}});
  return row;
}

std::vector<CsvRow> intervention_rows(const Source& source, const InterventionResult& result,
                                      const std::string& run_id) {
  std::vector<CsvRow> rows;
  for (const Intervention& intervention : result.interventions) {
    CsvRow row = model_row(source);
    row["run_id"] = run_id;
    row["sentences"] = result.sentences;
    row["hidden"] = intervention.hidden;
    if (intervention.key_index) row["key_index"] = *intervention.key_index;
    row["hidden_from"] = intervention.hidden_from;
    row["accuracy"] = intervention.accuracy;
    if (rows.empty()) {  // nothing hidden
      row["noun_weight"] = result.weights.noun_weight;
      row["other_noun_weight"] = result.weights.other_noun_weight;
      row["largest_share"] = result.weights.largest_share;
      row["outweighs_share"] = result.weights.outweighs_share;
    }
    rows.push_back(row);
  }
  return rows;
}

/// The two files. A model's rows in interventions.csv, written last, mean that it is finished.
class AttendTables {
 public:
  explicit AttendTables(const RunDirectory& directory)
      : attention_path_(directory.file(kAttentionFile)),
        attention_(attention_path_, kAttentionColumns),
        interventions_(directory.file(kInterventionFile), kInterventionColumns) {
    for (const auto& row : read_csv(directory.file(kInterventionFile))) {
      finished_.insert(identity(row));
    }
    for (const auto& row : read_csv(attention_path_)) read_.insert(reading_identity(row));
  }

  bool holds(const Source& source) const {
    return finished_.contains(identity(as_text(model_row(source), kInterventionColumns)));
  }

  void write(const std::vector<std::vector<CsvRow>>& readings,
             const std::vector<CsvRow>& interventions) {
    for (const auto& rows : readings) {
      // There already: a killed run wrote it and not yet the model's last rows.
      if (read_.contains(reading_identity(as_text(rows.front(), kAttentionColumns)))) continue;
      attention_.append(rows);
    }
    interventions_.append(interventions);
  }

 private:
  using Identity = std::vector<std::string>;
  static Identity identity(const CsvTable::value_type& row) {
    return with_training({row.at("task"), row.at("setup"), row.at("distance")}, row);
  }
  static Identity reading_identity(const CsvTable::value_type& row) {
    return with_training({row.at("sentence")}, row);
  }
  static Identity with_training(Identity identity, const CsvTable::value_type& row) {
    for (const char* column : {"seed", "layers", "learning_rate", "weight_decay", "mlp_expansion"})
      identity.push_back(row.at(column));
    return identity;
  }

  std::filesystem::path attention_path_;
  CsvWriter attention_, interventions_;
  std::set<Identity> finished_, read_;
};

/// What is known of one model when it has read its sentences.
struct Outcome {
  const Source* source = nullptr;
  std::vector<AttentionReading> readings;
  InterventionResult interventions;
};

/// Models side by side; their rows are written as they finish. In the order of `sources`.
std::vector<Outcome> attend_all(const std::vector<Source>& sources,
                                const std::vector<Sentence>& sentences, const CommandLine& line,
                                AttendTables& tables, const std::string& run_id) {
  double total = 0, done = 0;  // FLOPs of training
  for (const Source& source : sources)
    total += source.file ? 0 : training_cost(source.settings).flops;
  Progress progress(total, !line.flag_given("no-progress"));
  const Index test_sentences = line.integer("test-sentences");
  std::vector<Outcome> outcomes(sources.size());
  std::mutex mutex;  // guards `outcomes`, `done`, `tables` and `progress`
  SideBySide jobs;

  const auto attend_one = [&](Index k) {
    const Source& source = sources[std::size_t(k)];
    const double flops = source.file ? 0 : training_cost(source.settings).flops;
    double credited = 0;
    const auto keep_going = [&](const TrainingResult& so_far) {
      const std::lock_guard lock(mutex);
      const double now =
          flops * double(so_far.steps_taken) / double(source.settings.training_steps);
      done += now - credited;
      credited = now;
      progress.update(done, "training " + std::to_string(source.settings.form.layers) +
                                " layers, seed " + std::to_string(source.settings.seed));
      return !jobs.stopped();
    };
    const auto watched = watched_model(source, keep_going);
    if (!watched) return;
    Outcome outcome{.source = &source, .readings = {}, .interventions = {}};
    std::vector<std::vector<CsvRow>> rows;
    for (const Sentence& sentence : sentences) {
      if (!reads(source, sentence)) continue;
      outcome.readings.push_back(read_sentence(source, sentence, *watched));
      rows.push_back(attention_rows(source, outcome.readings.back(), run_id));
    }
    outcome.interventions =
        intervene(source.settings, test_sentences, *watched->model, watched->watch);
    const std::lock_guard lock(mutex);
    tables.write(rows, intervention_rows(source, outcome.interventions, run_id));
    outcomes[std::size_t(k)] = std::move(outcome);
  };
  const auto workers =
      std::clamp<Index>(static_cast<Index>(sources.size()), 1, jobs_at_a_time(line));
  jobs.run(static_cast<Index>(sources.size()), workers, attend_one);
  return outcomes;
}

/// The first model of each kind shows its maps, the others their answers; where rates, decays or
/// MLPs are compared, all of them what their weights are worth.
void print_outcomes(const std::vector<Outcome>& outcomes, const CommandLine& line,
                    const std::string& word) {
  const bool compares =
      line.given("learning-rate") || line.given("weight-decay") || line.given("mlp");
  std::map<Kind, std::vector<InterventionResult>> results;
  std::vector<const TrainingSettings*> kinds;
  for (const Outcome& outcome : outcomes) {
    const TrainingSettings& settings = outcome.source->settings;
    const bool is_first = !results.contains(kind_of(settings));
    if (is_first) kinds.push_back(&settings);
    results[kind_of(settings)].push_back(outcome.interventions);
    for (const AttentionReading& reading : outcome.readings) {
      if (compares) continue;
      print_answer(reading);
      if (is_first) print_maps(reading);
      if (is_first && !word.empty()) print_explanation(reading, word);
    }
  }
  for (const TrainingSettings* settings : kinds) {
    if (compares) {
      const auto [task, distance, layers, mlp, rate, decay] = kind_of(*settings);
      std::printf("\nlearning rate %g, weight decay %g, MLP × %td:", rate, decay, mlp);
    }
    print_interventions(*settings->task, settings->form.layers, results.at(kind_of(*settings)));
  }
}

}  // namespace

int attend_command(const std::vector<std::string>& arguments) {
  CommandLine line(
      "attend", "[options]",
      "Where the attention of a small model lies in a sentence, and what hiding a word costs.\n"
      "Sentences: the N1 didn't V the N2 FILLER because it was too ADJ (what is \"it\"?)\n"
      "           the N1 V on the N2 FILLER (which verb? the model does not see it)",
      "  seqbench attend --sentence \"The animal didn't cross the street because it was too "
      "wide\"\n"
      "  seqbench attend --sentence \"The cat sat on the mat\" --seeds 5 --out results/sat\n"
      "  seqbench attend --explain it --layers 1,2\n"
      "  seqbench recall --task coreference --setup encoder --model attention --distance 0 \\\n"
      "    --seeds 1 --save-models --out results/small\n"
      "  seqbench attend --model-file results/small/models/"
      "coreference-encoder-attention-learned-layers2-distance0-seed1.safetensors\n");
  add_options(line);
  if (!line.parse(arguments)) return 0;
  line.refuse_passed_on();
  const std::vector<Sentence> sentences = sentences_of(line);
  const std::string word = line.text("explain");
  if (!word.empty()) check_word(sentences, word);
  line.integer("test-sentences");
  jobs_at_a_time(line);
  std::vector<Source> sources = line.given("model-file") ? loaded_sources(line, sentences)
                                                         : sources_to_train(line, sentences);

  RunDirectory directory(line, {kAttentionFile, kInterventionFile});
  directory.refuse_other_options("attend", line, {"attend"});
  AttendTables tables(directory);
  std::erase_if(sources, [&](const Source& source) { return tables.holds(source); });
  directory.record_command("attend", line);
  print_outcomes(attend_all(sources, sentences, line, tables, directory.run_id()), line, word);
  directory.record_end(0);
  std::printf("\n%s\n", directory.path().c_str());
  return 0;
}

}  // namespace seqbench
