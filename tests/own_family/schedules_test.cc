// Succeeds if the one family linked in is the one of catalogue.py. Needs no GPU.
#include <cstdio>
#include <cstring>

#include "machete/machete.h"

int main() {
  using machete::DataType;
  machete::ProblemDesc desc;
  desc.types = {DataType::kBF16, DataType::kU4B8, DataType::kBF16, DataType::kVoid,
                DataType::kVoid, DataType::kVoid, DataType::kBF16, DataType::kF32};
  desc.n = 4096;
  desc.k = 4096;
  desc.group_size = 128;

  const char* name = "";
  const int count = machete::supported_schedules(desc, &name, 1);
  std::printf("%d schedules, the first: %s\n", count, name);
  const bool right = count == 1 && std::strcmp(name, "128x32_1x1x1_Coop_Tma_Persistent") == 0;
  return right ? 0 : 1;
}
