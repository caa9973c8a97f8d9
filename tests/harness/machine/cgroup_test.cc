#include "harness/machine/cgroup.h"

#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;

class Cgroup : public FolderTest {
 protected:
  CgroupQuota limits_of(const std::string& membership) const {
    write("membership", membership);
    return cgroup_quota(folder_ / "membership", folder_ / "mount");
  }
};

TEST_F(Cgroup, WithoutFilesThereIsNoLimit) {
  for (const CgroupQuota& limits :
       {cgroup_quota(folder_ / "absent", folder_ / "absent"), limits_of("0::/a/b")}) {
    EXPECT_EQ(limits.cpus, HUGE_VAL);
    EXPECT_EQ(limits.memory_bytes, HUGE_VAL);
  }
}

TEST_F(Cgroup, TakesTheTightestLimitOnTheWayToTheRoot) {
  write("mount/slice/service/cpu.max", "400000 100000");
  write("mount/slice/service/memory.max", "1000");
  write("mount/slice/cpu.max", "150000 100000");
  write("mount/slice/memory.max", "max");
  write("mount/other/memory.max", "1");
  const CgroupQuota nested = limits_of("0::/slice/service");
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
  write("mount/cpu.max", "max 100000");
  write("mount/memory.max", "max");
  EXPECT_EQ(limits_of("0::/").cpus, HUGE_VAL);
  EXPECT_EQ(limits_of("0::/").memory_bytes, HUGE_VAL);
}

TEST_F(Cgroup, ReadsVersion1WithACommonOrAnOwnMount) {
  for (const std::string mount : {"mount/cpu,cpuacct", "mount/cpu"}) {
    fs::remove_all(folder_);
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
  }
}

TEST_F(Cgroup, CountsHowOftenAQuotaWasUsedUp) {
  write("membership", "0::/slice/service");
  write("mount/slice/service/cpu.stat", "usage_usec 7\nnr_periods 9\nnr_throttled 3");
  write("mount/slice/cpu.stat", "usage_usec 7\nnr_periods 9\nnr_throttled 4");
  write("mount/cpu.stat", "usage_usec 7");  // the root has no quota
  const auto files = cgroup_cpu_stat_files(folder_ / "membership", folder_ / "mount");
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(throttled_periods(files), 7);
  write("mount/slice/cpu.stat", "nr_throttled 6");
  EXPECT_EQ(throttled_periods(files), 9);
}

TEST_F(Cgroup, CountsVersion1OnceUnderBothItsNames) {
  write("membership", "4:cpu,cpuacct:/box\n3:memory:/box");
  write("mount/cpu,cpuacct/box/cpu.stat", "nr_periods 2\nnr_throttled 5\nthrottled_time 1");
  fs::create_symlink("cpu,cpuacct", folder_ / "mount/cpu");
  const auto files = cgroup_cpu_stat_files(folder_ / "membership", folder_ / "mount");
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(throttled_periods(files), 5);
}

TEST_F(Cgroup, WithoutCountsThereIsNoThrottling) {
  write("membership", "0::/");
  EXPECT_TRUE(cgroup_cpu_stat_files(folder_ / "membership", folder_ / "mount").empty());
  EXPECT_EQ(throttled_periods({}), 0);
  EXPECT_EQ(throttled_periods({folder_ / "gone"}), 0);
}

TEST_F(Cgroup, ReadsVersion2BesideVersion1) {
  write("mount/unified/box/memory.max", "3000");
  EXPECT_EQ(limits_of("1:name=systemd:/box\n0::/box").memory_bytes, 3000);
}

TEST_F(Cgroup, TakesWhatItCannotReadForNoLimit) {
  write("mount/cpu.max", "100000 0");
  write("mount/memory.max", "plenty");
  write("mount/memory/memory.limit_in_bytes", "");
  write("mount/cpu/cpu.cfs_quota_us", "100000");
  write("mount/cpu/cpu.cfs_period_us", "0");
  for (const char* membership :
       {"0::/\n1:cpu:/\n2:memory:/", "", "nonsense", "1:cpu", "0::\n::\n:"}) {
    EXPECT_EQ(limits_of(membership).cpus, HUGE_VAL) << membership;
    EXPECT_EQ(limits_of(membership).memory_bytes, HUGE_VAL) << membership;
  }
}

}  // namespace
}  // namespace seqbench
