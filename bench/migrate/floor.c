// The floor under a move of connections: two processes that pass descriptors as batond's workers do, and do nothing
// else. Each is duplicated, its original closed, the duplicates sent over a SEQPACKET pair in batches with a packet of
// the size that an offer has, accepted, given away, and closed.
//
//   floor COUNT BATCH     prints descriptors per second
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_BATCH 253
#define BYTES_EACH 110

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void pass(int link, const int *fds, int count) {
  static char data[MAX_BATCH * BYTES_EACH];
  char control[CMSG_SPACE(sizeof(int) * MAX_BATCH)];
  struct iovec part = {data, count == 0 ? 32 : (size_t)count * BYTES_EACH};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
  }
  if (sendmsg(link, &message, MSG_NOSIGNAL) < 0) fail("sendmsg");
}

/* How many descriptors came; -1 at the end. */
static int take(int link) {
  static char data[MAX_BATCH * BYTES_EACH];
  char control[CMSG_SPACE(sizeof(int) * MAX_BATCH)];
  struct iovec part = {data, sizeof data};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t size = recvmsg(link, &message, MSG_CMSG_CLOEXEC);
  if (size < 0) fail("recvmsg");
  if (size == 0) return -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  return header == NULL ? 0 : (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
}

int main(int argc, char **argv) {
  if (argc != 3) return 64;
  int count = atoi(argv[1]), batch = atoi(argv[2]);
  if (count < 1 || batch < 1 || batch > MAX_BATCH) return 64;
  int link[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, link) < 0) fail("socketpair");
  pid_t receiver = fork();
  if (receiver < 0) fail("fork");
  if (receiver == 0) {
    close(link[0]);
    // offer, accept, yours; what has come stays open, as connections do.
    while (take(link[1]) >= 0) {
      pass(link[1], NULL, 0);
      if (take(link[1]) < 0) break;
    }
    _exit(0);
  }
  close(link[1]);
  int *fds = malloc(sizeof(int) * count);
  for (int i = 0; i < count; i++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) fail("socketpair");
    fds[i] = pair[0];
  }
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (int at = 0; at < count; at += batch) {
    int size = count - at < batch ? count - at : batch;
    for (int i = at; i < at + size; i++) {
      int original = fds[i];
      fds[i] = dup(original);
      if (fds[i] < 0) fail("dup");
      close(original);
    }
    pass(link[0], fds + at, size);
    take(link[0]);
    pass(link[0], NULL, 0);
    for (int i = at; i < at + size; i++) close(fds[i]);
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  close(link[0]);
  waitpid(receiver, NULL, 0);
  double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
  printf("%.0f\n", count / seconds);
  return 0;
}
