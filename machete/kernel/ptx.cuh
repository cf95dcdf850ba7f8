// PTX instructions that the kernels use, one function each, named after the instruction.
// CUTLASS wraps them too (cutlass/arch/barrier.h, cute/arch/copy_sm90_tma.hpp), but those headers
// cost more seconds of compilation than the whole kernel.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "machete/types.h"

#define MACHETE_DEVICE static __device__ __forceinline__

namespace machete::ptx {

// volatile, since the compiler would otherwise compute the address anew, from a special register,
// in every iteration of the loops.
MACHETE_DEVICE uint32_t shared_address(const void* pointer) {
  uint32_t address;
  asm volatile(
      "{\n"
      ".reg .u64 window;\n"
      "cvta.to.shared.u64 window, %1;\n"
      "cvt.u32.u64 %0, window;\n"
      "}"
      : "=r"(address)
      : "l"(pointer));
  return address;
}

// Leaves one lane of a converged warp; the others are done with the kernel. The compiler then knows
// that what follows runs once: it needs no loops over active lanes around copies, and computes in
// uniform registers. Barriers of a cluster count threads that have not exited.
MACHETE_DEVICE void continue_with_one_lane() {
  asm volatile(
      "{\n"
      ".reg .pred elected;\n"
      "elect.sync _|elected, 0xffffffff;\n"
      "@!elected exit;\n"
      "}" ::
          : "memory");
}

// ---- mbarrier

MACHETE_DEVICE void mbarrier_init(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals));
}

// Makes initialised barriers visible to the other CTAs of the cluster and to the copy engine.
MACHETE_DEVICE void fence_mbarrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

MACHETE_DEVICE void mbarrier_arrive_expect_tx(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}

MACHETE_DEVICE void mbarrier_arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

// Arrives at the barrier of the same offset in another CTA of the cluster.
MACHETE_DEVICE void mbarrier_arrive_cluster(uint32_t barrier, uint32_t cta) {
  asm volatile(
      "{\n"
      ".reg .b32 remote;\n"
      "mapa.shared::cluster.u32 remote, %0, %1;\n"
      "mbarrier.arrive.shared::cluster.b64 _, [remote];\n"
      "}" ::"r"(barrier),
      "r"(cta)
      : "memory");
}

// The default semantics (acquire.cta) even where a cluster shares the barrier, as CUTLASS does:
// .acquire.cluster made a prototype 10-20 % slower.
MACHETE_DEVICE void mbarrier_wait(uint32_t barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "WAIT_%=:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra WAIT_%=;\n"
      "}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

// Where another CTA of the cluster has written what the barrier counts, with store_async_v4().
MACHETE_DEVICE void mbarrier_wait_cluster(uint32_t barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "WAIT_%=:\n"
      "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra WAIT_%=;\n"
      "}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

// ---- bulk copies

MACHETE_DEVICE void bulk_load(uint32_t destination, const void* source, uint32_t bytes,
                              uint32_t barrier, uint64_t policy) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint"
      " [%0], [%1], %2, [%3], %4;" ::"r"(destination),
      "l"(source), "r"(bytes), "r"(barrier), "l"(policy)
      : "memory");
}

MACHETE_DEVICE void tensor_load(uint32_t destination, const CUtensorMap* map, int x, int y,
                                uint32_t barrier, uint64_t policy) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      ".L2::cache_hint [%0], [%1, {%2, %3}], [%4], %5;" ::"r"(destination),
      "l"(map), "r"(x), "r"(y), "r"(barrier), "l"(policy)
      : "memory");
}

// To the same offset in every CTA of `ctas`, a bit mask; signals each one's barrier.
MACHETE_DEVICE void tensor_load_multicast(uint32_t destination, const CUtensorMap* map, int x,
                                          int y, uint32_t barrier, uint16_t ctas, uint64_t policy) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      ".multicast::cluster.L2::cache_hint [%0], [%1, {%2, %3}], [%4], %5, %6;" ::"r"(destination),
      "l"(map), "r"(x), "r"(y), "r"(barrier), "h"(ctas), "l"(policy)
      : "memory");
}

MACHETE_DEVICE void tensor_store(const CUtensorMap* map, uint32_t source, int x, int y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%1, %2}], [%3];" ::"l"(map),
      "r"(x), "r"(y), "r"(source)
      : "memory");
}

MACHETE_DEVICE void bulk_commit_group() {
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}

// Until at most kPending groups of stores still read shared memory.
template <int kPending>
MACHETE_DEVICE void bulk_wait_group_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kPending) : "memory");
}

MACHETE_DEVICE void prefetch_tensor_map(const CUtensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

// ---- shared and global memory

MACHETE_DEVICE void load_shared_v4(uint32_t address, uint32_t* v) {
  asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3])
               : "r"(address));
}

MACHETE_DEVICE uint2 load_shared_v2(uint32_t address) {
  uint2 v;
  asm volatile("ld.shared.v2.b32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(address));
  return v;
}

MACHETE_DEVICE uint32_t load_shared(uint32_t address) {
  uint32_t v;
  asm volatile("ld.shared.b32 %0, [%1];" : "=r"(v) : "r"(address));
  return v;
}

MACHETE_DEVICE void store_shared_v4(uint32_t address, const float* v) {
  asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(address), "f"(v[0]), "f"(v[1]),
               "f"(v[2]), "f"(v[3])
               : "memory");
}

// The address of the same shared-memory offset in another CTA of the cluster.
MACHETE_DEVICE uint32_t map_to_cta(uint32_t address, uint32_t cta) {
  uint32_t mapped;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(mapped) : "r"(address), "r"(cta));
  return mapped;
}

// Into another CTA of the cluster; counts the bytes on a barrier there.
MACHETE_DEVICE void store_async_v4(uint32_t address, const float* v, uint32_t barrier) {
  asm volatile(
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [%0], {%1, %2, %3, %4}, "
      "[%5];" ::"r"(address),
      "f"(v[0]), "f"(v[1]), "f"(v[2]), "f"(v[3]), "r"(barrier)
      : "memory");
}

// Four 8x8 matrices of 16-bit elements.
MACHETE_DEVICE void ldmatrix_x4(uint32_t address, uint32_t& v0, uint32_t& v1, uint32_t& v2,
                                uint32_t& v3) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(v0), "=r"(v1), "=r"(v2), "=r"(v3)
               : "r"(address));
}

// Four 8x8 matrices of 16-bit elements, transposed on the way.
MACHETE_DEVICE void stmatrix_x4_trans(uint32_t address, const uint32_t (&v)[4]) {
  asm volatile(
      "stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address),
      "r"(v[0]), "r"(v[1]), "r"(v[2]), "r"(v[3])
      : "memory");
}

MACHETE_DEVICE void store_release(uint32_t* address, uint32_t value) {
  asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(address), "r"(value) : "memory");
}

MACHETE_DEVICE uint32_t load_acquire(const uint32_t* address) {
  uint32_t value;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(address) : "memory");
  return value;
}

// volatile keeps the load where it is written, ahead of the work that hides its latency.
MACHETE_DEVICE uint2 load_global_v2(const void* address) {
  uint2 v;
  asm volatile("ld.global.nc.v2.b32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(address));
  return v;
}

MACHETE_DEVICE void prefetch_global_l2(const void* address) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(address));
}

// ---- barriers and fences

// Orders stores to shared memory before the copy engine's reads of it.
MACHETE_DEVICE void fence_proxy_async() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Orders accesses to global memory before what the copy engine does there.
MACHETE_DEVICE void fence_proxy_async_global() {
  asm volatile("fence.proxy.async.global;" ::: "memory");
}

MACHETE_DEVICE void named_barrier(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
// Counts as having come, and goes on.
MACHETE_DEVICE void named_barrier_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// Orders no memory accesses, where the releasing one waits for all of them, in global memory too.
// Enough for mbarriers that fence_mbarrier_init() has made visible.
MACHETE_DEVICE void cluster_arrive_relaxed() {
  asm volatile("barrier.cluster.arrive.relaxed;" ::: "memory");
}
MACHETE_DEVICE void cluster_wait() { asm volatile("barrier.cluster.wait.acquire;" ::: "memory"); }

// Programmatic dependent launch; both do nothing in a kernel launched without it. From here on the
// next kernel of the stream may begin, up to its own wait.
MACHETE_DEVICE void launch_dependent_grids() {
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}
// Until the kernels before this one in the stream have ended and their writes are visible.
MACHETE_DEVICE void grid_dependency_wait() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

// ---- arithmetic

// Adds four floats of shared memory.
MACHETE_DEVICE void add_shared_v4(float* v, uint32_t address) {
  uint32_t other[4];
  load_shared_v4(address, other);
#pragma unroll
  for (int i = 0; i < 4; ++i) v[i] += __uint_as_float(other[i]);
}

// An 8x8 matrix of 16-bit elements across the warp: lane i has elements 2i, 2i + 1 in row order.
MACHETE_DEVICE uint32_t transpose_8x8(uint32_t v) {
  uint32_t transposed;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(transposed) : "r"(v));
  return transposed;
}

// d += a b; not volatile, so that the compiler may interleave independent ones.
template <DataType kType>
struct Mma;

template <>
struct Mma<DataType::kBF16> {
  MACHETE_DEVICE void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"
        " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};

template <>
struct Mma<DataType::kF16> {
  MACHETE_DEVICE void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
        " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};

template <>
struct Mma<DataType::kE4M3> {
  MACHETE_DEVICE void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32"
        " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};

template <>
struct Mma<DataType::kS8> {
  MACHETE_DEVICE void multiply(uint32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32"
        " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};

MACHETE_DEVICE float as_float(uint32_t bits) { return __uint_as_float(bits); }

// (v & mask) | bits. As one instruction: left to itself, the compiler takes two where both are
// constants.
template <uint32_t kMask, uint32_t kBits>
MACHETE_DEVICE uint32_t mask_and_set(uint32_t v) {
  uint32_t result;
  asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(result) : "r"(v), "n"(kMask), "n"(kBits));
  return result;
}

// Nibbles of the selector choose bytes: 0 to 3 are those of v, 4 is zero.
MACHETE_DEVICE uint32_t byte_permute(uint32_t v, uint32_t selector) {
  return __byte_perm(v, 0, selector);
}

}  // namespace machete::ptx
