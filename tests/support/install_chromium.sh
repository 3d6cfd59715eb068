#!/bin/sh
# Install Debian's Chromium for the tests of the page, if it is missing and this is Debian and root.
[ "$(id -u)" = 0 ] && command -v apt-get > /dev/null && ! command -v chromium > /dev/null || exit 0
apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends chromium fonts-inter && exit 0
echo 'Chromium could not be installed' >&2
