// Packs on the host: `prepack bf16|f16 u4b8|u8b128 N K GROUP_SIZE`, codes and then scales on
// standard input, the packed weights on standard output.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "machete/machete.h"

int main(int argc, char** argv) {
  using machete::DataType;
  if (argc != 6) {
    std::fprintf(stderr, "usage: prepack bf16|f16 u4b8|u8b128 N K GROUP_SIZE\n");
    return 2;
  }
  const DataType a = std::strcmp(argv[1], "bf16") == 0 ? DataType::kBF16 : DataType::kF16;
  const DataType b = std::strcmp(argv[2], "u4b8") == 0 ? DataType::kU4B8 : DataType::kU8B128;
  machete::ProblemDesc desc;
  desc.types = {a, b, a, DataType::kVoid, DataType::kVoid, DataType::kVoid, a, DataType::kF32};
  desc.n = std::atoll(argv[3]);
  desc.k = std::atoll(argv[4]);
  desc.group_size = std::atoll(argv[5]);
  const size_t size = machete::prepacked_size(desc);
  if (size == 0) {
    std::fprintf(stderr, "%s\n", machete::can_implement(desc).message());
    return 1;
  }
  std::vector<uint8_t> codes(desc.n * desc.k * machete::info(b).bits / 8);
  std::vector<uint16_t> scales(desc.n * (desc.k / desc.group_size));
  if (std::fread(codes.data(), 1, codes.size(), stdin) != codes.size() ||
      std::fread(scales.data(), 2, scales.size(), stdin) != scales.size() ||
      std::fgetc(stdin) != EOF) {
    std::fprintf(stderr, "wanted: %zu bytes of codes, %zu scales\n", codes.size(), scales.size());
    return 1;
  }
  // Not zeros, so that a byte left unwritten shows.
  std::vector<uint8_t> packed(size, 0xa5);
  const machete::Status status =
      machete::prepack_B_host(desc, codes.data(), scales.data(), packed.data());
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.message());
    return 1;
  }
  return std::fwrite(packed.data(), 1, size, stdout) == size ? 0 : 1;
}
