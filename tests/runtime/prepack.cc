// Packs on the host: `prepack A B GROUP_SCALE ZEROPOINT N K GROUP_SIZE OPERANDS TENSOR_SCALE`.
// Types by name; OPERANDS has an s where there are group scales, a c where there are channel
// scales. Codes, group scales, zero points and channel scales on standard input, the packed weights
// on standard output.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "machete/machete.h"

namespace {

using machete::DataType;

DataType type_of(const char* name) {
  int i = 0;
  while (std::strcmp(machete::info(static_cast<DataType>(i)).name, name) != 0) ++i;
  return static_cast<DataType>(i);
}

// Null without bytes.
const void* read(size_t bytes, std::vector<uint8_t>* data) {
  data->resize(bytes);
  if (std::fread(data->data(), 1, bytes, stdin) != bytes) {
    std::fprintf(stderr, "standard input ends too early\n");
    std::exit(1);
  }
  return bytes > 0 ? data->data() : nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 10) {
    std::fprintf(stderr, "prepack: see the top of prepack.cc\n");
    return 2;
  }
  machete::ProblemDesc desc;
  desc.types.a = type_of(argv[1]);
  desc.types.b = type_of(argv[2]);
  desc.types.b_group_scale = type_of(argv[3]);
  desc.types.b_group_zeropoint = type_of(argv[4]);
  desc.types.b_channel_scale = DataType::kF32;
  const bool narrow = machete::info(desc.types.a).bits == 8;
  desc.types.out = narrow ? DataType::kBF16 : desc.types.a;
  desc.types.accumulator = desc.types.a == DataType::kS8 ? DataType::kS32 : DataType::kF32;
  desc.n = std::atoll(argv[5]);
  desc.k = std::atoll(argv[6]);
  desc.group_size = std::atoll(argv[7]);
  const bool has_scales = std::strchr(argv[8], 's') != nullptr;
  const bool has_channel_scales = std::strchr(argv[8], 'c') != nullptr;
  const size_t size = machete::prepacked_size(desc);
  if (size == 0) {
    std::fprintf(stderr, "%s\n", machete::can_implement(desc).message());
    return 1;
  }
  const auto bytes = [](DataType type, int64_t count) {
    return static_cast<size_t>(count) * machete::info(type).bits / 8;
  };
  const int64_t groups = desc.k / desc.group_size * desc.n;
  std::vector<uint8_t> data[4];
  machete::Weights weights;
  weights.codes = read(bytes(desc.types.b, desc.n * desc.k), &data[0]);
  if (has_scales) weights.group_scales = read(bytes(desc.types.b_group_scale, groups), &data[1]);
  weights.group_zeropoints = read(bytes(desc.types.b_group_zeropoint, groups), &data[2]);
  if (has_channel_scales) {
    weights.channel_scales =
        static_cast<const float*>(read(bytes(DataType::kF32, desc.n), &data[3]));
  }
  weights.tensor_scale = std::strtof(argv[9], nullptr);
  if (std::fgetc(stdin) != EOF) {
    std::fprintf(stderr, "standard input has more than it should\n");
    return 1;
  }
  // Not zeros, so that a byte left unwritten shows.
  std::vector<uint8_t> packed(size, 0xa5);
  const machete::Status status = machete::prepack_B_host(desc, weights, packed.data());
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.message());
    return 1;
  }
  return std::fwrite(packed.data(), 1, size, stdout) == size ? 0 : 1;
}
