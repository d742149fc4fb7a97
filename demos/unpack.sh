#!/bin/sh
# The files of a Debian package, without what it depends on. unpack.sh PACKAGE FOLDER
set -eu
cd "$2"
apt-get download -qq "$1" 2>/dev/null || { apt-get update -qq && apt-get download -qq "$1"; }
dpkg -x ./*.deb .
