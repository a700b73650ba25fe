# The image of Landwaiter. How to build, pin and check it: docs/image.md; why it is made like this:
# docs/adr/0016-the-image.md.
#
# Nothing of the target platform is run, so any machine builds for every platform. Secrets, all of
# them optional and each in the form of the tool that reads it: pip.conf, go.env, ca.pem.

ARG DEBIAN_BASE=docker.io/library/debian:bookworm-slim
ARG GO_BASE=docker.io/library/golang:1.26-bookworm
ARG COSIGN_VERSION=v3.1.3
ARG VERSION=0.1.0
ARG REVISION=unknown


# cosign, built as the tests build it: go.mod and go.sum name every source by its hash.
FROM --platform=$BUILDPLATFORM ${GO_BASE} AS cosign
ARG TARGETARCH
ARG COSIGN_VERSION
ENV CGO_ENABLED=0 GOCACHE=/go/cache GOENV=/run/secrets/go.env GOFLAGS= GOMODCACHE=/go/mod \
    GOTOOLCHAIN=local GOWORK=off
WORKDIR /source
COPY tests/realparts/modules/cosign3/go.mod tests/realparts/modules/cosign3/go.sum ./
RUN --mount=type=secret,id=go.env,target=/run/secrets/go.env \
    --mount=type=secret,id=ca.pem,target=/etc/ssl/certs/ca-certificates.crt \
    grep -q "github.com/sigstore/cosign/v3 ${COSIGN_VERSION} " go.mod \
 && GOOS=linux GOARCH="${TARGETARCH}" go build -trimpath -mod=readonly -buildvcs=false \
      -ldflags "-s -w -X sigs.k8s.io/release-utils/version.gitVersion=${COSIGN_VERSION}" \
      -o /built/cosign github.com/sigstore/cosign/v3/cmd/cosign \
 && go version -m -json /built/cosign > /built/cosign.json


# What the stages below work with; none of it is in the image.
FROM --platform=$BUILDPLATFORM ${DEBIAN_BASE} AS tools
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
      ca-certificates python3.11-venv \
 && python3.11 -m venv /tools
WORKDIR /source
COPY requirements/image.txt requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca.pem,target=/etc/ssl/certs/ca-certificates.crt \
    /tools/bin/pip install --no-deps --require-hashes --requirement requirements/image.txt


# Python and the libraries that it loads, out of Debian's packages: no shell, no package manager.
# What is left out: modules whose libraries are not there, tests, and what only maintainers read.
# Scanners look into status.d where there is no dpkg.
FROM tools AS system
ARG TARGETARCH
WORKDIR /packages
RUN dpkg --add-architecture "${TARGETARCH}" \
 && apt-get update \
 && apt-get download ca-certificates $(printf "%s:${TARGETARCH} " \
      gcc-12-base libbz2-1.0 libc6 libexpat1 libffi8 libgcc-s1 liblzma5 libpython3.11-minimal \
      libpython3.11-stdlib libssl3 libstdc++6 libuuid1 python3.11-minimal zlib1g)
WORKDIR /system
RUN mkdir -p dev etc/landwaiter etc/ssl/certs proc sys tmp usr/lib/ssl var/lib/dpkg/status.d \
 && chmod 1777 tmp \
 && for package in /packages/*.deb; do \
      dpkg-deb --extract "${package}" . \
      && dpkg-deb --field "${package}" \
         > "var/lib/dpkg/status.d/$(dpkg-deb --field "${package}" Package)" \
      || exit 1; \
    done \
 && cat usr/share/ca-certificates/mozilla/*.crt > etc/ssl/certs/ca-certificates.crt \
 && ln -s /etc/ssl/certs usr/lib/ssl/certs \
 && ln -s /etc/ssl/certs/ca-certificates.crt usr/lib/ssl/cert.pem \
 && cp /etc/os-release /etc/debian_version etc/ \
 && find usr/share/doc -type f ! -name copyright -delete \
 && cd usr/lib/python3.11/lib-dynload \
 && rm _crypt.* _curses.* _curses_panel.* _dbm.* _sqlite3.* nis.* readline.* *_test*.* xx* \
 && cd /system \
 && rm -r usr/lib/*-linux-gnu/gconv usr/lib/binfmt.d usr/lib/python3.11/test usr/sbin \
      usr/share/binfmts usr/share/ca-certificates usr/share/gdb usr/share/lintian usr/share/man \
 && python3.11 -m compileall -q --invalidation-mode unchecked-hash -p / usr/lib/python3.11
COPY --chmod=0644 image/etc/group image/etc/nsswitch.conf image/etc/passwd etc/


# The locked packages in a virtual environment, and the list of all that is in the image.
# kubernetes.aio is a second client of 68 MB, which nothing imports; nobody runs scripts here.
FROM tools AS packages
ARG TARGETARCH
RUN python3.11 -m venv --without-pip /opt/landwaiter \
 && rm -r /opt/landwaiter/include /opt/landwaiter/bin/*ctivate*
WORKDIR /opt/landwaiter/lib/python3.11/site-packages
COPY requirements/runtime.txt /source/requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca.pem,target=/etc/ssl/certs/ca-certificates.crt \
    case "${TARGETARCH}" in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; *) exit 1 ;; esac \
 && /tools/bin/pip install --no-deps --require-hashes --only-binary :all: --target . \
      $(printf -- "--platform manylinux_2_%d_${machine} " $(seq 17 36)) \
      --platform "manylinux2014_${machine}" --requirement /source/requirements/runtime.txt \
 && rm -r bin kubernetes/aio securesystemslib/_vendor/*.sh \
 && chmod -R a-x,a+X ./*.dist-info \
 && python3.11 -m compileall -q --invalidation-mode unchecked-hash "${PWD}"
WORKDIR /source
ARG VERSION
COPY --from=cosign /built/cosign.json /listed/
COPY --from=system /system/var/lib/dpkg/status.d /listed/debian
COPY pyproject.toml ./
COPY image/sbom.py image/
RUN mkdir /documents \
 && /tools/bin/cyclonedx-py environment --spec-version 1.6 --output-reproducible --no-validate \
      --pyproject pyproject.toml --output-file /listed/python.json /opt/landwaiter/bin/python \
 && /tools/bin/python image/sbom.py --python /listed/python.json --cosign /listed/cosign.json \
      --debian /listed/debian --release "$(. /etc/os-release && echo "${VERSION_ID}")" \
      --version "${VERSION}" --output /documents/sbom.cdx.json


# Landwaiter itself.
FROM packages AS application
ARG VERSION
COPY README.md LICENSE ./
COPY app app
RUN /tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /tools/bin/pip --python /opt/landwaiter/bin/python install --no-deps --root /application \
      "/wheels/landwaiter-${VERSION}-py3-none-any.whl" \
 && python3.11 -m compileall -q --invalidation-mode unchecked-hash -s /application /application


FROM scratch
COPY --from=system /system /
COPY --from=cosign /built/cosign /opt/landwaiter/bin/cosign
COPY --from=packages /opt/landwaiter /opt/landwaiter
COPY --from=packages /documents /usr/share/doc/landwaiter
COPY --from=application /application /
ARG DEBIAN_BASE
ARG GO_BASE
ARG COSIGN_VERSION
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="Landwaiter" \
      org.opencontainers.image.description="Decides which container images may run in a Kubernetes cluster" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      dev.landwaiter.image.cosign="${COSIGN_VERSION}" \
      dev.landwaiter.image.debian-base="${DEBIAN_BASE}" \
      dev.landwaiter.image.go-base="${GO_BASE}"
# All that is ever written goes below /tmp: mount an emptyDir there, and the rest can be read-only.
ENV HOME=/tmp PATH=/opt/landwaiter/bin:/usr/bin TMPDIR=/tmp TUF_ROOT=/tmp/tuf
USER 65532:65532
WORKDIR /
EXPOSE 8443 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/landwaiter/bin/landwaiter"]
