#include "harness/machine/cgroup.h"

#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;

class Cgroup : public FolderTest {
 protected:
  void make_group(const std::string& path) const { write("mount/" + path + "/cgroup.procs", "1"); }
  CgroupQuota limits_of(const std::string& membership) const {
    write("membership", membership);
    return cgroup_quota(folder_ / "membership", folder_ / "mount");
  }
  std::vector<fs::path> stat_files() const {
    return cgroup_cpu_stat_files(folder_ / "membership", folder_ / "mount").value();
  }
};

TEST_F(Cgroup, WithoutFilesNoLimitIsKnown) {
  for (const CgroupQuota& limits : {cgroup_quota(folder_ / "absent", folder_ / "absent"),
                                    limits_of("0::/a/b"), limits_of("")}) {
    EXPECT_EQ(limits.cpus, HUGE_VAL);
    EXPECT_EQ(limits.memory_bytes, HUGE_VAL);
    EXPECT_FALSE(limits.is_known);
  }
}

TEST_F(Cgroup, AnEmptyFolderInPlaceOfTheGroupsTellsNothing) {
  fs::create_directories(folder_ / "mount/cpu");
  EXPECT_FALSE(limits_of("4:cpu,cpuacct:/\n0::/").is_known);
  EXPECT_EQ(cgroup_cpu_stat_files(folder_ / "membership", folder_ / "mount"), std::nullopt);
}

TEST_F(Cgroup, GroupsThatAreSeenAndHaveNoFilesHaveNoLimit) {
  make_group("cpu/box");
  make_group("a");
  for (const char* membership : {"4:cpu,cpuacct:/box", "0::/a/b"}) {
    EXPECT_TRUE(limits_of(membership).is_known) << membership;
    EXPECT_EQ(limits_of(membership).cpus, HUGE_VAL) << membership;
  }
}

TEST_F(Cgroup, KeepsALimitBesideOneThatItCannotRead) {
  make_group("slice");
  write("mount/cpu.max", "much 100000");
  write("mount/slice/cpu.max", "200000 100000");
  write("mount/slice/memory.max", "1000");
  EXPECT_EQ(limits_of("0::/slice").cpus, 2);
  EXPECT_EQ(limits_of("0::/slice").memory_bytes, 1000);
  EXPECT_FALSE(limits_of("0::/slice").is_known);
}

TEST_F(Cgroup, TakesTheTightestLimitOnTheWayToTheRoot) {
  make_group("slice/service");
  write("mount/slice/service/cpu.max", "400000 100000");
  write("mount/slice/service/memory.max", "1000");
  write("mount/slice/cpu.max", "150000 100000");
  write("mount/slice/memory.max", "max");
  write("mount/other/memory.max", "1");
  const CgroupQuota nested = limits_of("0::/slice/service");
  EXPECT_TRUE(nested.is_known);
  EXPECT_EQ(nested.cpus, 1.5);
  EXPECT_EQ(nested.memory_bytes, 1000);
  const CgroupQuota above = limits_of("0::/slice");
  EXPECT_EQ(above.cpus, 1.5);
  EXPECT_EQ(above.memory_bytes, HUGE_VAL);
}

TEST_F(Cgroup, SeesTheRootOfAContainerUnderAnyName) {
  write("mount/cpu.max", "200000 100000");
  write("mount/memory.max", "5000");
  for (const char* membership : {"0::/", "0::/not/visible/here", "0::/../sibling", "0::/../.."}) {
    EXPECT_EQ(limits_of(membership).cpus, 2) << membership;
    EXPECT_EQ(limits_of(membership).memory_bytes, 5000) << membership;
  }
}

TEST_F(Cgroup, TakesMaxForNoLimit) {
  make_group("");
  write("mount/cpu.max", "max 100000");
  write("mount/memory.max", "max");
  EXPECT_EQ(limits_of("0::/").cpus, HUGE_VAL);
  EXPECT_EQ(limits_of("0::/").memory_bytes, HUGE_VAL);
  EXPECT_TRUE(limits_of("0::/").is_known);
}

TEST_F(Cgroup, ReadsVersion1WithACommonOrAnOwnMount) {
  for (const std::string mount : {"mount/cpu,cpuacct", "mount/cpu"}) {
    fs::remove_all(folder_);
    write(mount + "/box/cgroup.procs", "");
    write(mount + "/box/cpu.cfs_quota_us", "-1");
    write(mount + "/box/cpu.cfs_period_us", "100000");
    const std::string membership = "5:memory:/box/deep\n4:cpu,cpuacct:/box\n0::/";
    EXPECT_EQ(limits_of(membership).cpus, HUGE_VAL);
    write(mount + "/cpu.cfs_quota_us", "300000");
    write(mount + "/cpu.cfs_period_us", "100000");
    write("mount/memory/box/memory.limit_in_bytes", "7000");
    write("mount/memory/memory.limit_in_bytes", "9223372036854771712");
    EXPECT_EQ(limits_of(membership).cpus, 3);
    EXPECT_EQ(limits_of(membership).memory_bytes, 7000);
    EXPECT_TRUE(limits_of(membership).is_known);
  }
}

TEST_F(Cgroup, CountsHowOftenAQuotaWasUsedUp) {
  write("membership", "0::/slice/service");
  make_group("slice/service");
  write("mount/slice/service/cpu.stat", "usage_usec 7\nnr_periods 9\nnr_throttled 3");
  write("mount/slice/cpu.stat", "usage_usec 7\nnr_periods 9\nnr_throttled 4");
  write("mount/cpu.stat", "usage_usec 7");  // the root has no quota
  const auto files = stat_files();
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(throttled_periods(files), 7);
  write("mount/slice/cpu.stat", "a line of words\nnr_throttled 6");
  EXPECT_EQ(throttled_periods(files), 9);
}

TEST_F(Cgroup, CountsVersion1OnceUnderBothItsNames) {
  write("membership", "4:cpu,cpuacct:/box\n3:memory:/box");
  make_group("cpu,cpuacct/box");
  write("mount/cpu,cpuacct/box/cpu.stat", "nr_periods 2\nnr_throttled 5\nthrottled_time 1");
  fs::create_symlink("cpu,cpuacct", folder_ / "mount/cpu");
  const auto files = stat_files();
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(throttled_periods(files), 5);
}

TEST_F(Cgroup, WithoutAQuotaThereIsNoThrottling) {
  write("membership", "0::/");
  make_group("");
  write("mount/cpu.stat", "usage_usec 7");
  EXPECT_TRUE(stat_files().empty());
  EXPECT_EQ(throttled_periods(stat_files()), 0);
}

TEST_F(Cgroup, ThrottlingIsNotKnownWhereItCannotBeRead) {
  const auto found = [this] {
    return cgroup_cpu_stat_files(folder_ / "membership", folder_ / "mount");
  };
  EXPECT_EQ(found(), std::nullopt);
  write("membership", "0::/");
  EXPECT_EQ(found(), std::nullopt);
  write("cpu.stat", "nr_throttled");
  for (const char* file : {"gone", "cpu.stat"}) {
    EXPECT_EQ(throttled_periods({folder_ / file}), std::nullopt) << file;
  }
}

TEST_F(Cgroup, ReadsVersion2BesideVersion1) {
  write("mount/unified/box/memory.max", "3000");
  EXPECT_EQ(limits_of("1:name=systemd:/box\n0::/box").memory_bytes, 3000);
}

TEST_F(Cgroup, TakesWhatItCannotReadForNoLimit) {
  make_group("");
  write("mount/cpu.max", "100000 0");
  write("mount/memory.max", "plenty");
  write("mount/memory/memory.limit_in_bytes", "");
  write("mount/cpu/cpu.cfs_quota_us", "100000");
  write("mount/cpu/cpu.cfs_period_us", "0");
  for (const char* membership :
       {"0::/\n1:cpu:/\n2:memory:/", "", "nonsense", "1:cpu", "0::\n::\n:"}) {
    EXPECT_EQ(limits_of(membership).cpus, HUGE_VAL) << membership;
    EXPECT_EQ(limits_of(membership).memory_bytes, HUGE_VAL) << membership;
    EXPECT_FALSE(limits_of(membership).is_known) << membership;
  }
}

TEST_F(Cgroup, KnowsNoLimitFromAnyGarbage) {
  for (const auto& [file, text] :
       {std::pair("cpu.max", ""), std::pair("cpu.max", "max"), std::pair("cpu.max", "0 100000"),
        std::pair("cpu.max", "100000 0"), std::pair("cpu.max", "-1 100000"),
        std::pair("cpu.max", "1e5x 100000"), std::pair("cpu.max", "nan 100000"),
        std::pair("memory.max", ""), std::pair("memory.max", "-5"),
        std::pair("memory.max", "12 kB"), std::pair("memory.max", "infinite")}) {
    fs::remove_all(folder_);
    make_group("");
    write(std::string("mount/") + file, text);
    EXPECT_EQ(limits_of("0::/").cpus, HUGE_VAL) << file << " " << text;
    EXPECT_EQ(limits_of("0::/").memory_bytes, HUGE_VAL) << file << " " << text;
    EXPECT_FALSE(limits_of("0::/").is_known) << file << " " << text;
  }
}

}  // namespace
}  // namespace seqbench
