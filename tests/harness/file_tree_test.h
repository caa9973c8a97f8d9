// A fixture for code that reads a system's files: a folder of this process to write such files in.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace seqbench {

class FileTreeTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(root_); }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text << '\n';
  }

  std::filesystem::path root_ =
      std::filesystem::path(testing::TempDir()) / ("seqbench-tree-" + std::to_string(::getpid()));
};

}  // namespace seqbench
