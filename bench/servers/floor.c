/* The floor: what the kernel itself costs. Echoes lines, or datagrams, with epoll and nothing
 * else: `floor tcp|udp BACKLOG` says `ready PORT`. Ends with its parent. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DESCRIPTORS = 65536, LINE = 4096, EVENTS = 256 };

struct connection { /* what came of a line that is not whole yet */
    size_t length;
    char bytes[LINE];
};
static struct connection *connections[DESCRIPTORS];

static void die(const char *what) { perror(what); exit(1); }

static void drop(int fd) {
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

static void accept_one(int epoll, int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    if (fd >= DESCRIPTORS || !(connections[fd] = calloc(1, sizeof(struct connection)))) {
        close(fd);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) drop(fd);
}

static void answer(int fd) {
    struct connection *c = connections[fd];
    ssize_t got = recv(fd, c->bytes + c->length, LINE - c->length, 0);
    if (got <= 0) {
        drop(fd);
        return;
    }
    c->length += got;
    char *end = memrchr(c->bytes, '\n', c->length);
    if (!end) {
        if (c->length == LINE) drop(fd); /* a line longer than any here */
        return;
    }
    size_t whole = end + 1 - c->bytes;
    if (send(fd, c->bytes, whole, MSG_NOSIGNAL) != (ssize_t)whole) {
        drop(fd);
        return;
    }
    memmove(c->bytes, end + 1, c->length -= whole);
}

static void answer_datagram(int fd) {
    char bytes[LINE];
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    ssize_t got = recvfrom(fd, bytes, LINE, 0, (struct sockaddr *)&peer, &size);
    if (got >= 0) sendto(fd, bytes, got, 0, (struct sockaddr *)&peer, size);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int udp = !strcmp(argv[1], "udp");
    int listener = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, size)) die("bind");
    if (!udp && listen(listener, atoi(argv[2]))) die("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &size)) die("getsockname");
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    int epoll = epoll_create1(0);
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event)) die("epoll");
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) answer(fd);
            else if (udp) answer_datagram(fd);
            else accept_one(epoll, fd);
        }
    }
}
