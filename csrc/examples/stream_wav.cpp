// stream_wav.cpp - the same in C++, with a net and its rows as objects: stream_wav_cxx NET IN.wav OUT.wav
#include <rnnfast.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "wav.h"

namespace {

void check(std::int32_t status) {
  if (status != RF_OK) throw std::runtime_error(rf_status_text(status));
}

struct FreeNet {
  void operator()(rf_net *net) const { rf_net_free(net); }
};
using Net = std::unique_ptr<rf_net, FreeNet>;

Net load(const std::string &path) {
  rf_net *made = nullptr;
  check(rf_net_load(path.c_str(), RF_ISA_AUTO, 1, &made));
  Net net(made);
  rf_net_sizes sizes{};
  sizes.struct_size = sizeof sizes;
  check(rf_net_get_sizes(made, &sizes));
  if (sizes.input_size != 1 || sizes.output_size != 1 || sizes.dtype != RF_F32 || !sizes.steps_alone ||
      sizes.takes_indices) {
    throw std::runtime_error(path + " is no net of one input and one output in float32");
  }
  return net;
}

// Bytes that begin at a multiple of 64.
class Memory {
public:
  explicit Memory(std::size_t bytes) : bytes_(std::aligned_alloc(64, (bytes + 63) / 64 * 64)) {
    if (!bytes_) throw std::bad_alloc();
  }
  void *get() const { return bytes_.get(); }

private:
  struct Free {
    void operator()(void *memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> bytes_;
};

template <class Count, class... Sizes> std::size_t bytes_of(Count count, Sizes... sizes) {
  std::size_t bytes = 0;
  check(count(sizes..., &bytes));
  return bytes;
}

// One row of a net, which outlives it.
class Voice {
public:
  explicit Voice(const rf_net *net)
      : net_(net), state_(bytes_of(rf_net_state_bytes, net, 1)), scratch_(bytes_of(rf_net_workspace_bytes, net, 1, 1)) {
    check(rf_net_state_reset(net, 1, state_.get(), nullptr));
  }
  float operator()(float x) {
    float y;
    rf_net_step(net_, 1, &x, &y, state_.get(), scratch_.get());
    return y;
  }

private:
  const rf_net *net_;
  Memory state_, scratch_;
};

int play(const std::string &net_path, const char *from, const char *to) {
  using clock = std::chrono::steady_clock;
  const Net net = load(net_path);
  wav sound;
  if (!wav_read(from, &sound) || sound.count == 0) {
    throw std::runtime_error(std::string(from) + " is no .wav file of one channel and 16 bits");
  }
  const std::unique_ptr<float, decltype(&std::free)> samples(sound.samples, std::free);
  Voice voice(net.get());
  std::vector<std::int64_t> took(sound.count);
  std::int64_t all = 0;
  for (std::size_t n = 0; n < sound.count; n++) {
    const auto before = clock::now();
    sound.samples[n] = voice(sound.samples[n]);
    all += took[n] = std::chrono::nanoseconds(clock::now() - before).count();
  }
  std::sort(took.begin(), took.end());
  const auto within = [&](std::size_t beyond) { return static_cast<long long>(took[sound.count - 1 - beyond]); };
  std::printf("%zu samples, %.0f times as fast as they sound\n", sound.count,
              static_cast<double>(sound.count) / sound.rate / (static_cast<double>(all) * 1e-9));
  std::printf("a step, with the clock: half of them within %lld ns, 99.9%% within %lld ns, all within %lld ns\n",
              within(sound.count / 2), within(sound.count / 1000), within(0));
  if (!wav_write(to, &sound)) throw std::runtime_error(std::string("cannot write ") + to);
  return 0;
}

}  // namespace

int main(int count, char **words) {
  if (count != 4) {
    std::fprintf(stderr, "usage: stream_wav_cxx NET IN.wav OUT.wav\n");
    return 2;
  }
  try {
    return play(words[1], words[2], words[3]);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "stream_wav_cxx: %s\n", error.what());
    return 1;
  }
}
