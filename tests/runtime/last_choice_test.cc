// What a plan remembers of the heuristic's choices.
#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "machete/machete.h"

namespace machete {
namespace {

using internal::kMaxSchedules;
using internal::LastChoice;

TEST(LastChoice, KnowsNothingAtFirst) {
  const LastChoice last;
  for (const int64_t m : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{1}, INT64_MAX}) {
    EXPECT_EQ(last.find(m), -1) << m;
  }
}

TEST(LastChoice, RemembersTheLast) {
  LastChoice last;
  last.remember(16, 0);
  EXPECT_EQ(last.find(16), 0);
  EXPECT_EQ(last.find(17), -1);
  last.remember(17, kMaxSchedules - 1);
  EXPECT_EQ(last.find(17), kMaxSchedules - 1);
  EXPECT_EQ(last.find(16), -1);
}

TEST(LastChoice, RefusesNumbersThatItWouldMistake) {
  LastChoice last;
  last.remember(5, 3);
  for (const int64_t m : {int64_t{0}, int64_t{-5}, (int64_t{1} << 59) + 5, INT64_MAX, INT64_MIN}) {
    last.remember(m, 7);
    EXPECT_EQ(last.find(m), -1) << m;
    EXPECT_EQ(last.find(5), 3) << m;
  }
}

TEST(LastChoice, IsCopiedAsAValue) {
  LastChoice last;
  last.remember(5, 3);
  LastChoice copy = last;
  last.remember(6, 4);
  EXPECT_EQ(copy.find(5), 3);
  copy = last;
  EXPECT_EQ(copy.find(6), 4);
}

TEST(LastChoice, ThreadsReadWholeChoices) {
  LastChoice last;
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&last, &wrong, t] {
      for (int i = 0; i < 100000; ++i) {
        const int m = 1 + (i * (t + 3)) % 1000;
        const int found = last.find(m);
        wrong[t] += found >= 0 && found != m % kMaxSchedules;
        last.remember(m, m % kMaxSchedules);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) EXPECT_EQ(count, 0);
}

}  // namespace
}  // namespace machete
