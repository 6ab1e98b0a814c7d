/* fuse-double TYPE FOLDER SOURCE   a file system that is a program: an empty folder, in which each name is one more. It answers until it is
 * stopped, and has ended when its parent has. TYPE is fuse, or fuseblk with a block device as SOURCE. Writes a line once it is mounted. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char request[1 << 17];
static int device;

static void answer(const struct fuse_in_header *to, int error, const void *body, size_t size) {
  struct fuse_out_header head = { .len = sizeof head + (error ? 0 : size), .error = -error, .unique = to->unique };
  struct iovec parts[2] = { { &head, sizeof head }, { (void *)body, error ? 0 : size } };
  if (writev(device, parts, 2) < 0 && errno != ENOENT) perror("fuse-double: writev");
}

static struct fuse_attr folder(unsigned long node) {
  return (struct fuse_attr){ .ino = node, .mode = S_IFDIR | 0755, .nlink = 2, .blksize = 512 };
}

/* A process that outlives this one and is outside of its tree: if this were the last in its mount namespace, its own end would unmount
 * the file system, and wait for ever for an answer of itself. */
static void leave_keeper(void) {
  int ends[2];
  char end;
  if (pipe(ends) != 0) return;
  if (fork() == 0) {
    if (setsid() > 0 && fork() == 0) {
      close(device);
      close(ends[1]);
      close(STDOUT_FILENO);
      close(STDERR_FILENO);
      while (read(ends[0], &end, 1) < 0) { }
    }
    _exit(0);
  }
  close(ends[0]);
  wait(NULL);
}

int main(int count, char **words) {
  if (count != 4) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  char options[128];
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0%s", device, strcmp(words[1], "fuseblk") ? "" : ",blksize=512");
  if (device < 0 || mount(words[3], words[2], words[1], 0, options) != 0) {
    perror("fuse-double");
    return 1;
  }
  leave_keeper();
  /* The mount's first question is answered by what follows; a parent that waits for the line may go on. */
  printf("%d\n", getpid());
  fclose(stdout);
  while (read(device, request, sizeof request) > 0) {
    const struct fuse_in_header *head = (void *)request;
    switch (head->opcode) {
      case FUSE_INIT: {
        struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096 };
        answer(head, 0, &out, sizeof out);
        break;
      }
      case FUSE_LOOKUP: {
        struct fuse_entry_out out = { .nodeid = head->nodeid + 1, .attr = folder(head->nodeid + 1) };
        answer(head, 0, &out, sizeof out);
        break;
      }
      case FUSE_GETATTR: {
        struct fuse_attr_out out = { .attr = folder(head->nodeid) };
        answer(head, 0, &out, sizeof out);
        break;
      }
      case FUSE_STATFS: {
        struct fuse_statfs_out out = { .st = { .blocks = 1000, .bfree = 600, .bavail = 500, .bsize = 4096, .frsize = 4096, .namelen = 255 } };
        answer(head, 0, &out, sizeof out);
        break;
      }
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
        break;
      default:
        answer(head, ENOSYS, NULL, 0);
    }
  }
  return 0;
}
