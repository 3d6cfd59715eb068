#!/usr/bin/env bash
# The Docker commands that `make image` and the CDK use, for a machine without a Docker engine: run by buildah, as root.
#
# The base image is made from Debian packages, because an image registry may not be reachable either. The build uses this
# machine's certificates and pip configuration. Nothing is pushed: this serves deployments to an emulator.
set -euo pipefail

BASE=localhost/debian-python:bookworm
CERTIFICATES=/etc/ssl/certs

need() {
    command -v "$1" > /dev/null && return
    echo "$1 is not installed; as root: apt-get install --no-install-recommends buildah debootstrap" >&2
    exit 1
}

has_image() { buildah inspect --type image "$1" > /dev/null 2>&1; }

# Like the official Python image that the Dockerfile names: the same Debian release and minor version of Python.
make_base() {
    need debootstrap
    echo "Making $BASE, once; this takes a minute or two" >&2
    local folder container
    folder=$(mktemp --directory)
    trap "rm -rf '$folder'" EXIT
    debootstrap --variant=minbase --include=python3,python3-pip bookworm "$folder/root" > "$folder/log" \
        || { cat "$folder/log" >&2; exit 1; }
    rm -rf "$folder"/root/var/cache/apt/* "$folder"/root/var/lib/apt/lists/*
    ln -s /usr/bin/python3 "$folder/root/usr/local/bin/python"
    tar --directory "$folder/root" --create --file "$folder/root.tar" .
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$folder/root.tar" / > /dev/null
    buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --env LANG=C.UTF-8 "$container"
    buildah commit --quiet --rm "$container" "$BASE" > /dev/null
}

build() {
    has_image "$BASE" || make_base
    local mounts=(--volume "$CERTIFICATES:$CERTIFICATES:ro") file folder
    for file in /etc/pip.conf "$HOME/.pip/pip.conf" "$HOME/.config/pip/pip.conf"; do
        [ -f "$file" ] && mounts+=(--volume "$file:${file/#$HOME//root}:ro")
    done
    for folder in $(python3 -m pip config get global.find-links 2> /dev/null || true); do
        [ -d "$folder" ] && mounts+=(--volume "$folder:$folder:ro")
    done
    buildah build --isolation chroot --layers --force-rm --build-arg "BASE=$BASE" "${mounts[@]}" "$@"
}

need buildah
[ "${1-}" != --config ] || shift 2
command=${1-}
[ $# -eq 0 ] || shift
case "$command" in
    build) build "$@" ;;
    inspect) has_image "$1" || exit 1 ;;  # a status other than 0 makes the CDK build
    tag) buildah tag "$@" ;;
    login) cat > /dev/null ;;
    push) echo "$1 stays on this machine: there is no Docker engine to push it with" >&2 ;;
    *) echo "expected build, inspect, tag, login or push, got '$command'" >&2; exit 2 ;;
esac
