// net_stream.cpp - a C++ program that loads a net from a file and steps it: `net_stream FILE STEPS`; prints the last y.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "rnnfast.h"

namespace {

struct Free {
  void operator()(rf_net *net) const { rf_net_free(net); }
  void operator()(void *memory) const { std::free(memory); }
};

void check(int status) {
  if (status == RF_OK) return;
  std::fprintf(stderr, "%s\n", rf_status_text(status));
  std::exit(1);
}

std::unique_ptr<void, Free> aligned(std::size_t bytes) {
  return std::unique_ptr<void, Free>(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
}

} // namespace

int main(int count, char **words) {
  if (count != 3) return 2;
  rf_net *loaded = nullptr;
  check(rf_net_load(words[1], RF_ISA_AUTO, 0, &loaded));
  const std::unique_ptr<rf_net, Free> net(loaded);
  rf_net_sizes sizes{};
  sizes.struct_size = sizeof sizes;
  check(rf_net_get_sizes(net.get(), &sizes));
  std::size_t state_bytes = 0, scratch_bytes = 0;
  check(rf_net_state_bytes(net.get(), 1, &state_bytes));
  check(rf_net_workspace_bytes(net.get(), 1, 1, &scratch_bytes));
  const auto state = aligned(state_bytes), scratch = aligned(scratch_bytes);
  check(rf_net_state_reset(net.get(), 1, state.get(), nullptr));
  std::vector<float> x(sizes.input_size, 0.5f), y(sizes.output_size);
  for (int n = 0; n < std::atoi(words[2]); n++) {
    rf_net_step(net.get(), 1, x.data(), y.data(), state.get(), scratch.get());
  }
  for (float number : y) std::printf("%.9g\n", number);
  return 0;
}
