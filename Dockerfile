# SPDX-License-Identifier: Apache-2.0
#
# ctnatd's image: ctnat, which ctnatd copies to the node and which is static because any libc may be there; ctnatd with the
# shared libraries that it needs; ctnatctl for people. No shell, no package manager, no certificates (the API server's come
# with the service account).
#
#	sudo make image		builds it with buildah, without a registry, and tries it

# Of Debian 12: the programs in the kernel by the compiler whose output is tested on every kernel; and libelf.a, since that of
# Debian 13 (0.192) lacks a part of itself (eu_search_tree_init).
FROM debian:bookworm-slim AS bpf
RUN apt-get update && \
    apt-get install -y --no-install-recommends \
        gcc make clang llvm bpftool linux-libc-dev libbpf-dev libelf-dev
WORKDIR /src
COPY Makefile ./
COPY bpf bpf
RUN make VERSION=none skel && \
    mkdir /static && cp /usr/lib/*/libelf.a /static/

FROM debian:trixie-slim AS build
RUN apt-get update && \
    apt-get install -y --no-install-recommends \
        gcc libc6-dev make pkg-config dpkg-dev \
        libbpf-dev libmnl-dev libnftnl-dev libcjson-dev zlib1g-dev \
        libcurl4-openssl-dev libmicrohttpd-dev
COPY --from=bpf /static/libelf.a /usr/local/lib/
# Debian packs no static cJSON: its source is one file.
RUN sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >/etc/apt/sources.list.d/source.sources && \
    apt-get update && \
    mkdir /tmp/cjson && cd /tmp/cjson && apt-get source cjson && \
    gcc -O2 -g -c -o cJSON.o cjson-*/cJSON.c && ar rcs /usr/local/lib/libcjson.a cJSON.o

# before the distribution's own
ENV LIBRARY_PATH=/usr/local/lib
WORKDIR /src
COPY . .
# Newer than their sources, so make leaves them alone; it could not make them here.
COPY --from=bpf /src/build/bpf build/bpf
ARG VERSION
RUN make VERSION="${VERSION:-$(cat VERSION)}" build/static/ctnat build/static/ctnatctl build/ctnatd && \
    strip -o ctnat build/static/ctnat && strip -o ctnatctl build/static/ctnatctl && strip -o ctnatd build/ctnatd && \
    install -D -t /rootfs/usr/local/lib/ctnat ctnat && \
    install -D -t /rootfs/usr/local/sbin ctnatd ctnatctl && \
    install -D -m 644 -t /rootfs/usr/share/doc/ctnat LICENSE && \
    install -D -m 644 -t /rootfs/usr/share/doc/ctnat/bpf bpf/LICENSE && \
    deploy/image/collect /rootfs ctnatd libbpf-dev libelf-dev zlib1g-dev libzstd-dev libmnl-dev libnftnl-dev libcjson-dev libc6-dev

FROM scratch
ARG VERSION
LABEL org.opencontainers.image.title="ctnat" \
      org.opencontainers.image.description="Kubernetes pod network whose NAT is the kernel's connection tracking" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /rootfs /
ENV PATH=/usr/local/sbin
# As root: what it writes on the node belongs to root, and runtimes give added capabilities to nobody else.
USER 0:0
ENTRYPOINT ["ctnatd"]
