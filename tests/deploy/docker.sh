#!/bin/sh
# Stands in for Docker: it builds, tags and pushes nothing, and writes down what it was asked. That the image builds, and
# answers, is for another test.
set -eu
echo "$@" >>"$DOCKER_LOG"
case $1 in
    login) cat >/dev/null ;;               # the password
    inspect) exit 1 ;;                     # no such image yet
    build) ls Dockerfile similar.py ;;     # what there would be to build is here
esac
