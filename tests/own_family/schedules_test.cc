// Succeeds if the family linked in has exactly the schedules named by the arguments. Needs no GPU.
#include <cstdio>
#include <string>
#include <vector>

#include "machete/machete.h"

int main(int argc, char** argv) {
  using machete::DataType;
  machete::ProblemDesc desc;
  desc.types = {DataType::kBF16, DataType::kU4B8, DataType::kBF16, DataType::kVoid,
                DataType::kVoid, DataType::kVoid, DataType::kBF16, DataType::kF32};
  desc.n = 4096;
  desc.k = 4096;
  desc.group_size = 128;

  std::vector<const char*> names(machete::supported_schedules(desc, nullptr, 0));
  machete::supported_schedules(desc, names.data(), static_cast<int>(names.size()));
  for (const char* name : names) std::printf("%s\n", name);
  const std::vector<std::string> found(names.begin(), names.end());
  return found == std::vector<std::string>(argv + 1, argv + argc) ? 0 : 1;
}
