// The public API over whatever families are linked in.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstring>

#include "machete/kernel/layout.h"
#include "machete/machete.h"
#include "machete/runtime/check.h"
#include "machete/runtime/family.h"
#include "machete/runtime/tiling.h"

namespace machete {
namespace {

Status cuda_status(const char* call, cudaError_t error) {
  if (error == cudaSuccess) return Status();
  return Status::failure(StatusCode::kCudaError, "%s: %s", call, cudaGetErrorString(error));
}

int find_schedule(const ScheduleList& schedules, const char* name) {
  for (int i = 0; i < schedules.count; ++i) {
    if (std::strcmp(schedules.entries[i]->name, name) == 0) return i;
  }
  return -1;
}

PackedLayout layout_of(const ProblemDesc& desc) {
  return packed_layout(desc.types, desc.n, desc.k, desc.group_size);
}

// Whether weights of both types are packed alike.
bool same_weights(const TypeSet& x, const TypeSet& y) {
  return x.a == y.a && x.b == y.b && x.b_group_scale == y.b_group_scale &&
         x.b_group_zeropoint == y.b_group_zeropoint;
}

static_assert(kMaxFunctions == internal::kMaxFunctions);

// Makes a kernel ready for launches by the driver: its CUfunction.
Status load(const void* kernel, int shared_bytes, void** function) {
  Status status = cuda_status(
      "cudaFuncSetAttribute",
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  if (!status.ok()) return status;
  cudaFunction_t loaded = nullptr;
  status = cuda_status("cudaGetFuncBySymbol", cudaGetFuncBySymbol(&loaded, kernel));
  *function = loaded;
  return status;
}

// Clusters of a loaded kernel that the current device holds at a time; 0 when it can hold none.
Status count_resident(const KernelEntry& kernel, int multiprocessors, int* count) {
  Status status;
  const unsigned cluster = kernel.cluster_n * kernel.cluster_k;
  if (cluster == 1) {
    int ctas = 0;
    status = cuda_status("cudaOccupancyMaxActiveBlocksPerMultiprocessor",
                         cudaOccupancyMaxActiveBlocksPerMultiprocessor(
                             &ctas, kernel.functions[0], kernel.threads, kernel.shared_bytes));
    *count = ctas * multiprocessors;
  } else {
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim = {cluster, 1, 1};
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(cluster * multiprocessors);
    config.blockDim = dim3(kernel.threads);
    config.dynamicSmemBytes = kernel.shared_bytes;
    config.attrs = &attribute;
    config.numAttrs = 1;
    // Not the number of SMs over the size of the cluster: a cluster lies within one GPC.
    status = cuda_status("cudaOccupancyMaxActiveClusters",
                         cudaOccupancyMaxActiveClusters(count, kernel.functions[0], &config));
  }
  if (kernel.scheduler == TileScheduler::kStreamK) {
    const int most = static_cast<int>(kFlagsBytes / sizeof(uint32_t)) / kernel.cluster_n;
    *count = std::min(*count, most);
  }
  return status;
}

}  // namespace

Status can_implement(const ProblemDesc& desc, const char* schedule) {
  Status status = check_problem(desc);
  if (!status.ok()) return status;
  const internal::Family* family = internal::find_family(desc.types);
  if (family == nullptr) {
    return Status::failure(StatusCode::kUnsupported,
                           "no kernels for a = %s, b = %s in this build; link //machete:kernels or "
                           "the family of these types",
                           info(desc.types.a).name, info(desc.types.b).name);
  }
  const ScheduleList schedules = family->supported_schedules_dispatch();
  if (schedule != nullptr && find_schedule(schedules, schedule) < 0) {
    return Status::failure(StatusCode::kInvalidArgument,
                           "schedule = %s is none of the %d of family %s (%s, ...)", schedule,
                           schedules.count, family->name, schedules.entries[0]->name);
  }
  return Status();
}

int supported_schedules(const ProblemDesc& desc, const char** names, int capacity) {
  const internal::Family* family = internal::find_family(desc.types);
  if (family == nullptr) return 0;
  const ScheduleList schedules = family->supported_schedules_dispatch();
  for (int i = 0; i < std::min(capacity, schedules.count); ++i) {
    names[i] = schedules.entries[i]->name;
  }
  return schedules.count;
}

size_t prepacked_size(const ProblemDesc& desc) {
  return check_problem(desc).ok() ? layout_of(desc).total_bytes : 0;
}

Status prepack_B(const ProblemDesc& desc, const Weights& weights, void* packed,
                 cudaStream_t stream) {
  Status status = can_implement(desc);
  if (!status.ok()) return status;
  status = check_packing(desc, weights, packed, 128);
  if (!status.ok()) return status;
  return internal::find_family(desc.types)->prepack_B_dispatch({desc, weights, packed, stream});
}

Status check_prepacked(const ProblemDesc& desc, const void* packed, cudaStream_t stream) {
  Status status = check_problem(desc);
  if (!status.ok()) return status;
  PackedHeader header;
  status = cuda_status("cudaMemcpyAsync", cudaMemcpyAsync(&header, packed, sizeof(header),
                                                          cudaMemcpyDeviceToHost, stream));
  if (!status.ok()) return status;
  status = cuda_status("cudaStreamSynchronize", cudaStreamSynchronize(stream));
  if (!status.ok()) return status;
  if (header.magic != kLayoutMagic) {
    return Status::failure(StatusCode::kMismatch, "packed = %p holds no packed weights", packed);
  }
  if (header.version != kLayoutVersion) {
    return Status::failure(StatusCode::kMismatch,
                           "packed = %p has layout version %u; this library reads version %u",
                           packed, header.version, kLayoutVersion);
  }
  if (!same_weights(header.types, desc.types) || header.n != desc.n || header.k != desc.k ||
      header.group_size != desc.group_size) {
    return Status::failure(
        StatusCode::kMismatch,
        "packed = %p is for a = %s, b = %s, b_group_scale = %s, n = %lld, k = %lld, group_size = "
        "%lld; wanted: %s, %s, %s, %lld, %lld, %lld",
        packed, info(header.types.a).name, info(header.types.b).name,
        info(header.types.b_group_scale).name, static_cast<long long>(header.n),
        static_cast<long long>(header.k), static_cast<long long>(header.group_size),
        info(desc.types.a).name, info(desc.types.b).name, info(desc.types.b_group_scale).name,
        static_cast<long long>(desc.n), static_cast<long long>(desc.k),
        static_cast<long long>(desc.group_size));
  }
  return Status();
}

Status Plan::create(const ProblemDesc& desc, const PlanOptions& options, Plan* plan) {
  *plan = Plan();
  Status status = can_implement(desc, options.schedule);
  if (!status.ok()) return status;

  Plan made;
  made.desc_ = desc;
  made.family_ = internal::find_family(desc.types);
  const ScheduleList schedules = made.family_->supported_schedules_dispatch();
  if (schedules.count > internal::kMaxSchedules) {
    return Status::failure(StatusCode::kUnsupported, "family %s has %d schedules; allowed: %d",
                           made.family_->name, schedules.count, internal::kMaxSchedules);
  }
  made.dependent_launch_ = options.programmatic_dependent_launch;
  if (options.schedule != nullptr) made.schedule_ = find_schedule(schedules, options.schedule);

  status = cuda_status("cudaGetDevice", cudaGetDevice(&made.device_));
  if (!status.ok()) return status;
  int major = 0;
  int minor = 0;
  int multiprocessors = 0;
  for (const auto& [attribute, value] :
       {std::pair(cudaDevAttrComputeCapabilityMajor, &major),
        std::pair(cudaDevAttrComputeCapabilityMinor, &minor),
        std::pair(cudaDevAttrMultiProcessorCount, &multiprocessors)}) {
    status = cuda_status("cudaDeviceGetAttribute",
                         cudaDeviceGetAttribute(value, attribute, made.device_));
    if (!status.ok()) return status;
  }
  if (major != 9 || minor != 0) {
    return Status::failure(StatusCode::kUnsupported,
                           "device %d has compute capability %d.%d; these kernels are for 9.0",
                           made.device_, major, minor);
  }
  for (const auto& [name, function] :
       {std::pair("cuTensorMapEncodeTiled", &made.encode_tensor_map_),
        std::pair("cuLaunchKernelEx", &made.launch_kernel_),
        std::pair("cuCtxGetCurrent", &made.get_context_)}) {
    cudaDriverEntryPointQueryResult found;
    status = cuda_status(
        name, cudaGetDriverEntryPointByVersion(name, function, 12000, cudaEnableDefault, &found));
    if (!status.ok()) return status;
  }
  for (int i = 0; i < schedules.count; ++i) {
    if (made.schedule_ >= 0 && made.schedule_ != i) continue;
    const KernelEntry& kernel = *schedules.entries[i];
    for (int f = 0; f < kMaxFunctions && kernel.functions[f] != nullptr; ++f) {
      status = load(kernel.functions[f], kernel.shared_bytes, &made.functions_[i][f]);
      if (!status.ok()) return status;
    }
    status = count_resident(kernel, multiprocessors, &made.resident_clusters_[i]);
    if (!status.ok()) return status;
  }
  *plan = made;
  return Status();
}

int Plan::choose(int64_t m) const {
  if (schedule_ >= 0) return schedule_;
  int chosen = last_choice_.find(m);
  if (chosen < 0) {
    chosen = family_->default_schedule(m, desc_.n, desc_.k, resident_clusters_);
    last_choice_.remember(m, chosen);
  }
  return chosen;
}

size_t Plan::workspace_size(int64_t m) const {
  if (family_ == nullptr || m <= 0) return 0;
  const int chosen = choose(m);
  const KernelEntry& kernel = *family_->supported_schedules_dispatch().entries[chosen];
  if (is_streaming(kernel.schedule)) return 0;
  const int resident = resident_clusters_[chosen];
  if (resident == 0 || count_tiles(kernel, m, desc_.n) > kMaxTiles) return 0;
  return workspace_bytes(kernel, plan_tiles(kernel, m, desc_.n, desc_.k, resident));
}

const char* Plan::schedule(int64_t m) const {
  if (family_ == nullptr) return nullptr;
  return family_->supported_schedules_dispatch().entries[choose(m)]->name;
}

Status Plan::run(const RunArgs& args, cudaStream_t stream) const {
  if (family_ == nullptr) {
    return Status::failure(StatusCode::kInvalidArgument, "the plan is empty; make it by create()");
  }
  Status status = check_run(desc_, args);
  if (!status.ok() || args.m == 0) return status;
  int device = -1;
  status = cuda_status("cudaGetDevice", cudaGetDevice(&device));
  if (!status.ok()) return status;
  if (device != device_) {
    return Status::failure(StatusCode::kInvalidArgument,
                           "the current device is %d; the plan was made for device %d", device,
                           device_);
  }
  // A thread of which this is the first use of CUDA has none; the driver's functions want one.
  CUcontext context = nullptr;
  reinterpret_cast<decltype(&cuCtxGetCurrent)>(get_context_)(&context);
  if (context == nullptr) {
    status = cuda_status("cudaSetDevice", cudaSetDevice(device_));
    if (!status.ok()) return status;
  }
  MmArgs mm = {};
  mm.M = args.m;
  mm.N = desc_.n;
  mm.K = desc_.k;
  mm.desc = &desc_;
  mm.tensors = args;
  mm.schedule = choose(args.m);
  mm.resident_clusters = resident_clusters_;
  mm.functions = functions_[mm.schedule];
  mm.encode_tensor_map = encode_tensor_map_;
  mm.launch_kernel = launch_kernel_;
  mm.dependent_launch = dependent_launch_;
  mm.stream = stream;
  return family_->mm_dispatch(mm);
}

}  // namespace machete
