// A trained model of a recall task as a .safetensors file: its parameters, and as metadata the
// settings of its training, which tell what model they belong to.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "harness/files/safetensors.h"
#include "harness/training/training_settings.h"

namespace seqbench {

/// "coreference-encoder-attention-learned-distance0-seed1.safetensors".
std::string model_file_name(const TrainingSettings& settings);

/// A form as metadata: its fields by their names.
std::map<std::string, std::string> form_metadata(const ModelForm& form);

/// Writes the file, over one of that name. Throws FileError.
void write_model(const std::filesystem::path& path, const TrainingSettings& settings,
                 SequenceModel<float>& model);

/// The training that a file's model comes from; steps and batch are not kept. Throws FileError that
/// names what is missing or wrong: a task, model, variant or size that does not exist, a task whose
/// tokens have changed since, or metadata that write_model() does not write.
TrainingSettings model_settings(const TensorFile& file);

/// Gives the model, made for model_settings(), the file's parameters. Throws FileError when one is
/// missing or of another shape, or when the file has a tensor besides.
void load_parameters(const TensorFile& file, SequenceModel<float>& model);

}  // namespace seqbench
