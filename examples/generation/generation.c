// Prints a line each time that this guest becomes another run of itself: cc -o generation generation.c && ./generation [PAGE]
// The page has the layout of struct vmclock_abi (include/uapi/linux/vmclock-abi.h): what works with /dev/vmclock0 works with it.
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <unistd.h>

struct page {
  uint32_t magic, size;
  uint16_t version;
  uint8_t counter_id, time_type;
  uint32_t seq_count;
  uint64_t disruption_marker, flags;
  uint8_t clock[72];
  uint64_t vm_generation_counter;
};

// To be compared before each use of what must not be used twice: a nonce, a session key, a random number that was kept.
static uint64_t generation(const struct page *page) {
  for (;;) {
    uint32_t before = __atomic_load_n(&page->seq_count, __ATOMIC_ACQUIRE);
    uint64_t value = __atomic_load_n(&page->vm_generation_counter, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (before % 2 == 0 && before == __atomic_load_n(&page->seq_count, __ATOMIC_RELAXED)) return value;
  }
}

int main(int argc, char **argv) {
  const char *path = argc > 1 ? argv[1] : "/run/channelsdk/generation";
  int file = open(path, O_RDONLY), changes = inotify_init();
  const struct page *page = mmap(NULL, sizeof *page, PROT_READ, MAP_SHARED, file, 0);
  if (page == MAP_FAILED || page->magic != 0x4b4c4356 || inotify_add_watch(changes, path, IN_MODIFY) < 0) return perror(path), 1;
  uint64_t known = generation(page);
  char events[4096];
  do {
    if (generation(page) != known) printf("%016" PRIx64 "\n", known = generation(page));
    fflush(stdout);
  } while (read(changes, events, sizeof events) > 0);
  return 1;
}
